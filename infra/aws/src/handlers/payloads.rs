//! The examples beside the JSON schemas, against the code that reads payloads.

use std::path::Path;

use mendlake_domain::minute::Timestamp;
use mendlake_domain::settings::Settings;
use mendlake_domain::task::ReplayTask;
use mendlake_ports::error::Result;
use serde_json::Value;

use super::{land, reconcile, replay, request};

fn examples(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/examples").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Everything accepted is accepted, and everything refused is refused with the words beside it.
#[track_caller]
fn agree<T>(function: &str, read: impl Fn(Value) -> Result<T>) {
    let accepted = examples(&format!("{function}.accepted.json"));
    let refused = examples(&format!("{function}.refused.json"));
    assert!(!accepted.is_empty() && !refused.is_empty());
    for payload in accepted {
        if let Err(error) = read(payload.clone()) {
            panic!("{payload}: {}", error.chain());
        }
    }
    for refused in refused {
        let (payload, says) = (refused["payload"].clone(), refused["says"].as_str().expect("what it says"));
        let Err(error) = read(payload.clone()) else { panic!("{payload} is accepted") };
        assert!(error.chain().contains(says), "{payload}: `{says}` is not in: {}", error.chain());
    }
}

/// A task, read after the session of the examples.
fn task(payload: Value) -> Result<ReplayTask> {
    let now: Timestamp = "2026-11-20T21:30:00Z".parse().expect("an instant");
    replay::wanted(&Settings::default(), now, payload)
}

#[test]
fn the_examples_of_each_schema_are_read_and_refused_as_they_say() {
    agree("request", request::tick);
    agree("reconcile", reconcile::wanted);
    agree("land", land::wish);
    agree("replay", task);
}

#[test]
fn a_value_of_a_wrong_type_is_refused_by_its_field() {
    let task = serde_json::json!({
        "symbols": ["AAPL", "aapl"], "from": "2026-11-20T14:30:00Z", "to": "2026-11-20T21:00:00Z", "mode": "plan",
    });
    let error = self::task(task.clone()).expect_err("a lower-case symbol").chain();
    assert!(error.contains("field `symbols[1]`"), "{error}");
    let mut task = task;
    task["mode"] = Value::Null;
    task["symbols"] = serde_json::json!(["AAPL"]);
    let error = self::task(task).expect_err("no mode").chain();
    assert!(error.contains("field `mode`"), "{error}");
}
