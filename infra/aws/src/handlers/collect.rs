//! `collect`: messages of the live queue, all at once.

use futures_util::future::join_all;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::settings::Settings;
use mendlake_ingest::{CollectReport, Overlays, collect};
use mendlake_ports::clock;
use mendlake_ports::error::Result;
use mendlake_ports::place::Place;
use serde_json::Value;

use super::{hand_back_at, read};
use crate::event::{Failures, Messages};

/// What was done with the messages of one event.
#[derive(Debug, Default)]
pub struct Collected {
    /// By message, those that are done.
    pub reports: Vec<CollectReport>,
    /// Those to be delivered again.
    pub failures: Failures,
}

/// Samples every message. One whose quotes could not be made durable, or that the deadline cut off, is to be delivered
/// again; it is late by then, and acknowledged.
pub async fn handle(
    place: &impl Place,
    settings: &Settings,
    overlays: &Overlays,
    deadline: Timestamp,
    payload: Value,
) -> Result<Collected> {
    let event: Messages = read("messages of the live queue", payload)?;
    let until = hand_back_at(deadline);
    let sample = async |body: &str| clock::by(place.clock(), until, collect(place, settings, overlays, body)).await;
    let done = join_all(event.records.iter().map(|message| sample(&message.body))).await;
    let mut collected = Collected::default();
    let mut left = Vec::new();
    for (message, done) in event.records.into_iter().zip(done) {
        match done {
            Some(Ok(report)) => collected.reports.push(report),
            Some(Err(error)) => {
                tracing::warn!(stage = "collect", "is tried again: {}", error.chain());
                left.push(message.message_id);
            }
            None => {
                tracing::warn!(stage = "collect", "is tried again: the function's time is over");
                left.push(message.message_id);
            }
        }
    }
    collected.failures = Failures::of(left);
    Ok(collected)
}
