//! `land`: records of one shard; or, invoked by a person, the parked batches.

use mendlake_adapters::aws::records::Records;
use mendlake_domain::minute::Timestamp;
use mendlake_ingest::land::{Unreadable, land, reland};
use mendlake_ingest::{LandReport, RelandReport};
use mendlake_ports::clock;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::place::Place;
use serde::Deserialize;
use serde_json::Value;

use super::{hand_back_at, read};
use crate::event::Failures;

/// What was landed.
#[derive(Debug)]
pub enum Landed {
    /// An event of the stream.
    Batch {
        /// What was done, where it was done.
        report: Option<LandReport>,
        /// Where the shard is to be read again from.
        failures: Failures,
    },
    /// What was parked, by batch.
    Parked(RelandReport),
}

/// A person's wish.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// Land what is parked.
    reland: bool,
}

/// Lands an event of the stream, or with `{"reland":true}` the parked batches, as many as there is time for.
///
/// What is refused for what it is, is set aside within; what infrastructure refuses is to be read again from its first
/// record on, as a whole: the same records give the same objects.
pub async fn handle(place: &impl Place, deadline: Timestamp, payload: Value) -> Result<Landed> {
    if payload.get("Records").is_none() {
        return parked(place, deadline, payload).await;
    }
    let event: Records = read("records of the stream", payload)?;
    let batch =
        event.batch().map_err(|error| PortError::caused(Kind::Rejected, "read records of the stream", error))?;
    let landing = land(place.lake(), place.ledger(), &batch);
    let report = match clock::by(place.clock(), hand_back_at(deadline), landing).await {
        Some(Ok(report)) => return Ok(Landed::Batch { report: Some(report), failures: Failures::default() }),
        Some(Err(error)) => error.chain(),
        None => "the function's time is over".to_owned(),
    };
    tracing::warn!(stage = "land", records = batch.records.len(), "is tried again: {report}");
    let first = batch.records.first().map(|record| record.sequence.clone());
    Ok(Landed::Batch { report: None, failures: Failures::of(first) })
}

/// The answer is that of a function that worked: what it could not land is in there by name, and an error in the log.
async fn parked(place: &impl Place, deadline: Timestamp, payload: Value) -> Result<Landed> {
    if !wish(payload)?.reland {
        return Ok(Landed::Parked(RelandReport::default()));
    }
    let report = reland(place.lake(), place.ledger(), place.clock(), Some(hand_back_at(deadline))).await?;
    for Unreadable { batch, reason } in &report.unreadable {
        tracing::error!(
            stage = "land",
            runbook = "BatchesParked",
            batch,
            "cannot be landed and stays parked: {reason}"
        );
    }
    Ok(Landed::Parked(report))
}

pub(super) fn wish(payload: Value) -> Result<Wish> {
    read("a wish, `{\"reland\":true}`", payload)
}
