//! `request`: one tick of the schedule, for the minute after it.

use mendlake_domain::settings::Settings;
use mendlake_ingest::request::RequestOutcome;
use mendlake_ingest::{RequestReport, request};
use mendlake_ports::error::Result;
use mendlake_ports::place::Place;
use serde_json::Value;

use super::read;
use crate::event::Tick;

/// Requests the minute after the one the tick was scheduled for, whenever the tick comes.
///
/// A payload without a `time` is `Rejected`. A duplicate or late tick is a report like another, and so is an early one, which
/// is also a warning: the time in it is not that of this machine.
pub async fn handle(place: &impl Place, settings: &Settings, payload: Value) -> Result<RequestReport> {
    let report = request(place, settings, tick(payload)?.time.minute() + 1).await?;
    if report.outcome == RequestOutcome::Early {
        let (minute, ahead_ms) = (report.minute, -report.lag_ms);
        tracing::warn!(stage = "request", "minute {minute} is ticked {ahead_ms} ms too early, nothing is requested");
    }
    Ok(report)
}

pub(super) fn tick(payload: Value) -> Result<Tick> {
    read("a tick of the schedule", payload)
}
