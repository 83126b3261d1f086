//! The ledger's landing marks.

use std::future::Future;

use mendlake_domain::minute::Timestamp;

use crate::error::Result;

/// For each shard, the arrival time up to which its records have landed.
///
/// - A mark never moves backwards.
/// - `landed_through` is the smallest mark of all shards, `None` where there is none yet.
pub trait Landing: Send + Sync {
    /// Notes that everything of the shard that arrived by then has landed or is set aside.
    fn note_landed(&self, shard: &str, through: Timestamp) -> impl Future<Output = Result<()>> + Send;

    /// The arrival time up to which every shard has landed.
    fn landed_through(&self) -> impl Future<Output = Result<Option<Timestamp>>> + Send;
}
