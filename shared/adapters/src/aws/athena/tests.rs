//! Athena's answers, canned: what it says of queries that fail no stand-in says.

use std::sync::Mutex;

use serde_json::{Value, json};

use mendlake_domain::symbol::Symbol;

use super::*;
use crate::aws::canned::WaitedClock;
use crate::aws::scripted::{self, Answer, Asked};
use crate::memory::lake::MemoryLake;

fn minute(text: &str) -> Minute {
    text.parse().expect("a minute")
}

/// Answers each call by the operation's name and how often it was called before.
fn athena(answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> (AthenaCoverage, scripted::Log) {
    let calls = Mutex::new(std::collections::BTreeMap::<String, usize>::new());
    let (config, log) = scripted::config(1, move |asked: &Asked| {
        let operation = operation(asked);
        let mut calls = calls.lock().expect("no test panicked with it");
        let before = calls.entry(operation.clone()).or_default();
        *before += 1;
        answer(&operation, *before - 1)
    });
    let first_on = "2000-01-01".parse().expect("a date");
    (AthenaCoverage::new(Client::new(&config), "reconciler", "lake", first_on), log)
}

fn operation(asked: &Asked) -> String {
    asked.header("x-amz-target").and_then(|target| target.split('.').next_back()).expect("an operation").to_owned()
}

fn operations(log: &scripted::Log) -> Vec<String> {
    log.asked().iter().map(operation).collect()
}

fn body(body: Value) -> Answer {
    Answer::new(200, body.to_string())
}

fn started() -> Answer {
    body(json!({ "QueryExecutionId": "q-1" }))
}

fn state(state: &str) -> Answer {
    let statistics = json!({ "DataScannedInBytes": 12_345 });
    body(json!({ "QueryExecution": { "Status": { "State": state }, "Statistics": statistics } }))
}

fn page(rows: &[[&str; 8]], next: Option<&str>) -> Answer {
    let row = |row: &[&str; 8]| json!({ "Data": row.map(|cell| json!({ "VarCharValue": cell })) });
    body(json!({ "ResultSet": { "Rows": rows.iter().map(row).collect::<Vec<_>>() }, "NextToken": next }))
}

const NAMES: [&str; 8] = ["symbol", "hour", "quote", "close", "open", "previous_close", "suspect", "revised"];
const THROTTLED: &str = r#"{"__type":"TooManyRequestsException","Message":"slow down"}"#;

async fn ask(athena: &AthenaCoverage) -> Result<Scanned> {
    athena.coverage(&WaitedClock::new(), minute("2026-11-20T14:30:00Z"), minute("2026-11-20T21:00:00Z")).await
}

#[tokio::test]
async fn a_query_is_started_waited_for_and_read_to_its_last_page() {
    let (athena, log) = athena(|operation, before| match (operation, before) {
        ("StartQueryExecution", _) => started(),
        ("GetQueryExecution", 0) => state("QUEUED"),
        ("GetQueryExecution", 1) => state("RUNNING"),
        ("GetQueryExecution", _) => state("SUCCEEDED"),
        (_, 0) => page(&[NAMES, ["A", "1795183200", "1073741824", "0", "0", "0", "0", "0"]], Some("next")),
        _ => page(&[["A", "1795186800", "3", "0", "0", "0", "0", "0"]], None),
    });
    let scanned = ask(&athena).await.expect("coverage");
    assert_eq!((scanned.bytes, scanned.query_id.as_str()), (12_345, "q-1"));
    assert_eq!(scanned.coverage.present(&"A".parse().expect("symbol")).len(), 3);
    let asked = log.asked();
    assert_eq!(asked.len(), 6);
    let start: Value = serde_json::from_slice(&asked[0].body).expect("JSON");
    assert_eq!(
        (&start["WorkGroup"], &start["QueryExecutionContext"]["Database"]),
        (&json!("reconciler"), &json!("lake"))
    );
    assert!(start["QueryString"].as_str().expect("SQL").contains("dt BETWEEN CAST('2026-11-20' AS date)"));
    let last: Value = serde_json::from_slice(&asked[5].body).expect("JSON");
    assert_eq!(last["NextToken"], "next");
}

#[tokio::test]
async fn a_query_that_did_not_succeed_is_an_error_with_athenas_reason() {
    let ended = |state: &str, reason: &str, error: Value| json!({ "QueryExecution": { "Status": { "State": state, "StateChangeReason": reason, "AthenaError": error } } });
    let category = |category: i32, retryable: bool| json!({ "ErrorCategory": category, "Retryable": retryable });
    for (answer, kind) in [
        (ended("FAILED", "SYNTAX_ERROR: line 1:8", category(2, false)), Kind::Rejected),
        (ended("FAILED", "GENERIC_INTERNAL_ERROR: broken", category(1, false)), Kind::Unavailable),
        (ended("FAILED", "Query exhausted resources", category(2, true)), Kind::Unavailable),
        (ended("FAILED", "Access Denied (Service: Amazon S3)", category(2, false)), Kind::Denied),
        (ended("CANCELLED", "Query cancelled by user", Value::Null), Kind::Unavailable),
        (ended("CANCELLED", "Bytes scanned limit was exceeded", Value::Null), Kind::Rejected),
    ] {
        let reason = answer["QueryExecution"]["Status"]["StateChangeReason"].as_str().expect("a reason").to_owned();
        let (athena, log) = athena(move |operation, _| match operation {
            "StartQueryExecution" => started(),
            "GetQueryExecution" => body(answer.clone()),
            other => panic!("asked for {other}"),
        });
        let error = ask(&athena).await.expect_err(&reason);
        assert_eq!(error.kind, kind, "{}", error.chain());
        assert!(error.chain().contains(&reason) && error.chain().contains("`q-1`"), "{}", error.chain());
        assert_eq!(operations(&log), ["StartQueryExecution", "GetQueryExecution"]);
    }
}

#[tokio::test]
async fn a_start_that_is_throttled_is_told_and_later_calls_are_patient() {
    let (refused, _) = athena(|_, _| Answer::new(400, THROTTLED));
    let error = ask(&refused).await.expect_err("throttled");
    assert!(error.kind == Kind::Throttled && error.chain().contains("`reconciler`"), "{}", error.chain());
    let (patient, log) = athena(|operation, before| match (operation, before) {
        ("StartQueryExecution", _) => started(),
        (_, 0) => Answer::new(400, THROTTLED),
        (_, 1) => Answer::Lost,
        ("GetQueryExecution", _) => state("SUCCEEDED"),
        _ => page(&[NAMES], None),
    });
    assert_eq!(ask(&patient).await.expect("nothing is there").coverage, Coverage::default());
    assert_eq!(log.asked().len(), 7);
    let (denied, _) = athena(|operation, _| match operation {
        "StartQueryExecution" => started(),
        _ => Answer::new(400, r#"{"__type":"AccessDeniedException","Message":"not you"}"#),
    });
    assert_eq!(ask(&denied).await.expect_err("denied").kind, Kind::Denied);
}

#[tokio::test]
async fn a_query_that_never_ends_is_stopped_and_says_what_to_do() {
    let (athena, log) = athena(|operation, _| match operation {
        "StartQueryExecution" => started(),
        "StopQueryExecution" => body(json!({})),
        _ => state("RUNNING"),
    });
    let clock = WaitedClock::new();
    let began = clock.now();
    let [from, to] = ["2026-11-20T14:30:00Z", "2026-11-20T21:00:00Z"].map(minute);
    let error = athena.coverage(&clock, from, to).await.expect_err("never");
    assert!(error.kind == Kind::Unavailable && error.chain().contains("ask for fewer days"), "{}", error.chain());
    assert_eq!(clock.now().ms_since(began), MOST_WAIT_S * 1000);
    let operations = operations(&log);
    assert_eq!(operations.last().map(String::as_str), Some("StopQueryExecution"));
    assert!(operations.len() < 80, "{}", operations.len());
    let athena = athena.until(clock.now().plus_s(7));
    let began = clock.now();
    assert_eq!(athena.coverage(&clock, from, to).await.expect_err("never").kind, Kind::Unavailable);
    assert_eq!(clock.now().ms_since(began), 7_000);
    assert_eq!(log.asked().last().map(operation).as_deref(), Some("StopQueryExecution"));
}

#[tokio::test]
async fn a_range_outside_the_tables_projection_is_refused_and_asks_nothing() {
    let (athena, log) = athena(|operation, _| panic!("asked for {operation}"));
    for (from, to) in [
        ("1999-12-31T23:59:00Z", "2026-11-20T21:00:00Z"),
        ("2026-11-20T00:00:00Z", "2027-01-17T00:01:00Z"),
        ("1999-01-01T00:00:00Z", "1999-01-02T00:00:00Z"),
    ] {
        let error = athena.coverage(&WaitedClock::new(), minute(from), minute(to)).await.expect_err(from);
        assert_eq!(error.kind, Kind::Rejected);
        assert!(error.chain().contains("2000-01-01 to 2027-01-16 only"), "{}", error.chain());
    }
    let [from, to] = ["2026-11-20T21:00:00Z", "2026-11-20T14:30:00Z"].map(minute);
    assert_eq!(athena.coverage(&WaitedClock::new(), from, to).await.expect("an empty range"), Scanned::default());
    assert_eq!(log.asked(), []);
}

/// One minute of each symbol, of which the footers of an empty lake say nothing.
fn says(symbols: &[&'static str]) -> Answer {
    let rows: Vec<[&str; 8]> =
        symbols.iter().map(|symbol| [*symbol, "1795183200", "1", "0", "0", "0", "0", "0"]).collect();
    page(&rows, None)
}

#[tokio::test]
async fn where_the_two_differ_both_are_asked_once_more() {
    let [from, to] = ["2026-11-20T14:00:00Z", "2026-11-20T15:00:00Z"].map(minute);
    let footers = MemoryLake::default();
    for (second, differ) in [(vec![], vec![]), (vec!["B", "A"], vec!["A", "B"])] {
        let differ: Vec<Symbol> = differ.into_iter().map(|symbol: &str| symbol.parse().expect("symbol")).collect();
        let (athena, log) = athena(move |operation, before| match (operation, before) {
            ("StartQueryExecution", _) => started(),
            ("GetQueryExecution", _) => state("SUCCEEDED"),
            (_, 0) => says(&["A"]),
            _ => says(&second),
        });
        let opinion = athena.opinion(&WaitedClock::new(), &footers, from, to).await.expect("an opinion");
        assert_eq!(opinion, Opinion { from, to, scanned_bytes: 24_690, differ });
        assert_eq!(log.asked().len(), 6);
    }
}
