//! The stream between those who have rows and the one who lands them.

use std::future::Future;

use mendlake_domain::minute::Timestamp;

use crate::error::Result;

/// The largest record: its data and its partition key together, as Kinesis counts.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// A record to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// Spreads records over shards; records of one key keep to one shard.
    pub partition_key: String,
    /// The record.
    pub data: Vec<u8>,
}

impl NewRecord {
    /// What counts towards [`MAX_RECORD_BYTES`] and towards a shard's write rate.
    pub fn bytes(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }
}

/// The writing end of the stream.
///
/// - An accepted record survives power loss and is read at least once by every consumer, whole.
/// - Records are accepted one by one: the answer has, for each in order, whether it was (a call can half succeed).
/// - `Err` as a whole: nothing is known of any of them; appending again may duplicate.
/// - A record over the limit is `Rejected`, the others are not affected.
pub trait Stream: Send + Sync {
    /// Appends records.
    fn append(&self, records: &[NewRecord]) -> impl Future<Output = Result<Vec<Result<()>>>> + Send;
}

/// A record as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRecord {
    /// Its place in its shard. Decimal digits, of any length: never compared as text (`"10"` comes after `"9"`).
    pub sequence: String,
    /// When the stream accepted it: the `stored_at` of its rows.
    pub arrived_at: Timestamp,
    /// Its partition key.
    pub partition_key: String,
    /// The record.
    pub data: Vec<u8>,
}

/// Records of one shard, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The stream's id, minted when it was created: object names carry it, so that a stream made anew never collides.
    pub stream_id: String,
    /// The shard.
    pub shard: String,
    /// Its records, oldest first.
    pub records: Vec<StreamRecord>,
}

/// The reading end of the stream on one machine; on AWS the event source mapping does this.
///
/// - `read` gives the records after the checkpoint, in order; the same again until the checkpoint moves.
/// - Sequences of one shard rise; a later append has a later sequence.
/// - `arrived_at` never falls along one shard.
/// - A checkpoint never moves backwards. It survives power loss. One past every record, or of no shard, is `Rejected`:
///   taken, it would skip what is yet to come.
/// - Records are dropped once they are both older than the retention and before the checkpoint.
pub trait StreamConsumer: Send + Sync {
    /// The shards there are.
    fn shards(&self) -> impl Future<Output = Result<Vec<String>>> + Send;

    /// Up to `max` records of a shard after its checkpoint, at least one where there is any.
    fn read(&self, shard: &str, max: usize) -> impl Future<Output = Result<Batch>> + Send;

    /// Moves the checkpoint of a shard to this sequence: everything up to it has landed or is set aside.
    fn checkpoint(&self, shard: &str, sequence: &str) -> impl Future<Output = Result<()>> + Send;
}
