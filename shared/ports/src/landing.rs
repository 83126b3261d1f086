//! The ledger's landing marks.

use std::future::Future;

use mendlake_domain::minute::Timestamp;

use crate::error::Result;

/// A shard whose mark is further behind the newest one has had nothing to land since, or is closed for good; or it is stuck,
/// which the stream's own figures tell. Its mark says nothing of the others.
pub const IDLE_AFTER_MS: i64 = 10 * 60_000;

/// For each shard, the arrival time up to which its records have landed.
///
/// - A mark never moves backwards.
/// - `landed_through` is the smallest mark of the shards that something came to lately ([`through`]), `None` where there is no
///   mark yet.
pub trait Landing: Send + Sync {
    /// Notes that everything of the shard that arrived by then has landed or is set aside.
    fn note_landed(&self, shard: &str, through: Timestamp) -> impl Future<Output = Result<()>> + Send;

    /// The arrival time up to which every shard has landed that something came to lately.
    fn landed_through(&self) -> impl Future<Output = Result<Option<Timestamp>>> + Send;
}

/// Of the marks of all shards, the smallest that is not more than [`IDLE_AFTER_MS`] behind the newest.
pub fn through(marks: impl IntoIterator<Item = Timestamp>) -> Option<Timestamp> {
    let marks: Vec<Timestamp> = marks.into_iter().collect();
    let newest = *marks.iter().max()?;
    marks.into_iter().filter(|mark| newest.ms_since(*mark) <= IDLE_AFTER_MS).min()
}
