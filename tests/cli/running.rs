//! The daemon: one a folder, stopped and started again, asked by other processes, with plans that lack candles.

use std::process::Command;

use mendlake_domain::calendar::Calendar;

use crate::harness::{Desk, KEY, Vendors, until};

/// Half an hour before the end of a half day.
const EPOCH: &str = "2026-11-27T17:30:00Z";

/// Ten minutes without quotes.
const DOWN: &str = r#"
[[fault]]
what = { down = { status = 502 } }
endpoints = ["quote"]
from = "2026-11-27T17:40:00Z"
to = "2026-11-27T17:50:00Z"
"#;

#[test]
fn a_second_daemon_on_one_folder_is_refused_by_name_and_the_first_goes_on() {
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY);
    let vendors = Vendors::start(&desk, EPOCH, 60, &[]);
    let words = vendors.run(&["--symbols", "SPY"]);
    let mut first = desk.start(&words, "run.log");
    until("a start", 30, || desk.log("run.log").contains("watching 1 symbols"));
    let second = desk.run(&words);
    assert_eq!(second.code, 4, "{}", second.err);
    let pid = first.0.id().to_string();
    assert!(second.err.contains(&format!("process {pid}")) && second.err.contains("lake"), "{}", second.err);
    let alone = desk.run(&["verify", "--rebuild-ledger"]);
    assert_eq!(alone.code, 4, "{}", alone.err);
    assert!(first.0.try_wait().expect("looked").is_none(), "the first is alive");
    assert_eq!(first.stop(), 0);
    let other = desk.run(&vendors.run(&["--symbols", "SPY", "--calendar", "always"]));
    assert!(other.code == 2 && other.err.contains("calendar `XNYS`"), "a lake keeps its calendar: {}", other.err);
}

#[test]
fn a_free_key_is_told_at_the_start_and_what_is_lost_stays_open_with_that_reason() {
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY);
    std::fs::write(desk.path().join("faults.toml"), DOWN).expect("write");
    let vendors = Vendors::start(&desk, EPOCH, 200, &["--plan", "free", "--faults", "faults.toml"]);
    let mut daemon = desk.start(&vendors.run(&["--symbols", "SPY,IBM"]), "run.log");
    until("gaps", 60, || desk.run(&["gaps"]).out.contains("not_entitled"));
    let log = desk.log("run.log");
    assert!(log.contains("candles: finnhub not in the plan of this key ("), "{log}");
    assert!(!log.contains("failed calls"), "no stage asked again: {log}");
    assert!(log.contains("ERROR") && log.contains("runbook=\"GapsOpen\""), "{log}");
    let doctor = desk.run(&["doctor", "--finnhub-base-url", &vendors.url]);
    assert!(doctor.code == 3 && doctor.out.contains("APCA_API_KEY_ID"), "{}", doctor.out);
    assert_eq!(daemon.stop(), 0, "{}", desk.log("run.log"));
}

#[test]
fn a_wrong_key_is_told_at_the_start_and_no_plan_is_said_to_be_missing() {
    let desk = Desk::new().with("FINNHUB_TOKEN", "another");
    let vendors = Vendors::start(&desk, EPOCH, 60, &["--plan", "premium"]);
    let mut daemon = desk.start(&vendors.run(&["--symbols", "SPY"]), "run.log");
    until("an alarm", 30, || desk.log("run.log").contains("no source has candles"));
    let log = desk.log("run.log");
    assert!(log.contains("finnhub the key is refused; replace the key that is refused (finnhub)"), "{log}");
    assert!(!log.contains("plan"), "{log}");
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn with_alpaca_beside_a_free_key_everything_heals() {
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY).with("APCA_API_KEY_ID", KEY).with("APCA_API_SECRET_KEY", KEY);
    std::fs::write(desk.path().join("faults.toml"), DOWN).expect("write");
    let vendors = Vendors::start(&desk, EPOCH, 200, &["--plan", "free", "--faults", "faults.toml"]);
    let mut words = vendors.run(&["--symbols", "SPY,IBM"]);
    words.extend(["--alpaca-base-url", &vendors.url]);
    let mut daemon = desk.start(&words, "run.log");
    until("a whole session", 60, || desk.run(&["gaps", "--wait", "2026-11-27", "--timeout", "1"]).code == 0);
    let coverage = desk.run(&["coverage", "--json"]).json();
    let healed = coverage["symbols"]["SPY"]["by_state"]["close"].as_u64();
    assert!(healed >= Some(10), "ten minutes were down: {coverage}");
    assert_eq!(daemon.stop(), 0, "{}", desk.log("run.log"));
}

#[test]
fn the_watchlist_follows_the_flags_and_the_commands_beside() {
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY);
    let vendors = Vendors::start(&desk, EPOCH, 60, &["--plan", "premium"]);
    let mut daemon = desk.start(&vendors.run(&["--symbols", "SPY,NOPE"]), "run.log");
    until("a start", 30, || desk.log("run.log").contains("watching 2 symbols"));
    assert!(desk.log("run.log").contains("no price for `NOPE`"), "{}", desk.log("run.log"));
    let added = desk.run(&["watch", "add", "IBM", "SPY", "--why", "curious", "--json"]).json();
    assert_eq!(added["notes"][0], "`SPY` is watched already");
    assert!(added["notes"][1].as_str().is_some_and(|note| note.contains("flag `--symbols`")), "{added}");
    let coming = added["coming"].as_array().and_then(|coming| coming.last()).expect("a change is coming");
    assert_eq!((&coming["add"], &coming["why"]), (&serde_json::json!(["IBM"]), &"curious".into()), "{added}");
    until("three symbols", 30, || desk.log("run.log").contains("3 symbols in 1 messages"));
    let many: Vec<String> = (0..200).map(|n| format!("S{n}")).collect();
    let mut words = vec!["watch", "add"];
    words.extend(many.iter().map(String::as_str));
    let ran = desk.run(&words);
    assert!(ran.code == 2 && ran.err.contains("203 symbols are more than the 200"), "{}", ran.err);
    assert_eq!(daemon.stop(), 0);

    let mut daemon = desk.start(&vendors.run(&["--symbols", "SPY,IBM"]), "again.log");
    until("a start", 30, || desk.log("again.log").contains("watching 2 symbols: IBM SPY"));
    assert!(desk.log("again.log").contains("removed: NOPE"), "{}", desk.log("again.log"));
    assert_eq!(daemon.stop(), 0);
    let mut daemon = desk.start(&vendors.run(&["--log-format", "json"]), "third.log");
    until("a start", 30, || desk.log("third.log").contains("watching 2 symbols: IBM SPY"));
    assert!(!desk.log("third.log").contains("watchlist from"), "nothing to change");
    until("a landing", 30, || desk.log("third.log").contains("\"stage\":\"land\""));
    for line in desk.log("third.log").lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_day_of_before_is_backfilled_by_hand_and_by_the_daemon_alike() {
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY);
    let vendors = Vendors::start(&desk, EPOCH, 60, &["--plan", "premium"]);
    let mut daemon = desk.start(&vendors.run(&["--symbols", "SPY"]), "run.log");
    until("a start", 30, || desk.log("run.log").contains("watching 1 symbols"));
    let backfill = |on: &str| {
        let (from, to) = (format!("{on}T09:30"), format!("{on}T16:00"));
        let ran = desk.run(&["watch", "backfill", "IBM", "--from", &from, "--to", &to]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let says = format!("backfill of IBM from {on} 14:30 to {on} 21:00 UTC: 390 minutes of 1 sessions");
        assert!(ran.out.starts_with(&says), "{}", ran.out);
    };
    backfill("2026-11-25");
    let plan = desk.run(&["replay", "--session", "2026-11-25", "--symbols", "IBM"]);
    assert!(plan.out.contains("390 of 390 expected symbol-minutes missing"), "{}", plan.out);
    let queued = desk.run(&["replay", "--session", "2026-11-25", "--mode", "apply", "--json", "--timeout", "60"]);
    assert_eq!(queued.code, 0, "{}{}", queued.out, queued.err);
    assert_eq!(queued.json()["still_missing"], 0, "{}", queued.out);
    let words =
        ["replay", "--session", "2026-11-25", "--symbols", "IBM", "--mode", "apply", "--force", "--timeout", "60"];
    let forced = desk.run(&words);
    assert_eq!(forced.code, 0, "{}{}", forced.out, forced.err);
    until("corrections", 10, || {
        let coverage = desk.run(&["coverage", "--session", "2026-11-25", "--json"]).json();
        coverage["symbols"]["IBM"]["by_state"]["corrected"] == 390
    });
    assert_eq!(daemon.stop(), 0);

    let on_clock = |words: &[&str]| desk.run(&vendors.on_clock(words));
    let ran = on_clock(&["watch", "backfill", "IBM", "--from", "2026-11-24T09:30", "--to", "2026-11-24T16:00"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let done = on_clock(&["replay", "--session", "2026-11-24", "--mode", "apply", "--json"]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    assert_eq!((done.json()["done"]["missing"].clone(), done.json()["still_missing"].clone()), (390.into(), 0.into()));
    let forced = on_clock(&["replay", "--session", "2026-11-24", "--mode", "apply", "--force", "--json"]);
    assert_eq!(forced.json()["done"]["corrected"], 390, "{}{}", forced.out, forced.err);
    let again = on_clock(&["replay", "--session", "2026-11-24", "--mode", "apply"]);
    assert!(again.code == 0 && again.out.contains("no call is needed"), "{}", again.out);
    let verified = on_clock(&["verify"]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
}

#[test]
fn a_closure_entered_by_hand_is_obeyed_unless_trades_contradict_it() {
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY);
    let vendors = Vendors::start(&desk, EPOCH, 60, &["--plan", "premium"]);
    let mut daemon = desk.start(&vendors.run(&["--symbols", "SPY"]), "run.log");
    until("rows", 30, || desk.log("run.log").contains("1 rows of 1 records"));
    until("a quarter of an hour", 40, || {
        desk.run(&["gaps", "--json"]).json()["as_of"].as_str() > Some("2026-11-27T17:50")
    });
    let contradicted = desk.run(&["calendar", "close", "2026-11-27", "--at", "12:31", "--why", "?"]);
    assert!(contradicted.code == 2 && contradicted.err.contains("`SPY` traded at"), "{}", contradicted.err);
    let closed = desk.run(&["calendar", "close", "2026-11-27", "--at", "12:55", "--why", "power failure", "--json"]);
    assert_eq!(closed.code, 0, "{}", closed.err);
    assert_eq!(closed.json()["entries"][0]["change"], "closes_at", "{}", closed.out);
    let shown = desk.run(&["calendar"]);
    assert!(shown.out.contains("closed at 2026-11-27 17:55 UTC (12:55 in New York): power failure"), "{}", shown.out);
    let withdrawn = desk.run(&["calendar", "withdraw", "2026-11-27", "--why", "it was not"]);
    assert_eq!(withdrawn.code, 0, "{}", withdrawn.err);
    // Learnt too late: five minutes of rows are there, fewer than what would contradict it.
    let now: mendlake_domain::minute::Timestamp =
        desk.run(&["watch", "--json"]).json()["as_of"].as_str().and_then(|at| at.parse().ok()).expect("an instant");
    let close = mendlake::heat_map::wall_clock(Calendar::Xnys, now.plus_s(-300).minute()).format("%H:%M").to_string();
    let late = desk.run(&["calendar", "close", "2026-11-27", "--at", &close, "--why", "power failure"]);
    assert_eq!(late.code, 0, "{}", late.err);
    assert_eq!(daemon.stop(), 0);
    let verified = desk.run(&vendors.on_clock(&["verify", "--json"]));
    let outside = &verified.json()["audit"]["outside"][0];
    assert_eq!((verified.code, &outside["symbol"]), (0, &"SPY".into()), "{}", verified.out);
    // A second is a minute here: as many as commands take, and fewer than the ten minutes that would contradict it.
    assert!((1..=10).contains(&outside["live"].as_u64().expect("a count")), "named, and no finding: {}", verified.out);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let desk = Desk::new();
    let binary = env!("CARGO_BIN_EXE_mendlake");
    let script = format!("({binary} doctor; echo code $? >&2) | true");
    let mut sh = Command::new("sh");
    // Nothing of whoever runs the tests: a variable that is no key is refused.
    sh.env_clear().env("PATH", "/usr/bin:/bin").args(["-c", &script]).current_dir(desk.path());
    let output = sh.output().expect("sh starts");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains("code 3") && !err.contains("panicked"), "{err}");
}
