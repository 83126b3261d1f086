//! The ledger's record of reconciliations.

use std::future::Future;

use mendlake_domain::minute::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// A completed reconciliation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its *now*.
    pub at: Timestamp,
    /// Tells apart runs with the same *now*.
    pub id: String,
    /// Every expected minute older than the settle time at this instant is explained.
    pub reconciled_through: Timestamp,
    /// Its report, as JSON.
    pub report: serde_json::Value,
}

/// Completed runs.
///
/// - `last` is the run with the newest `at`.
pub trait Runs: Send + Sync {
    /// Records a completed run.
    fn record_run(&self, run: &Run) -> impl Future<Output = Result<()>> + Send;

    /// The last completed run.
    fn last_run(&self) -> impl Future<Output = Result<Option<Run>>> + Send;
}
