//! Replays that cannot do what they were asked for say so, and exit as what is not whole.

use crate::harness::{Desk, KEY, Vendors, until};

/// Twenty minutes before the end of a half day.
const EPOCH: &str = "2026-11-27T17:40:00Z";

/// The key is good for quotes alone.
const REFUSED: &str = r#"
[[fault]]
what = "key_refused"
endpoints = ["candle"]
"#;

#[test]
fn a_forced_replay_that_replaced_nothing_says_so_and_why_and_is_not_whole() {
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY);
    std::fs::write(desk.path().join("faults.toml"), REFUSED).expect("write");
    let vendors = Vendors::start(&desk, EPOCH, 60, &["--plan", "premium", "--faults", "faults.toml"]);
    let mut daemon = desk.start(&vendors.run(&["--symbols", "SPY"]), "run.log");
    let past = ["replay", "--from", "2026-11-27T17:41:00Z", "--to", "2026-11-27T17:55:00Z"];
    let said = |words: &[&str], code: i32, says: &[&str]| {
        let ran = desk.run(&vendors.on_clock(&[&past, words].concat()));
        assert_eq!(ran.code, code, "{words:?}: {}{}", ran.out, ran.err);
        for text in says {
            assert!(ran.out.contains(text), "{words:?}: `{text}` is not in: {}", ran.out);
        }
        ran
    };
    until("a start", 30, || desk.log("run.log").contains("watching 1 symbols"));
    let before =
        ["replay", "--from", "2026-11-27T17:00:00Z", "--to", "2026-11-27T17:30:00Z", "--force", "--mode", "apply"];
    let ran = desk.run(&vendors.on_clock(&before));
    assert_eq!(ran.code, 3, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("nothing was replaced: nothing is expected there"), "{}", ran.out);
    until("the end of the session", 60, || {
        desk.run(&["gaps", "--json"]).json()["as_of"].as_str() > Some("2026-11-27T18:00")
    });

    let refused = "finnhub, which refused the key";
    let forced = ["--force", "--mode", "apply", "--timeout", "60"];
    let queued = said(&forced, 3, &["rows are not replaced", "the log of `mendlake run`", refused]);
    assert!(!queued.out.contains("nothing is missing any more"), "{}", queued.out);
    assert_eq!(daemon.stop(), 0, "{}", desk.log("run.log"));

    let alone = said(&forced, 3, &["rows are not replaced", "not replaced: denied", refused]);
    assert!(!alone.out.contains("nothing is missing any more"), "{}", alone.out);
    let told = said(&["--force", "--mode", "apply", "--json"], 3, &[]).json();
    assert!(told["not_replaced"].as_u64() > Some(0), "{told}");
    assert_eq!((&told["done"]["corrected"], &told["price"]["barred"]["finnhub"]), (&0.into(), &"key_refused".into()));
    let plan = said(&["--force"], 0, &["nobody can be asked: not finnhub, which refused the key"]);
    assert!(!plan.out.contains("plan of the key"), "{}", plan.out);
    let unread = Desk { variables: Vec::new(), ..desk };
    let words = [&past[..], &["--force", "--finnhub-key-file", "absent.key"]].concat();
    let ran = unread.run(&vendors.on_clock(&words));
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("nobody can be asked: not finnhub, whose key cannot be read"), "{}", ran.out);
}

#[test]
fn a_range_of_years_costs_what_was_watched_in_it_and_too_much_is_refused_with_the_calls_it_takes() {
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY);
    let vendors = Vendors::start(&desk, EPOCH, 60, &["--plan", "premium"]);
    let mut daemon = desk.start(&vendors.run(&["--symbols", "SPY"]), "run.log");
    until("a start", 30, || desk.log("run.log").contains("watching 1 symbols"));
    assert_eq!(daemon.stop(), 0, "{}", desk.log("run.log"));
    let run = |words: &[&str]| desk.run(&vendors.on_clock(words));
    let years = ["replay", "--from", "2001-01-02T14:30:00Z", "--to", "2026-11-27T18:00:00Z"];
    for mode in ["plan", "apply"] {
        let ran = run(&[&years[..], &["--mode", mode]].concat());
        assert!(ran.out.contains("1 symbols, 2001-01-02T14:30:00Z to"), "{mode}: {}{}", ran.out, ran.err);
    }
    let backfill = ["watch", "backfill", "SPY", "--from", "2001-01-02T09:30", "--to", "2026-11-25T16:00"];
    assert_eq!(run(&backfill).code, 0);
    for mode in ["plan", "apply"] {
        let ran = run(&[&years[..], &["--mode", mode]].concat());
        assert_eq!(ran.code, 2, "{mode}: {}{}", ran.out, ran.err);
        let says = "calls, one a symbol and session, more than the 4500 that are made at once; name fewer symbols";
        assert!(ran.err.contains("it may take 65") && ran.err.contains(says), "{mode}: {}", ran.err);
    }
}
