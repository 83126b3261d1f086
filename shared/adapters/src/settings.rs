//! How queues and streams are set up, and what memory and SQLite decide alike about them.

use mendlake_domain::minute::Timestamp;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::queue::{MAX_BODY_BYTES, MAX_DELAY_MS, Message};
use mendlake_ports::stream::{MAX_RECORD_BYTES, NewRecord};
use sha2::{Digest, Sha256};

/// The most bytes of records one read gives, unless its first record alone is larger: what a Lambda would be given.
pub const MOST_READ_BYTES: usize = 6 * 1024 * 1024;

/// The most messages one call receives: more would hold a database while others wait.
pub const MOST_RECEIVED: usize = 1_000;

/// The most shards: one writer and one reader on one machine gain nothing from more.
pub const MOST_SHARDS: u32 = 64;

/// How a queue behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    visibility_ms: u32,
    most_receives: u32,
}

impl QueueSettings {
    /// A received message is invisible for `visibility_ms`, and is a dead letter after `most_receives` deliveries.
    /// Of either, 0 counts as 1.
    pub const fn new(visibility_ms: u32, most_receives: u32) -> Self {
        Self { visibility_ms: at_least_1(visibility_ms), most_receives: at_least_1(most_receives) }
    }

    /// When a message received now is visible again.
    pub fn visible_again(&self, now: Timestamp) -> Timestamp {
        now.plus_ms(i64::from(self.visibility_ms))
    }

    /// Deliveries after which a message is a dead letter.
    pub const fn most_receives(&self) -> u32 {
        self.most_receives
    }
}

/// How a stream behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    shards: u32,
    retention_ms: i64,
}

impl StreamSettings {
    /// A stream of 1 to [`MOST_SHARDS`] shards, more or fewer count as these; records are kept `retention_ms` and until
    /// the checkpoint is past them.
    pub const fn new(shards: u32, retention_ms: i64) -> Self {
        let shards = match shards {
            0 => 1,
            n if n > MOST_SHARDS => MOST_SHARDS,
            n => n,
        };
        Self { shards, retention_ms }
    }

    /// How many shards there are. They are named `0`, `1`, ….
    pub const fn shards(&self) -> u32 {
        self.shards
    }

    /// Records that arrived before this may be dropped once the checkpoint is past them.
    pub fn kept_since(&self, now: Timestamp) -> Timestamp {
        now.plus_ms(self.retention_ms.saturating_neg())
    }

    /// The shard of a partition key: the same on every machine and in every release, so that a key keeps to its shard.
    /// By SHA-256, because symbols are short and much alike: FNV-1a put the first four tried into one shard of two.
    pub fn shard_of(&self, partition_key: &str) -> u32 {
        let digest = Sha256::digest(partition_key.as_bytes());
        let first = digest.first_chunk().expect("a digest has 32 bytes");
        u32::try_from(u64::from_be_bytes(*first) % u64::from(self.shards)).expect("below the number of shards")
    }
}

const fn at_least_1(n: u32) -> u32 {
    if n == 0 { 1 } else { n }
}

/// The number of a sequence; `None` for what is none.
pub(crate) fn sequence_number(sequence: &str) -> Option<u64> {
    let digits = !sequence.is_empty() && sequence.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| sequence.parse().ok()).flatten()
}

/// The number of a shard's name; `None` for what no shard is called.
pub(crate) fn shard_number(shard: &str) -> Option<u32> {
    let number = sequence_number(shard).and_then(|n| u32::try_from(n).ok())?;
    (number.to_string() == shard).then_some(number)
}

/// Whether a queue takes the message.
pub(crate) fn check_message(message: &Message, now: Timestamp) -> Result<()> {
    let refuse = |what: String| Err(PortError::new(Kind::Rejected, what));
    let delay_ms = message.visible_at.ms_since(now);
    if message.body.len() > MAX_BODY_BYTES {
        return refuse(format!("send message: body over {MAX_BODY_BYTES} bytes: {}", message.body.len()));
    }
    if delay_ms > MAX_DELAY_MS {
        return refuse(format!("send message: delay over {MAX_DELAY_MS} ms: {delay_ms}"));
    }
    Ok(())
}

/// Whether a stream takes the record.
pub(crate) fn check_record(record: &NewRecord) -> Result<()> {
    if record.bytes() <= MAX_RECORD_BYTES {
        return Ok(());
    }
    let what = format!("append record: over {MAX_RECORD_BYTES} bytes with its key: {}", record.bytes());
    Err(PortError::new(Kind::Rejected, what))
}

/// The refusal of a checkpoint.
pub(crate) fn no_such_place(shard: &str, sequence: &str) -> PortError {
    PortError::new(Kind::Rejected, format!("checkpoint shard `{shard}`: no record has sequence: `{sequence}`"))
}

/// The refusal of a shard's name.
pub(crate) fn no_such_shard(shard: &str) -> PortError {
    PortError::new(Kind::Rejected, format!("find shard of the stream: no such shard: `{shard}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_same_shard_in_every_release() {
        let settings = StreamSettings::new(4, 0);
        assert_eq!(["AAPL", "MSFT", "SPY", "chunk-1"].map(|key| settings.shard_of(key)), [3, 1, 2, 2]);
    }

    #[test]
    fn settings_that_could_not_work_count_as_the_nearest_that_do() {
        assert_eq!(QueueSettings::new(0, 0), QueueSettings::new(1, 1));
        assert_eq!(StreamSettings::new(0, 5).shards(), 1);
        assert_eq!(StreamSettings::new(1_000, 5).shards(), MOST_SHARDS);
    }

    #[test]
    fn a_sequence_is_decimal_digits() {
        assert_eq!(sequence_number("0017"), Some(17));
        for none in ["", "+1", "-1", " 1", "1.0", "99999999999999999999999"] {
            assert_eq!(sequence_number(none), None, "`{none}`");
        }
    }

    #[test]
    fn a_shard_has_one_spelling() {
        assert_eq!(shard_number("17"), Some(17));
        for none in ["", "017", "+1", "a", "4294967296"] {
            assert_eq!(shard_number(none), None, "`{none}`");
        }
    }
}
