//! What could not go its way: rejected input in quarantine, whole batches parked until they can be landed again.

use std::future::Future;

use mendlake_domain::minute::Timestamp;

use crate::error::Result;
use crate::stream::Batch;

/// Rejected input with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// When it was rejected; its date is the folder.
    pub at: Timestamp,
    /// Where it came from: `stream`, `finnhub/quote`.
    pub origin: String,
    /// What identifies it there, so that the same input is kept once: shard and sequence, or a digest.
    pub id: String,
    /// Why.
    pub reason: String,
    /// The input, whole.
    pub input: Vec<u8>,
}

/// Quarantine and parking place.
///
/// - What was put here survives power loss. Setting the same input aside twice on one day leaves one.
/// - Parking the same batch twice leaves one.
/// - A parked batch is listed by its name alone, whatever became of it, and read by itself: one that cannot be read keeps
///   nobody from the others, and goes only where somebody takes it away.
pub trait SetAside: Send + Sync {
    /// Puts rejected input into `quarantine/dt=…/`.
    fn quarantine(&self, rejected: &Rejected) -> impl Future<Output = Result<()>> + Send;

    /// Everything in quarantine, of every day, oldest first.
    fn quarantined(&self) -> impl Future<Output = Result<Vec<Rejected>>> + Send;

    /// Parks a batch under `parked/`.
    fn park(&self, batch: &Batch, reason: &str) -> impl Future<Output = Result<()>> + Send;

    /// The names of the parked batches, oldest first.
    fn parked(&self) -> impl Future<Output = Result<Vec<String>>> + Send;

    /// The parked batch of this name, whole; `None` where there is none, such as one that somebody else landed since it was
    /// listed. `Corrupt` where it cannot be read: the error names it.
    fn parked_batch(&self, name: &str) -> impl Future<Output = Result<Option<Batch>>> + Send;

    /// Takes a parked batch away after it was landed; no error where it is gone already.
    fn unpark(&self, name: &str) -> impl Future<Output = Result<()>> + Send;
}
