//! Repairing by hand: what one process does on a lake on which no daemon runs.

use std::sync::{Arc, Mutex, PoisonError};

use mendlake_domain::minute::Timestamp;
use mendlake_domain::settings::Settings;
use mendlake_ingest::LandReport;
use mendlake_ingest::land::{Unreadable, reland};
use mendlake_ports::clock::Clock;
use mendlake_ports::error::Result;
use mendlake_ports::place::Place;
use mendlake_ports::queue::QueueConsumer;
use mendlake_reconcile::{ReconcileReport, ReplayReport, Window, reconcile};

use crate::alarm::Alarm;
use crate::engine::{Engine, Event, Observer};
use crate::log::StageLog;
use crate::open::RealPlace;

/// A task that becomes visible later than this is one that failed: it is left to whoever comes next.
const SOON_MS: i64 = 90_000;

/// Logs what the workers do, and keeps what they replayed and what failed.
#[derive(Clone)]
pub struct Notes {
    log: StageLog,
    noted: Arc<Mutex<Noted>>,
}

/// What was noted.
#[derive(Clone, Debug, Default)]
pub struct Noted {
    /// Everything replayed.
    pub replayed: ReplayReport,
    /// What failed last.
    pub failed: Option<String>,
}

impl Notes {
    /// Notes nothing yet.
    pub fn new(log: StageLog) -> Self {
        Self { log, noted: Arc::default() }
    }

    /// What was noted so far.
    pub fn noted(&self) -> Noted {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Observer for Notes {
    fn observe(&self, at: Timestamp, event: &Event) {
        self.log.observe(at, event);
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Replayed(report) => noted.replayed.join((**report).clone()),
            Event::Failed { stage, chain, .. } => noted.failed = Some(format!("{stage}: {chain}")),
            _ => {}
        }
    }
}

/// One-time work on a lake whose lock this process holds.
pub struct Repair {
    engine: Engine<RealPlace, Notes>,
    settings: Settings,
}

impl Repair {
    /// Begins: what was parked and what is in the stream lands, since it is not missing.
    pub async fn begin(place: RealPlace, settings: Settings, notes: Notes) -> Result<Self> {
        let engine = Engine::new(place, settings.clone(), notes);
        land_parked(engine.place()).await?;
        engine.land_once().await?;
        Ok(Self { engine, settings })
    }

    /// The place.
    pub fn place(&self) -> &RealPlace {
        self.engine.place()
    }

    /// What was replayed, and what failed.
    pub fn noted(&self) -> Noted {
        self.engine.observer().noted()
    }

    /// Reconciles over a window.
    pub async fn reconcile(&self, window: Window) -> Result<ReconcileReport> {
        reconcile(self.place(), &self.settings, window).await
    }

    /// Works off the replay queue and lands what came of it. A task that fails is left to whoever comes next.
    pub async fn work_off(&self) -> Result<()> {
        let clock = self.place().clock();
        loop {
            while self.engine.replay_once().await? {}
            match self.place().replay_queue().next_visible_at().await? {
                Some(visible) if visible.ms_since(clock.now()) <= SOON_MS => clock.sleep_until(visible).await,
                _ => break,
            }
        }
        self.land().await
    }

    /// Lands everything that is in the stream.
    pub async fn land(&self) -> Result<()> {
        self.engine.land_once().await
    }
}

/// Lands what was parked while infrastructure failed; tells what it was, and what cannot be landed.
pub async fn land_parked(place: &RealPlace) -> Result<()> {
    let report = reland(place.lake(), place.ledger(), place.clock(), None).await?;
    for landed in &report.landed {
        let LandReport { rows, records, .. } = landed.report;
        tracing::info!(stage = "land", "landed a parked batch: {rows} rows of {records} records");
    }
    for Unreadable { reason, .. } in &report.unreadable {
        let runbook = Alarm::BatchesParked.as_str();
        tracing::error!(stage = "land", runbook, "a parked batch cannot be landed and stays where it is: {reason}");
    }
    Ok(())
}
