//! The pipeline's processes: each one invocation of a stage, as a Lambda or a worker makes it.

use std::sync::Arc;

use mendlake_domain::minute::Minute;
use mendlake_domain::settings::Settings;
use mendlake_domain::task::ReplayTask;
use mendlake_domain::watchlist::Version;
use mendlake_ingest::land::{land, park, reland};
use mendlake_ingest::{collect, request};
use mendlake_ports::clock::Clock;
use mendlake_ports::control::{self, Log};
use mendlake_ports::error::Result;
use mendlake_ports::place::Place;
use mendlake_ports::queue::QueueConsumer;
use mendlake_ports::stream::StreamConsumer;
use mendlake_reconcile::{Patience, ReconcileReport, Window, reconcile, replay};

use crate::place::SimPlace;

/// What a process was started for.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Requests a minute.
    Tick(Minute),
    /// Takes up to so many samples.
    Collect(usize),
    /// Lands up to so many records of a shard; parks what cannot be landed, where it may.
    Land {
        /// The shard.
        shard: String,
        /// The most records.
        most: usize,
        /// Whether it parks.
        parks: bool,
    },
    /// Lands what was parked.
    Reland,
    /// Reconciles.
    Reconcile(Window),
    /// Takes up to so many replay tasks.
    Replay(usize),
    /// A person edits the watchlist and looks whether it worked.
    Edit(Box<Version>),
}

/// What came of it.
#[derive(Debug)]
pub enum Done {
    /// A reconciliation was completed.
    Reconciled(Box<ReconcileReport>),
    /// Anything else, well or not: nobody is told but the trace.
    Other,
}

impl Work {
    /// Its name, for the trace and for counting.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tick(_) => "request",
            Self::Collect(_) => "collect",
            Self::Land { .. } => "land",
            Self::Reland => "reland",
            Self::Reconcile(_) => "reconcile",
            Self::Replay(_) => "replay",
            Self::Edit(_) => "edit",
        }
    }
}

/// Runs a process.
pub async fn run(place: Arc<SimPlace>, settings: Settings, work: Work) -> Result<Done> {
    match work {
        Work::Tick(minute) => request(&*place, &settings, minute).await.map(|_| Done::Other),
        Work::Collect(most) => samples(&place, &settings, most).await,
        Work::Land { shard, most, parks } => batch(&place, &shard, most, parks).await,
        Work::Reland => reland(place.lake(), place.ledger(), place.clock(), None).await.map(|_| Done::Other),
        Work::Reconcile(window) => {
            let report = reconcile(&*place, &settings, window).await?;
            Ok(Done::Reconciled(Box::new(report)))
        }
        Work::Replay(most) => tasks(&place, &settings, most).await,
        Work::Edit(version) => edit(&place, &version).await,
    }
}

async fn samples(place: &SimPlace, settings: &Settings, most: usize) -> Result<Done> {
    for delivery in place.live_queue().receive(most).await? {
        if collect(place, settings, &place.overlays, &delivery.body).await.is_ok() {
            place.live_queue().acknowledge(&delivery.receipt).await?;
        }
    }
    Ok(Done::Other)
}

async fn tasks(place: &SimPlace, settings: &Settings, most: usize) -> Result<Done> {
    for delivery in place.replay_queue().receive(most).await? {
        let task =
            ReplayTask::parse(&delivery.body, place.clock().now()).expect("only reconciliations send tasks here");
        if replay(place, settings, &task, Patience::Minute).await.is_ok() {
            place.replay_queue().acknowledge(&delivery.receipt).await?;
        }
    }
    Ok(Done::Other)
}

async fn batch(place: &SimPlace, shard: &str, most: usize, parks: bool) -> Result<Done> {
    let batch = place.stream().read(shard, most).await?;
    let Some(last) = batch.records.last().map(|record| record.sequence.clone()) else {
        return Ok(Done::Other);
    };
    if let Err(error) = land(place.lake(), place.ledger(), &batch).await {
        if !parks {
            return Err(error);
        }
        park(place.lake(), &batch, &error.chain()).await?;
    }
    place.stream().checkpoint(shard, &last).await?;
    Ok(Done::Other)
}

/// Appends until the log has the version: an edit whose answer was lost may have worked.
async fn edit(place: &SimPlace, version: &Version) -> Result<Done> {
    for _ in 0..20 {
        let told = control::append(place.lake(), Log::Watchlist, version).await;
        let there = control::read::<Version>(place.lake(), Log::Watchlist).await;
        if told.is_ok() || there.is_ok_and(|versions| versions.contains(version)) {
            break;
        }
    }
    Ok(Done::Other)
}
