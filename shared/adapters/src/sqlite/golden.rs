//! Golden samples: one database a schema version, as SQL, with something in every table and every field.
//!
//! A sample never changes once its version is released. A new version adds a file and keeps this one readable.

use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::gap::{Evidence, Gap, OpenReason, Unrecoverable, Upheld};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_ports::budget::{Budget, Reservation};
use mendlake_ports::clock::Clock;
use mendlake_ports::error::Kind;
use mendlake_ports::expectations::{Expectation, Expectations};
use mendlake_ports::gaps::{Gaps, VersionedGap};
use mendlake_ports::landing::Landing;
use mendlake_ports::queue::{Message, Queue, QueueConsumer};
use mendlake_ports::runs::{Run, Runs};
use mendlake_ports::source_states::{Health, SourceState, SourceStates};
use mendlake_ports::stream::{NewRecord, Stream, StreamConsumer};
use rusqlite::Connection;
use serde_json::json;

use super::crash::Folder;
use super::database::Database;
use super::ledger::SqliteLedger;
use super::queue::SqliteQueue;
use super::stream::SqliteStream;
use crate::memory::clock::ManualClock;
use crate::settings::{QueueSettings, StreamSettings};

const V1: &str = include_str!("golden/v1.sql");

fn clock() -> ManualClock {
    ManualClock::new(at("2026-11-20T14:30:01.250Z"))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn minute(text: &str) -> Minute {
    text.parse().unwrap()
}

fn queue(database: &Database, clock: &ManualClock) -> SqliteQueue<ManualClock> {
    SqliteQueue::new(database.clone(), clock.clone(), "live", QueueSettings::new(60_000, 1))
}

fn stream(database: &Database, clock: &ManualClock) -> SqliteStream<ManualClock> {
    SqliteStream::open(database.clone(), clock.clone(), "1f00d5eed0000001", StreamSettings::new(2, 3_600_000)).unwrap()
}

fn sample_gap() -> Gap {
    let open = minute("2026-11-20T14:30:00Z");
    let minutes = |from, to| MinuteSet::between(open + from, open + to);
    let mut gap = Gap::new("2026-11-20".parse().unwrap(), "BRK.B".parse().unwrap(), at("2026-11-20T14:36:00.000Z"));
    gap.set_open(OpenReason::Waiting, &minutes(0, 2));
    gap.set_open(OpenReason::MarketAbsent, &minutes(29, 31));
    gap.suspect = minutes(5, 6);
    gap.uphold(Upheld::Quiet, &minutes(7, 9));
    gap.give_up(Unrecoverable::NoData, &minutes(100, 103));
    gap.attempts = 2;
    gap.next_attempt_at = at("2026-11-20T15:00:00.000Z");
    gap.replayed_at = Some(at("2026-11-20T14:40:00.123Z"));
    gap.reread_at = Some(at("2026-12-20T14:40:00.000Z"));
    gap.note_read(Evidence {
        source: "alpaca:sip".parse().unwrap(),
        read_at: at("2026-11-20T14:39:59.999Z"),
        complete_to: minute("2026-11-20T14:22:00Z"),
        candles: minutes(10, 12),
    });
    gap
}

fn sample_expectation() -> Expectation {
    let symbols = ["AAPL", "BRK.B"].map(|s| s.parse().unwrap()).to_vec();
    Expectation { minute: minute("2026-11-20T14:31:00Z"), symbols, requested_at: at("2026-11-20T14:30:12.500Z") }
}

fn sample_state() -> SourceState {
    SourceState {
        health: Health::NotEntitled,
        since: Some(at("2026-11-20T14:36:00.000Z")),
        key_version: "3".into(),
        plan: Some("All-in-One".into()),
        benched: ["BRK.B".parse().unwrap()].into(),
        served: ["AAPL".parse().unwrap()].into(),
        limit: Some(60),
    }
}

fn sample_run() -> Run {
    Run {
        at: at("2026-11-20T14:40:00.000Z"),
        id: "near".into(),
        reconciled_through: at("2026-11-20T14:35:00.000Z"),
        report: json!({ "open_gaps": 4, "planned": ["BRK.B"] }),
    }
}

/// A database with every sample in it, written by this release.
async fn written(database: &Database) {
    let clock = clock();
    let (queue, stream) = (queue(database, &clock), stream(database, &clock));
    let message = |body: &str| [Message { body: body.into(), visible_at: clock.now() }];
    queue.send(&message("dead")).await.unwrap();
    queue.receive(1).await.unwrap();
    clock.advance_ms(60_000);
    queue.receive(1).await.unwrap();
    queue.send(&message("waiting")).await.unwrap();
    let record = |key: &str| NewRecord { partition_key: key.into(), data: format!("{{\"v\":1}} {key}\n").into_bytes() };
    stream.append(&[record("AAPL"), record("SPY"), record("AAPL")]).await.unwrap();
    stream.checkpoint("1", "1").await.unwrap();

    let (ledger, provider) = (SqliteLedger::new(database.clone()), "finnhub".parse().unwrap());
    let first = minute("2026-11-20T14:31:00Z");
    ledger.reserve_live(&provider, first, 8).await.unwrap();
    ledger.lease_replay(&provider, first, 5, 40).await.unwrap();
    ledger.record(&sample_expectation()).await.unwrap();
    ledger.write(&sample_gap(), 0).await.unwrap();
    ledger.set_state(&provider, "candle", &sample_state()).await.unwrap();
    ledger.note_landed("0", at("2026-11-20T14:31:00.000Z")).await.unwrap();
    ledger.record_run(&sample_run()).await.unwrap();
}

/// A database as SQL: its versions, its schema, its rows.
fn dump(connection: &Connection) -> String {
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(|text| text.unwrap()).collect()
    };
    let schema = |filter: &str, column: &str| {
        texts(&format!("SELECT {column} FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' AND {filter} ORDER BY rowid"))
    };
    let mut dump = String::new();
    for pragma in ["application_id", "user_version"] {
        let value: i64 = connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).unwrap();
        dump += &format!("PRAGMA {pragma} = {value};\n");
    }
    for sql in schema("sql IS NOT NULL", "sql") {
        dump += &format!("{sql};\n");
    }
    for table in schema("type = 'table'", "name") {
        let columns = texts(&format!("SELECT name FROM pragma_table_info('{table}')"));
        let values: Vec<_> = columns.iter().map(|column| format!("quote({column})")).collect();
        for row in texts(&format!("SELECT {} FROM {table}", values.join(" || ', ' || "))) {
            dump += &format!("INSERT INTO {table} ({}) VALUES ({row});\n", columns.join(", "));
        }
    }
    dump
}

#[tokio::test]
async fn what_is_written_today_has_the_form_of_version_1() {
    let folder = Folder::new();
    let database = folder.open();
    written(&database).await;
    let dumped = dump(&database.connection());
    assert!(dumped == V1, "differs from golden/v1.sql:\n{dumped}");
}

#[tokio::test]
async fn a_database_of_version_1_stays_readable() {
    let folder = Folder::new();
    Connection::open(folder.file()).unwrap().execute_batch(V1).unwrap();
    let (database, clock) = (folder.open(), clock());
    clock.advance_ms(60_000);
    let (queue, stream) = (queue(&database, &clock), stream(&database, &clock));
    assert_eq!(queue.receive(9).await.unwrap()[0].body, "waiting");
    assert_eq!(queue.dead_letters().await.unwrap(), ["dead"]);
    for (shard, sequence, data) in [("0", "1", "{\"v\":1} SPY\n"), ("1", "2", "{\"v\":1} AAPL\n")] {
        let batch = stream.read(shard, 9).await.unwrap();
        assert_eq!((batch.stream_id.as_str(), batch.records.len()), ("1f00d5eed0000001", 1));
        let record = &batch.records[0];
        assert_eq!((record.sequence.as_str(), record.data.as_slice()), (sequence, data.as_bytes()));
        assert_eq!(record.arrived_at, at("2026-11-20T14:31:01.250Z"));
    }
}

#[tokio::test]
async fn a_ledger_of_version_1_stays_readable() {
    let folder = Folder::new();
    Connection::open(folder.file()).unwrap().execute_batch(V1).unwrap();
    let (ledger, provider) = (SqliteLedger::new(folder.open()), "finnhub".parse().unwrap());
    let first = minute("2026-11-20T14:31:00Z");
    assert_eq!(ledger.reserve_live(&provider, first, 8).await.unwrap(), Reservation::AlreadyReserved);
    assert_eq!(ledger.lease_replay(&provider, first, 50, 60).await.unwrap(), 35);
    assert_eq!(ledger.expectations(first, first + 1).await.unwrap(), [sample_expectation()]);
    assert_eq!(ledger.pending().await.unwrap(), [VersionedGap { gap: sample_gap(), version: 1 }]);
    assert_eq!(ledger.state(&provider, "candle").await.unwrap(), sample_state());
    assert_eq!(ledger.landed_through().await.unwrap(), Some(at("2026-11-20T14:31:00.000Z")));
    assert_eq!(ledger.last_run().await.unwrap(), Some(sample_run()));
}

#[tokio::test]
async fn an_item_of_a_newer_form_or_of_none_is_refused_by_name() {
    let folder = Folder::new();
    let database = folder.open();
    written(&database).await;
    let gap = sample_gap();
    let ledger = SqliteLedger::new(database.clone());
    let spoiled = async |to: &str| {
        database.connection().execute("UPDATE gaps SET item = ?1", [to]).unwrap();
        let error = ledger.gap(gap.on, &gap.symbol).await.unwrap_err();
        (error.kind, error.to_string())
    };
    let named = "read gap of `BRK.B` on 2026-11-20";
    let newer = format!("{named}: version 2 was written by a newer release than this one, use that one");
    assert_eq!(spoiled("{\"v\":2}").await, (Kind::Rejected, newer));
    for none in ["", "[]", "{\"v\":1}", "{\"v\":\"1\"}"] {
        assert_eq!(spoiled(none).await, (Kind::Corrupt, format!("{named}: not such an item")), "`{none}`");
    }
    assert_eq!(ledger.pending().await.unwrap_err().kind, Kind::Corrupt, "never a shorter list");
}
