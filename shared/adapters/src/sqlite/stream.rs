//! A stream on SQLite.

use std::collections::BTreeMap;

use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::stream::{Batch, NewRecord, Stream, StreamConsumer, StreamRecord};
use rusqlite::{OptionalExtension, Transaction, params};

use super::database::Database;
use super::error::Step;
use crate::settings::{
    MOST_READ_BYTES, StreamSettings, check_record, no_such_place, no_such_shard, sequence_number, shard_number,
};

/// The most records one call drops of a shard: the next call drops more.
const MOST_DROPPED: u32 = 1_000;

/// The longest id of a stream: object names carry it.
const MAX_ID_LEN: usize = 32;

/// A stream in a database: one of them a database. Sequences of each shard count from 1.
#[derive(Debug)]
pub struct SqliteStream<C> {
    database: Database,
    clock: C,
    id: String,
    settings: StreamSettings,
}

/// What is to be known of a shard to append to it.
struct Tail {
    appended: i64,
    arrived_at: Option<i64>,
}

impl<C: Clock> SqliteStream<C> {
    /// Opens the database's stream; creates it under `fresh_id` where there is none, else it keeps the id it has.
    ///
    /// `fresh_id` is minted at random by the caller: 1 to 32 lower-case letters and digits. A stream's number of shards
    /// is fixed when it is created, or a key would change its shard: opening it with another is `Rejected`.
    pub fn open(database: Database, clock: C, fresh_id: &str, settings: StreamSettings) -> Result<Self> {
        let id = database.write("open stream", |tx| {
            let found: Option<String> = tx.query_row("SELECT id FROM stream", [], |row| row.get(0)).optional()?;
            match found {
                Some(id) => check_shards(tx, settings.shards()).map(|()| id),
                None => create(tx, fresh_id, settings.shards()),
            }
        })?;
        Ok(Self { database, clock, id, settings })
    }

    /// The stream's id, as object names carry it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How many records of a shard are kept, before its checkpoint and after it; 0 for no shard.
    pub fn kept(&self, shard: &str) -> Result<u64> {
        let Some(shard) = shard_number(shard) else { return Ok(0) };
        let sql = "SELECT count(*) FROM records WHERE shard = ?1";
        let count: i64 = self.database.read("count records", |tx| Ok(tx.query_row(sql, [shard], |row| row.get(0))?))?;
        Ok(count.unsigned_abs())
    }

    fn shard(&self, shard: &str) -> Result<u32> {
        shard_number(shard).filter(|n| *n < self.settings.shards()).ok_or_else(|| no_such_shard(shard))
    }

    fn drop_old(&self, tx: &Transaction<'_>, shard: u32, now: Timestamp) -> Step<()> {
        // Only the oldest are looked at: arrival times never fall, so what is to be dropped is among them.
        let sql = "DELETE FROM records WHERE shard = ?1 AND arrived_at < ?2 AND sequence IN (
                       SELECT sequence FROM records
                       WHERE shard = ?1 AND sequence <= (SELECT checkpoint FROM shards WHERE shard = ?1)
                       ORDER BY sequence LIMIT ?3)";
        tx.execute(sql, params![shard, self.settings.kept_since(now).epoch_ms(), MOST_DROPPED])?;
        Ok(())
    }
}

fn create(tx: &Transaction<'_>, id: &str, shards: u32) -> Step<String> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if id.is_empty() || id.len() > MAX_ID_LEN || !id.bytes().all(allowed) {
        let what = format!("create stream: an id is 1 to {MAX_ID_LEN} lower-case letters and digits: `{id}`");
        return Err(PortError::new(Kind::Rejected, what).into());
    }
    tx.execute("INSERT INTO stream (only_one, id) VALUES (1, ?1)", [id])?;
    for shard in 0..shards {
        tx.execute("INSERT INTO shards (shard) VALUES (?1)", [shard])?;
    }
    Ok(id.to_owned())
}

fn check_shards(tx: &Transaction<'_>, asked: u32) -> Step<()> {
    let stored: u32 = tx.query_row("SELECT count(*) FROM shards", [], |row| row.get(0))?;
    if stored == asked {
        return Ok(());
    }
    let what = format!("open stream: it was created with {stored} shards and keeps them, not: {asked}");
    Err(PortError::new(Kind::Rejected, what).into())
}

impl<C: Clock> Stream for SqliteStream<C> {
    async fn append(&self, records: &[NewRecord]) -> Result<Vec<Result<()>>> {
        let now = self.clock.now();
        self.database.write("append to stream", |tx| {
            let mut tails = BTreeMap::new();
            let mut outcomes = Vec::with_capacity(records.len());
            for record in records {
                let outcome = check_record(record);
                if outcome.is_ok() {
                    let shard = self.settings.shard_of(&record.partition_key);
                    let tail = match tails.remove(&shard) {
                        Some(tail) => tail,
                        None => read_tail(tx, shard)?,
                    };
                    tails.insert(shard, append(tx, shard, &tail, record, now)?);
                }
                outcomes.push(outcome);
            }
            for (shard, tail) in &tails {
                write_tail(tx, *shard, tail)?;
                self.drop_old(tx, *shard, now)?;
            }
            Ok(outcomes)
        })
    }
}

fn read_tail(tx: &Transaction<'_>, shard: u32) -> Step<Tail> {
    let sql = "SELECT appended, arrived_at FROM shards WHERE shard = ?1";
    Ok(tx.query_row(sql, [shard], |row| Ok(Tail { appended: row.get(0)?, arrived_at: row.get(1)? }))?)
}

fn append(tx: &Transaction<'_>, shard: u32, tail: &Tail, record: &NewRecord, now: Timestamp) -> Step<Tail> {
    let sequence = tail.appended + 1;
    let arrived_at = tail.arrived_at.map_or(now.epoch_ms(), |last| last.max(now.epoch_ms()));
    let sql = "INSERT INTO records (shard, sequence, arrived_at, partition_key, data) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.execute(sql, params![shard, sequence, arrived_at, record.partition_key, record.data])?;
    Ok(Tail { appended: sequence, arrived_at: Some(arrived_at) })
}

fn write_tail(tx: &Transaction<'_>, shard: u32, tail: &Tail) -> Step<()> {
    let sql = "UPDATE shards SET appended = ?2, arrived_at = ?3 WHERE shard = ?1";
    tx.execute(sql, params![shard, tail.appended, tail.arrived_at])?;
    Ok(())
}

impl<C: Clock> StreamConsumer for SqliteStream<C> {
    async fn shards(&self) -> Result<Vec<String>> {
        Ok((0..self.settings.shards()).map(|shard| shard.to_string()).collect())
    }

    async fn read(&self, shard: &str, max: usize) -> Result<Batch> {
        let number = self.shard(shard)?;
        let max = i64::try_from(max.max(1)).unwrap_or(i64::MAX);
        let records = self.database.read("read stream", |tx| read_records(tx, number, max))?;
        Ok(Batch { stream_id: self.id.clone(), shard: shard.to_owned(), records })
    }

    async fn checkpoint(&self, shard: &str, sequence: &str) -> Result<()> {
        let (number, now) = (self.shard(shard)?, self.clock.now());
        let nowhere = || no_such_place(shard, sequence);
        let wanted = sequence_number(sequence).and_then(|n| i64::try_from(n).ok()).ok_or_else(nowhere)?;
        self.database.write("checkpoint stream", |tx| {
            let sql = "UPDATE shards SET checkpoint = max(checkpoint, ?2) WHERE shard = ?1 AND appended >= ?2";
            if tx.execute(sql, params![number, wanted])? == 0 {
                return Err(nowhere().into());
            }
            self.drop_old(tx, number, now)
        })
    }
}

fn read_records(tx: &Transaction<'_>, shard: u32, max: i64) -> Step<Vec<StreamRecord>> {
    let sql = "SELECT sequence, arrived_at, partition_key, data FROM records
               WHERE shard = ?1 AND sequence > (SELECT checkpoint FROM shards WHERE shard = ?1)
               ORDER BY sequence LIMIT ?2";
    let mut statement = tx.prepare(sql)?;
    let mut rows = statement.query(params![shard, max])?;
    let (mut records, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let data: Vec<u8> = row.get(3)?;
        bytes += data.len();
        if bytes > MOST_READ_BYTES && !records.is_empty() {
            break;
        }
        records.push(StreamRecord {
            sequence: row.get::<_, i64>(0)?.to_string(),
            arrived_at: Timestamp::from_epoch_ms(row.get(1)?),
            partition_key: row.get(2)?,
            data,
        });
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use mendlake_ports::contracts::{Fresh, stream};
    use mendlake_ports::stream::MAX_RECORD_BYTES;

    use super::*;
    use crate::memory::clock::ManualClock;
    use crate::sqlite::crash::{Folder, clock};

    const HOUR_MS: i64 = 3_600_000;

    fn open(folder: &Folder, clock: &ManualClock, shards: u32) -> SqliteStream<ManualClock> {
        let settings = StreamSettings::new(shards, HOUR_MS);
        SqliteStream::open(folder.open(), clock.clone(), "5eed", settings).unwrap()
    }

    fn record(bytes: usize) -> NewRecord {
        NewRecord { partition_key: "AAPL".into(), data: vec![0; bytes] }
    }

    #[tokio::test]
    async fn the_sqlite_stream_keeps_its_contract() {
        for shards in [1, 3] {
            let (folder, clock) = (Folder::new(), clock());
            let stream = open(&folder, &clock, shards);
            for run in 0..2 {
                stream::all(&stream, &clock, HOUR_MS, Fresh(run)).await;
            }
        }
    }

    #[tokio::test]
    async fn what_the_stream_accepted_survives_a_crash() {
        let (folder, clock) = (Folder::new(), clock());
        let crash = |stream| open(&folder.crashed_with(stream), &clock, 2);
        stream::what_was_accepted_survives_power_loss(open(&folder, &clock, 2), Fresh(0), crash).await;
    }

    #[tokio::test]
    async fn records_are_dropped_once_old_and_before_the_checkpoint() {
        let (folder, clock) = (Folder::new(), clock());
        let stream = open(&folder, &clock, 1);
        stream.append(&[record(1), record(1)]).await.unwrap();
        stream.checkpoint("0", "1").await.unwrap();
        clock.advance_ms(HOUR_MS as u32);
        stream.append(&[record(1)]).await.unwrap();
        assert_eq!(stream.kept("0").unwrap(), 3, "just as old as the retention");
        clock.advance_ms(1);
        stream.append(&[record(1)]).await.unwrap();
        assert_eq!(stream.kept("0").unwrap(), 3, "the second is old, and not before the checkpoint");
        stream.checkpoint("0", "3").await.unwrap();
        assert_eq!(stream.kept("0").unwrap(), 2, "the third is before the checkpoint, and not old");
    }

    #[tokio::test]
    async fn sequences_and_arrival_times_go_on_though_all_was_dropped_and_the_clock_is_set_back() {
        let (folder, clock) = (Folder::new(), clock());
        let start = clock.now();
        let stream = open(&folder, &clock, 1);
        stream.append(&[record(1), record(1)]).await.unwrap();
        clock.advance_ms(2 * HOUR_MS as u32);
        stream.checkpoint("0", "2").await.unwrap();
        assert_eq!(stream.kept("0").unwrap(), 0);
        drop(stream);
        clock.set(start.plus_ms(-60_000));
        let stream = open(&folder, &clock, 1);
        stream.append(&[record(1)]).await.unwrap();
        let records = stream.read("0", 9).await.unwrap().records;
        assert_eq!((records[0].sequence.as_str(), records[0].arrived_at), ("3", start));
    }

    #[tokio::test]
    async fn one_read_is_bounded_in_bytes() {
        let (folder, clock) = (Folder::new(), clock());
        let stream = open(&folder, &clock, 1);
        let largest = record(MAX_RECORD_BYTES - "AAPL".len());
        stream.append(&vec![largest; 9]).await.unwrap();
        assert_eq!(stream.read("0", 9).await.unwrap().records.len(), MOST_READ_BYTES / MAX_RECORD_BYTES);
    }

    #[test]
    fn a_stream_keeps_the_id_and_the_shards_it_was_created_with() {
        let (folder, clock) = (Folder::new(), clock());
        assert_eq!(open(&folder, &clock, 2).id(), "5eed");
        let again = |shards| SqliteStream::open(folder.open(), clock.clone(), "0ther", StreamSettings::new(shards, 1));
        assert_eq!(again(2).unwrap().id(), "5eed");
        let refused = again(3).unwrap_err();
        assert_eq!(refused.kind, Kind::Rejected);
        assert_eq!(refused.chain(), "open stream: it was created with 2 shards and keeps them, not: 3");
    }

    #[test]
    fn an_id_that_would_break_object_names_is_refused() {
        let (folder, clock) = (Folder::new(), clock());
        for id in ["", "a-b", "A", "a/b", "é", &"a".repeat(33)] {
            let opened = SqliteStream::open(folder.open(), clock.clone(), id, StreamSettings::new(1, 1));
            assert_eq!(opened.unwrap_err().kind, Kind::Rejected, "`{id}`");
        }
        assert_eq!(open(&folder, &clock, 1).id(), "5eed", "a refused id leaves no stream");
    }
}
