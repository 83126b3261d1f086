//! `replay`: tasks of the replay queue, or one that a person asks for.

use mendlake_domain::digest;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::settings::Settings;
use mendlake_domain::task::ReplayTask;
use mendlake_ports::clock::{self, Clock};
use mendlake_ports::error::{Kind, PortError, Result, chain};
use mendlake_ports::place::Place;
use mendlake_ports::set_aside::{Rejected, SetAside};
use mendlake_reconcile::{Patience, ReplayReport, replay};
use serde_json::Value;

use super::{hand_back_at, read};
use crate::event::{Failures, Messages};

/// The fields of a task. Beside messages of the queue they are no batch, and what was meant is not guessed.
const TASK_FIELDS: [&str; 7] = ["v", "symbols", "from", "to", "mode", "force", "requested_at"];

/// What was replayed.
#[derive(Debug)]
pub enum Replayed {
    /// Tasks of the queue.
    Tasks {
        /// By task, those that are done.
        reports: Vec<ReplayReport>,
        /// Those to be delivered again.
        failures: Failures,
    },
    /// A direct invocation.
    Asked(Box<ReplayReport>),
}

/// Replays an event of the queue, or the task that the payload is.
///
/// A task that runs out of budget or of the function's time is done: its claim holds the next attempt of its gaps, and the
/// reconciler plans it again. One that infrastructure failed is delivered again.
pub async fn handle(place: &impl Place, settings: &Settings, deadline: Timestamp, payload: Value) -> Result<Replayed> {
    let until = hand_back_at(deadline);
    if is_batch(&payload)? {
        return tasks(place, settings, until, read("messages of the replay queue", payload)?).await;
    }
    let now = place.clock().now();
    let task = wanted(settings, now, payload)?;
    // Corrections of one invocation have one revision, however often it is tried.
    let task = ReplayTask { requested_at: task.requested_at.or(Some(now)), ..task };
    // A person waits: it may wait for budget as long as the function's time goes, and then says what is left.
    replay(place, settings, &task, Patience::Until(until)).await.map(|report| Replayed::Asked(Box::new(report)))
}

/// Whether a payload holds messages of the queue. One that is a task besides is refused: an empty batch is done at once, and
/// whoever asked would take that for an answer.
fn is_batch(payload: &Value) -> Result<bool> {
    if payload.get("Records").is_none() {
        return Ok(false);
    }
    match TASK_FIELDS.into_iter().find(|field| payload.get(field).is_some()) {
        None => Ok(true),
        Some(field) => {
            let what = format!(
                "read the payload: fields `Records` and `{field}`: messages of the queue or a task of its own, not both"
            );
            Err(PortError::new(Kind::Rejected, what))
        }
    }
}

/// The task that a payload asks for at this instant.
pub(super) fn wanted(settings: &Settings, now: Timestamp, payload: Value) -> Result<ReplayTask> {
    is_batch(&payload)?;
    let text = payload.to_string();
    let _: ReplayTask = read("the payload", payload)?;
    let refused = |error| PortError::caused(Kind::Rejected, "read the payload", error);
    let task = ReplayTask::parse(&text, now).map_err(refused)?;
    let refused = |error| PortError::caused(Kind::Rejected, "read the payload: fields `from` and `to`", error);
    for minute in [task.from, task.to + -1] {
        settings.calendar.session_on(settings.calendar.day_of(minute)).map_err(refused)?;
    }
    Ok(task)
}

/// Tasks one after the other: each spends of the same minute's budget.
async fn tasks(place: &impl Place, settings: &Settings, until: Timestamp, event: Messages) -> Result<Replayed> {
    let (mut reports, mut left) = (Vec::new(), Vec::new());
    for message in event.records {
        match clock::by(place.clock(), until, task(place, settings, &message.body)).await {
            Some(Ok(report)) => reports.extend(report),
            Some(Err(error)) => {
                tracing::warn!(stage = "replay", "is tried again: {}", error.chain());
                left.push(message.message_id);
            }
            // A vendor that hangs is no reason for a dead letter.
            None => tracing::warn!(stage = "replay", "is planned again: the function's time is over"),
        }
    }
    Ok(Replayed::Tasks { reports, failures: Failures::of(left) })
}

/// Replays a task; one that is none is set aside and done.
async fn task(place: &impl Place, settings: &Settings, body: &str) -> Result<Option<ReplayReport>> {
    match ReplayTask::parse(body, place.clock().now()) {
        Ok(task) => replay(place, settings, &task, Patience::Minute).await.map(Some),
        Err(error) => {
            let (input, at) = (body.as_bytes(), place.clock().now());
            let (origin, id) = ("replay-queue".to_owned(), digest::short(input));
            let rejected = Rejected { at, origin, id, reason: chain(&error), input: input.to_vec() };
            place.lake().quarantine(&rejected).await?;
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_payload_is_a_batch_or_a_task_and_not_both() {
        assert_eq!(is_batch(&json!({ "Records": [] })).ok(), Some(true));
        assert_eq!(is_batch(&json!({ "Records": [], "aws": "says more" })).ok(), Some(true));
        assert_eq!(is_batch(&json!({ "symbols": ["AAPL"] })).ok(), Some(false));
        let error = is_batch(&json!({ "symbols": ["AAPL"], "Records": [] })).expect_err("both");
        assert_eq!(error.kind, Kind::Rejected);
        assert!(error.chain().contains("fields `Records` and `symbols`"), "{}", error.chain());
    }

    #[test]
    fn every_field_of_a_task_is_known_as_one() {
        let text = r#"{"v":1,"symbols":["A"],"from":"2026-11-20T14:30:00Z","to":"2026-11-20T21:00:00Z",
            "requested_at":"2026-11-20T21:00:00Z"}"#;
        let now = "2026-11-20T21:00:00Z".parse().expect("an instant");
        let task = serde_json::to_value(ReplayTask::parse(text, now).expect("a task")).expect("json");
        let fields: Vec<&str> = task.as_object().expect("an object").keys().map(String::as_str).collect();
        let mut known = TASK_FIELDS.to_vec();
        known.sort_unstable();
        assert_eq!(fields, known);
    }
}
