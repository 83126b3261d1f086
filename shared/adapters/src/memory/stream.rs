//! A stream in memory.

use std::collections::VecDeque;
use std::sync::Mutex;

use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::Result;
use mendlake_ports::stream::{Batch, NewRecord, Stream, StreamConsumer, StreamRecord};

use super::locked;
use crate::settings::{
    MOST_READ_BYTES, StreamSettings, check_record, no_such_place, no_such_shard, sequence_number, shard_number,
};

/// A stream in memory, of one or more shards. Sequences of each shard count from 1.
#[derive(Debug)]
pub struct MemoryStream<C> {
    clock: C,
    id: String,
    settings: StreamSettings,
    shards: Mutex<Vec<Shard>>,
}

#[derive(Debug, Default)]
struct Shard {
    /// The sequence of the newest record ever appended.
    appended: u64,
    /// When it arrived: the next never arrives before.
    arrived_at: Option<Timestamp>,
    checkpoint: u64,
    /// Sequences without holes, ending with `appended`.
    records: VecDeque<StreamRecord>,
}

impl<C: Clock> MemoryStream<C> {
    /// An empty stream with this id.
    pub fn new(clock: C, id: impl Into<String>, settings: StreamSettings) -> Self {
        let shards = (0..settings.shards()).map(|_| Shard::default()).collect();
        Self { clock, id: id.into(), settings, shards: Mutex::new(shards) }
    }

    /// How many records of a shard are kept, before its checkpoint and after it; 0 for no shard.
    pub fn kept(&self, shard: &str) -> usize {
        index(shard).and_then(|i| locked(&self.shards).get(i).map(|s| s.records.len())).unwrap_or(0)
    }
}

impl<C: Clock> Stream for MemoryStream<C> {
    async fn append(&self, records: &[NewRecord]) -> Result<Vec<Result<()>>> {
        let now = self.clock.now();
        let kept_since = self.settings.kept_since(now);
        let mut shards = locked(&self.shards);
        let append = |record: &NewRecord| {
            check_record(record)?;
            let shard = &mut shards[self.settings.shard_of(&record.partition_key) as usize];
            shard.append(record, now);
            shard.drop_old(kept_since);
            Ok(())
        };
        Ok(records.iter().map(append).collect())
    }
}

impl<C: Clock> StreamConsumer for MemoryStream<C> {
    async fn shards(&self) -> Result<Vec<String>> {
        Ok((0..self.settings.shards()).map(|shard| shard.to_string()).collect())
    }

    async fn read(&self, shard: &str, max: usize) -> Result<Batch> {
        let shards = locked(&self.shards);
        let found = index(shard).and_then(|i| shards.get(i)).ok_or_else(|| no_such_shard(shard))?;
        Ok(Batch { stream_id: self.id.clone(), shard: shard.to_owned(), records: found.read(max.max(1)) })
    }

    async fn checkpoint(&self, shard: &str, sequence: &str) -> Result<()> {
        let kept_since = self.settings.kept_since(self.clock.now());
        let mut shards = locked(&self.shards);
        let found = index(shard).and_then(|i| shards.get_mut(i)).ok_or_else(|| no_such_shard(shard))?;
        let number = sequence_number(sequence).filter(|n| *n <= found.appended);
        let number = number.ok_or_else(|| no_such_place(shard, sequence))?;
        found.checkpoint = found.checkpoint.max(number);
        found.drop_old(kept_since);
        Ok(())
    }
}

impl Shard {
    fn append(&mut self, record: &NewRecord, now: Timestamp) {
        self.appended += 1;
        let arrived_at = self.arrived_at.map_or(now, |last| last.max(now));
        self.arrived_at = Some(arrived_at);
        self.records.push_back(StreamRecord {
            sequence: self.appended.to_string(),
            arrived_at,
            partition_key: record.partition_key.clone(),
            data: record.data.clone(),
        });
    }

    fn read(&self, max: usize) -> Vec<StreamRecord> {
        let unread = usize::try_from(self.appended - self.checkpoint).unwrap_or(usize::MAX);
        let after = self.records.len().saturating_sub(unread);
        let mut bytes = 0;
        let fits = |record: &&StreamRecord| {
            let first = bytes == 0;
            bytes += record.data.len().max(1);
            first || bytes <= MOST_READ_BYTES
        };
        self.records.range(after..).take(max).take_while(fits).cloned().collect()
    }

    fn drop_old(&mut self, kept_since: Timestamp) {
        let dropped = |record: &StreamRecord, first: u64| first <= self.checkpoint && record.arrived_at < kept_since;
        while let Some(record) = self.records.front()
            && dropped(record, self.appended + 1 - self.records.len() as u64)
        {
            self.records.pop_front();
        }
    }
}

fn index(shard: &str) -> Option<usize> {
    shard_number(shard).map(|n| n as usize)
}

#[cfg(test)]
mod tests {
    use mendlake_ports::contracts::{Fresh, stream};
    use mendlake_ports::stream::MAX_RECORD_BYTES;

    use super::*;
    use crate::memory::clock::ManualClock;

    const HOUR_MS: i64 = 3_600_000;

    fn place(shards: u32) -> (ManualClock, MemoryStream<ManualClock>) {
        let clock = ManualClock::new(Timestamp::from_epoch_s(1_800_000_000));
        (clock.clone(), MemoryStream::new(clock, "5eed", StreamSettings::new(shards, HOUR_MS)))
    }

    fn record(bytes: usize) -> NewRecord {
        NewRecord { partition_key: "AAPL".into(), data: vec![0; bytes] }
    }

    #[tokio::test]
    async fn the_memory_stream_keeps_its_contract() {
        for shards in [1, 2, 5] {
            let (clock, stream) = place(shards);
            for run in 0..2 {
                stream::all(&stream, &clock, HOUR_MS, Fresh(run)).await;
            }
        }
    }

    #[tokio::test]
    async fn records_are_dropped_once_old_and_before_the_checkpoint() {
        let (clock, stream) = place(1);
        stream.append(&[record(1), record(1)]).await.unwrap();
        stream.checkpoint("0", "1").await.unwrap();
        clock.advance_ms(HOUR_MS as u32);
        stream.append(&[record(1)]).await.unwrap();
        assert_eq!(stream.kept("0"), 3, "just as old as the retention");
        clock.advance_ms(1);
        stream.append(&[record(1)]).await.unwrap();
        assert_eq!(stream.kept("0"), 3, "the second is old, and not before the checkpoint");
        stream.checkpoint("0", "3").await.unwrap();
        assert_eq!(stream.kept("0"), 2, "the third is before the checkpoint, and not old");
    }

    #[tokio::test]
    async fn arrival_times_never_fall_though_the_clock_is_set_back() {
        let (clock, stream) = place(1);
        let start = clock.now();
        stream.append(&[record(1)]).await.unwrap();
        clock.set(start.plus_ms(-60_000));
        stream.append(&[record(1)]).await.unwrap();
        let arrivals: Vec<_> = stream.read("0", 9).await.unwrap().records.iter().map(|r| r.arrived_at).collect();
        assert_eq!(arrivals, [start, start]);
    }

    #[tokio::test]
    async fn one_read_is_bounded_in_bytes() {
        let (_, stream) = place(1);
        let largest = record(MAX_RECORD_BYTES - "AAPL".len());
        stream.append(&vec![largest; 9]).await.unwrap();
        assert_eq!(stream.read("0", 9).await.unwrap().records.len(), MOST_READ_BYTES / MAX_RECORD_BYTES);
    }
}
