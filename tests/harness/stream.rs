//! The stream in memory, with an ear for what it accepts.

use std::sync::{Mutex, PoisonError};

use mendlake_adapters::memory::clock::ManualClock;
use mendlake_adapters::memory::stream::MemoryStream;
use mendlake_ports::error::Result;
use mendlake_ports::stream::{Batch, NewRecord, Stream, StreamConsumer};

/// A stream that notes every record it accepted, whoever was told of it.
#[derive(Debug)]
pub struct HeardStream {
    stream: MemoryStream<ManualClock>,
    accepted: Mutex<Vec<Vec<u8>>>,
}

impl HeardStream {
    /// Listens to a stream.
    pub fn new(stream: MemoryStream<ManualClock>) -> Self {
        let accepted = Mutex::default();
        Self { stream, accepted }
    }

    /// The records accepted since this was asked last.
    pub fn take_accepted(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.accepted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Stream for HeardStream {
    async fn append(&self, records: &[NewRecord]) -> Result<Vec<Result<()>>> {
        let outcomes = self.stream.append(records).await?;
        let taken = records.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.extend(taken.map(|(record, _)| record.data.clone()));
        Ok(outcomes)
    }
}

impl StreamConsumer for HeardStream {
    async fn shards(&self) -> Result<Vec<String>> {
        self.stream.shards().await
    }

    async fn read(&self, shard: &str, max: usize) -> Result<Batch> {
        self.stream.read(shard, max).await
    }

    async fn checkpoint(&self, shard: &str, sequence: &str) -> Result<()> {
        self.stream.checkpoint(shard, sequence).await
    }
}
