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

/// The most calls that one invocation is asked for: what the largest plan of a vendor answers in a quarter of an hour.
const MOST_CALLS: usize = 4_500;

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
    Asked(ReplayReport),
}

/// Replays an event of the queue, or the task that the payload is.
///
/// A task that runs out of budget or of the function's time is done: its claim holds the next attempt of its gaps, and the
/// reconciler plans it again. One that infrastructure failed is delivered again.
pub async fn handle(place: &impl Place, settings: &Settings, deadline: Timestamp, payload: Value) -> Result<Replayed> {
    let until = hand_back_at(deadline);
    if payload.get("Records").is_some() {
        return tasks(place, settings, until, read("messages of the replay queue", payload)?).await;
    }
    let task = wanted(settings, payload)?;
    // Corrections of one invocation have one revision, however often it is tried.
    let requested_at = task.requested_at.or(Some(place.clock().now()));
    let task = ReplayTask { requested_at, ..task };
    // A person waits: it may wait for budget as long as the function's time goes, and then says what is left.
    replay(place, settings, &task, Patience::Until(until)).await.map(Replayed::Asked)
}

/// The task that a payload asks for. A range that takes more calls than one invocation makes is refused with their number.
pub(super) fn wanted(settings: &Settings, payload: Value) -> Result<ReplayTask> {
    let text = payload.to_string();
    let _: ReplayTask = read("the payload", payload)?;
    let refused = |error| PortError::caused(Kind::Rejected, "read the payload", error);
    let task = ReplayTask::parse(&text).map_err(refused)?;
    let calls = most_calls(settings, &task)?;
    if calls > MOST_CALLS {
        let what = format!(
            "replay {} symbols from {} to {}: it may take {calls} calls, more than the {MOST_CALLS} that one invocation \
             makes; name fewer symbols or a shorter range",
            task.symbols.len(),
            task.from,
            task.to
        );
        return Err(PortError::new(Kind::Rejected, what));
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
    match ReplayTask::parse(body) {
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

/// One call for each symbol and session of the range, by the calendar alone.
fn most_calls(settings: &Settings, task: &ReplayTask) -> Result<usize> {
    let refused = |error| PortError::caused(Kind::Rejected, "read the payload: fields `from` and `to`", error);
    let calendar = settings.calendar;
    let days = mendlake_domain::calendar::days(calendar.day_of(task.from), calendar.day_of(task.to + -1));
    let mut sessions = 0;
    for day in days {
        sessions += usize::from(calendar.session_on(day).map_err(refused)?.is_some());
    }
    Ok(sessions * task.symbols.len())
}
