//! What the readers print, as text and as JSON.

use serde_json::Value;

use crate::harness::{Desk, KEY, Vendors, until};

/// Twenty minutes before the end of a half day.
const EPOCH: &str = "2026-11-27T17:40:00Z";

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn every_report_has_its_keys_and_beside_a_daemon_they_agree() {
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY).with("NO_COLOR", "1");
    let vendors = Vendors::start(&desk, EPOCH, 200, &["--plan", "premium"]);
    let mut daemon = desk.start(&vendors.run(&["--symbols", "SPY,IBM"]), "run.log");
    until("the end of the session", 60, || desk.run(&["gaps", "--wait", "2026-11-27", "--timeout", "1"]).code == 0);

    let waited = desk.run(&["gaps", "--wait", "2026-11-27", "--json"]);
    assert_eq!(waited.code, 0, "{}", waited.err);
    assert_eq!(keys(&waited.json()), ["expected", "final", "not_final", "present", "session", "unrecoverable"]);
    let (expected, present) = (waited.json()["expected"].clone(), waited.json()["present"].clone());
    assert!(expected == present && expected.as_u64() >= Some(30), "{}", waited.out);

    let gaps = desk.run(&["gaps", "--json"]);
    assert_eq!(
        (gaps.code, keys(&gaps.json())),
        (0, vec!["as_of", "by_reason", "open", "runs", "stale"]),
        "{}",
        gaps.out
    );

    let coverage = desk.run(&["coverage", "--json", "--session", "2026-11-27"]);
    assert_eq!(coverage.code, 0, "{}", coverage.err);
    assert_eq!(keys(&coverage.json()), ["as_of", "close", "open", "session", "symbols"]);
    let spy = &coverage.json()["symbols"]["SPY"];
    assert_eq!(keys(spy), ["by_state", "expected", "stretches"]);
    let ibm = &coverage.json()["symbols"]["IBM"];
    let sum = spy["expected"].as_u64().expect("a count") + ibm["expected"].as_u64().expect("a count");
    assert_eq!(Some(sum), expected.as_u64());

    let verify = desk.run(&["verify", "--json"]);
    assert_eq!(verify.code, 0, "{}", verify.out);
    assert_eq!(
        keys(&verify.json()),
        [
            "audit",
            "corrupt",
            "dead_letters",
            "foreign",
            "ledger",
            "objects",
            "parked",
            "quarantined",
            "rows_in_objects",
            "sound"
        ]
    );

    let watch = desk.run(&["watch", "--json"]);
    assert_eq!(keys(&watch.json()), ["as_of", "coming", "most", "notes", "symbols", "version"]);
    assert_eq!(watch.json()["symbols"], serde_json::json!(["IBM", "SPY"]));

    let calendar = desk.run(&["calendar", "--json"]);
    assert_eq!(keys(&calendar.json()), ["calendar", "coming", "entries", "first", "last"]);

    let doctor = desk.run(&["doctor", "--json", "--finnhub-base-url", &vendors.url]);
    assert_eq!(keys(&doctor.json()), ["configuration", "findings", "well"]);
    assert_eq!(doctor.code, 0, "{}", doctor.out);

    let reconcile = desk.run(&["reconcile", "--window", "near", "--json"]);
    assert_eq!(reconcile.code, 0, "{}{}", reconcile.out, reconcile.err);
    assert_eq!(reconcile.json()["open_gaps"], 0);
    assert_eq!(reconcile.json()["window"], "near", "done by the daemon, told here");

    let plan = desk.run(&["replay", "--session", "2026-11-27", "--json"]);
    assert_eq!(keys(&plan.json()), ["done", "from", "not_replaced", "plan", "price", "still_missing", "symbols", "to"]);
    assert_eq!((plan.json()["plan"]["missing"].clone(), plan.json()["done"].clone()), (0.into(), Value::Null));
    let forced = desk.run(&["replay", "--session", "2026-11-27", "--symbols", "SPY", "--force"]);
    assert!(forced.out.contains("1 calls at least to finnhub"), "{}", forced.out);

    assert_eq!(daemon.stop(), 0, "{}", desk.log("run.log"));
}

#[test]
fn a_range_or_a_session_that_cannot_be_is_refused_with_what_to_do() {
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY);
    let vendors = Vendors::start(&desk, EPOCH, 200, &["--plan", "premium"]);
    let mut daemon = desk.start(&vendors.run(&["--symbols", "SPY"]), "run.log");
    until("a start", 30, || desk.log("run.log").contains("watching 1 symbols"));
    let refused = |words: &[&str], says: &str| {
        let ran = desk.run(words);
        assert_eq!(ran.code, 2, "{words:?}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(says), "{words:?}: {}", ran.err);
    };
    for command in [["gaps", "--session"], ["coverage", "--session"], ["replay", "--session"], ["gaps", "--wait"]] {
        let [command, flag] = command;
        refused(&[command, flag, "2026-11-26"], "the sessions around it are 2026-11-25 and 2026-11-27");
        refused(&[command, flag, "2031-01-02"], "knows 2000-01-01 to 2027-12-31");
        refused(&[command, flag, "yesterday"], flag);
    }
    let replay = |from, to| ["replay", "--from", from, "--to", to];
    refused(&replay("2026-11-27T16:00:00Z", "2026-11-27T15:00:00Z"), "`--from` must be before `--to`");
    refused(&replay("2026-11-28T15:00:00Z", "2026-11-29T15:00:00Z"), "the market is closed");
    refused(&replay("1999-11-26T15:00:00Z", "1999-11-26T16:00:00Z"), "2000-01-01");
    refused(&["replay", "--session", "2026-11-27", "--symbols", "NOPE"], "`NOPE` was never watched");
    for reader in ["gaps", "coverage"] {
        refused(&[reader, "--symbols", "SPY,NOPE"], "`NOPE` was never watched");
        refused(&[reader, "--symbols", "NOPE"], "mendlake watch add NOPE");
    }
    refused(&["coverage", "--session", "2026-11-25", "--symbols", "SPY"], "nothing of `SPY` was watched");
    refused(&["replay", "--session", "2026-11-30"], "still to come");
    refused(&["replay"], "--session");
    let backfill = |from, to| ["watch", "backfill", "SPY", "--from", from, "--to", to];
    refused(&backfill("2026-11-27T16:00:00Z", "2026-11-27T15:00:00Z"), "must be before");
    refused(&backfill("2026-11-26T15:00:00Z", "2026-11-26T20:00:00Z"), "the market is closed");
    refused(&backfill("2026-11-27T17:00:00Z", "2026-11-30T16:00:00Z"), "a backfill is of the past");
    refused(&["watch", "add", "IBM", "--from", "2026-11-27T14:30:00Z"], "use a backfill");
    refused(&["coverage", "--session", "2026-11-25"], "nothing was watched");
    refused(&["gaps", "--wait", "2026-11-25"], "nothing was watched");
    refused(&["calendar", "close", "2026-11-26", "--why", "?"], "the market is closed that day");
    refused(&["calendar", "close", "2026-11-27", "--at", "14:00", "--why", "?"], "does not lie inside the session");
    assert_eq!(daemon.stop(), 0, "{}", desk.log("run.log"));
}
