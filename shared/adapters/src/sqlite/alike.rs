//! Memory and SQLite do the same, whatever is done to them.

use mendlake_domain::minute::Minute;
use mendlake_ports::budget::Budget;
use mendlake_ports::clock::Clock;
use mendlake_ports::landing::Landing;
use mendlake_ports::queue::{Delivery, MAX_DELAY_MS, Message, Queue, QueueConsumer};
use mendlake_ports::stream::{NewRecord, Stream, StreamConsumer};
use proptest::prelude::*;

use super::crash::{Folder, clock};
use super::database::{Database, Durability};
use super::ledger::SqliteLedger;
use super::queue::SqliteQueue;
use super::stream::SqliteStream;
use crate::memory::ledger::MemoryLedger;
use crate::memory::queue::MemoryQueue;
use crate::memory::stream::MemoryStream;
use crate::settings::{QueueSettings, StreamSettings};

const VISIBILITY_MS: u32 = 1_000;
const RETENTION_MS: i64 = 3_000;
const SHARDS: u32 = 2;

#[derive(Clone, Debug)]
enum QueueStep {
    /// Delays of the messages of one call.
    Send(Vec<i64>),
    Receive(usize),
    /// Acknowledges one of the deliveries so far.
    Acknowledge(prop::sample::Index),
    Advance(u32),
}

#[derive(Clone, Debug)]
enum StreamStep {
    /// Keys of the records of one call.
    Append(Vec<u8>),
    Read(u32, usize),
    /// Checkpoints a shard at a number, there or not.
    Checkpoint(u32, u64),
    Advance(u32),
    SetBack(u32),
}

#[derive(Clone, Debug)]
enum LedgerStep {
    Reserve(i64),
    Lease(i64, u32, u32),
    Land(u8, i64),
}

fn queue_step() -> impl Strategy<Value = QueueStep> {
    let delay = prop_oneof![Just(-5), Just(0), 1..3_000_i64, Just(MAX_DELAY_MS), Just(MAX_DELAY_MS + 1)];
    prop_oneof![
        2 => prop::collection::vec(delay, 0..4).prop_map(QueueStep::Send),
        3 => (0..4_usize).prop_map(QueueStep::Receive),
        2 => any::<prop::sample::Index>().prop_map(QueueStep::Acknowledge),
        2 => prop_oneof![Just(VISIBILITY_MS - 1), Just(1), Just(VISIBILITY_MS), 0..5_000_u32].prop_map(QueueStep::Advance),
    ]
}

fn stream_step() -> impl Strategy<Value = StreamStep> {
    prop_oneof![
        3 => prop::collection::vec(0..6_u8, 0..4).prop_map(StreamStep::Append),
        3 => (0..SHARDS + 1, 0..5_usize).prop_map(|(shard, max)| StreamStep::Read(shard, max)),
        3 => (0..SHARDS + 1, 0..12_u64).prop_map(|(shard, sequence)| StreamStep::Checkpoint(shard, sequence)),
        2 => (0..4_000_u32).prop_map(StreamStep::Advance),
        1 => (1..2_000_u32).prop_map(StreamStep::SetBack),
    ]
}

fn ledger_step() -> impl Strategy<Value = LedgerStep> {
    prop_oneof![
        (0..3_i64).prop_map(LedgerStep::Reserve),
        (0..3_i64, 0..7_u32, 0..12_u32).prop_map(|(minute, calls, share)| LedgerStep::Lease(minute, calls, share)),
        (0..3_u8, 0..9_i64).prop_map(|(shard, through)| LedgerStep::Land(shard, through)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn queues_behave_alike(steps in prop::collection::vec(queue_step(), 1..40)) {
        block_on(same_queues(&steps));
    }

    #[test]
    fn streams_behave_alike(steps in prop::collection::vec(stream_step(), 1..40)) {
        block_on(same_streams(&steps));
    }

    #[test]
    fn ledgers_behave_alike(steps in prop::collection::vec(ledger_step(), 1..40)) {
        block_on(same_ledgers(&steps));
    }
}

/// Hundreds of little databases: none has to survive anything.
fn quick(folder: &Folder) -> Database {
    Database::open_with(&folder.file(), Durability::ProcessEnd).unwrap()
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future);
}

async fn same_queues(steps: &[QueueStep]) {
    let (folder, clock, settings) = (Folder::new(), clock(), QueueSettings::new(VISIBILITY_MS, 2));
    let memory = MemoryQueue::new(clock.clone(), settings);
    let sqlite = SqliteQueue::new(quick(&folder), clock.clone(), "live", settings);
    let mut receipts: Vec<(String, String)> = Vec::new();
    let mut sent = 0;
    for step in steps {
        match step {
            QueueStep::Send(delays) => {
                let message = |(n, delay): (usize, &i64)| Message {
                    body: (sent + n).to_string(),
                    visible_at: clock.now().plus_ms(*delay),
                };
                let messages: Vec<_> = delays.iter().enumerate().map(message).collect();
                sent += messages.len();
                let (a, b) = (memory.send(&messages).await.unwrap(), sqlite.send(&messages).await.unwrap());
                assert_eq!(kinds(&a), kinds(&b));
            }
            QueueStep::Receive(max) => {
                let (a, b) = (memory.receive(*max).await.unwrap(), sqlite.receive(*max).await.unwrap());
                let what = |d: &Delivery| (d.body.clone(), d.receives);
                assert_eq!(a.iter().map(what).collect::<Vec<_>>(), b.iter().map(what).collect::<Vec<_>>());
                receipts.extend(a.into_iter().zip(b).map(|(a, b)| (a.receipt, b.receipt)));
            }
            QueueStep::Acknowledge(which) if !receipts.is_empty() => {
                let (a, b) = which.get(&receipts);
                assert_eq!(memory.acknowledge(a).await.unwrap(), sqlite.acknowledge(b).await.unwrap());
            }
            QueueStep::Acknowledge(_) => {}
            QueueStep::Advance(ms) => clock.advance_ms(*ms),
        }
        assert_eq!(memory.next_visible_at().await.unwrap(), sqlite.next_visible_at().await.unwrap());
        assert_eq!(memory.dead_letters().await.unwrap(), sqlite.dead_letters().await.unwrap());
    }
}

async fn same_streams(steps: &[StreamStep]) {
    let (folder, clock, settings) = (Folder::new(), clock(), StreamSettings::new(SHARDS, RETENTION_MS));
    let memory = MemoryStream::new(clock.clone(), "5eed", settings);
    let sqlite = SqliteStream::open(quick(&folder), clock.clone(), "5eed", settings).unwrap();
    for step in steps {
        match step {
            StreamStep::Append(keys) => {
                let record = |key: &u8| NewRecord { partition_key: key.to_string(), data: vec![*key] };
                let records: Vec<_> = keys.iter().map(record).collect();
                let (a, b) = (memory.append(&records).await.unwrap(), sqlite.append(&records).await.unwrap());
                assert_eq!(kinds(&a), kinds(&b));
            }
            StreamStep::Read(shard, max) => {
                let (a, b) = (memory.read(&shard.to_string(), *max).await, sqlite.read(&shard.to_string(), *max).await);
                assert_eq!(a.map_err(|e| e.chain()), b.map_err(|e| e.chain()));
            }
            StreamStep::Checkpoint(shard, sequence) => {
                let (shard, sequence) = (shard.to_string(), sequence.to_string());
                let (a, b) = (memory.checkpoint(&shard, &sequence).await, sqlite.checkpoint(&shard, &sequence).await);
                assert_eq!(a.map_err(|e| e.chain()), b.map_err(|e| e.chain()));
            }
            StreamStep::Advance(ms) => clock.advance_ms(*ms),
            StreamStep::SetBack(ms) => clock.set(clock.now().plus_ms(-i64::from(*ms))),
        }
        for shard in ["0", "1", "2"] {
            assert_eq!(memory.kept(shard) as u64, sqlite.kept(shard).unwrap());
        }
    }
}

async fn same_ledgers(steps: &[LedgerStep]) {
    let folder = Folder::new();
    let (memory, sqlite) = (MemoryLedger::new(), SqliteLedger::new(quick(&folder)));
    let provider = "finnhub".parse().unwrap();
    for step in steps {
        match *step {
            LedgerStep::Reserve(minute) => {
                let minute = Minute::from_index(minute);
                let reserved = memory.reserve_live(&provider, minute, 1).await.unwrap();
                assert_eq!(reserved, sqlite.reserve_live(&provider, minute, 1).await.unwrap());
            }
            LedgerStep::Lease(minute, calls, share) => {
                let minute = Minute::from_index(minute);
                let leased = memory.lease_replay(&provider, minute, calls, share).await.unwrap();
                assert_eq!(leased, sqlite.lease_replay(&provider, minute, calls, share).await.unwrap());
            }
            LedgerStep::Land(shard, through) => {
                let (shard, through) = (shard.to_string(), Minute::from_index(through).start());
                memory.note_landed(&shard, through).await.unwrap();
                sqlite.note_landed(&shard, through).await.unwrap();
            }
        }
        assert_eq!(memory.landed_through().await.unwrap(), sqlite.landed_through().await.unwrap());
    }
}

fn kinds(outcomes: &[mendlake_ports::Result<()>]) -> Vec<Option<mendlake_ports::Kind>> {
    outcomes.iter().map(|outcome| outcome.as_ref().err().map(|error| error.kind)).collect()
}
