use std::fs;
use std::sync::Barrier;

use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_ports::budget::{Budget, Reservation};
use mendlake_ports::clock::Clock;
use mendlake_ports::gaps::{Gaps, Write};
use mendlake_ports::landing::Landing;
use mendlake_ports::queue::{Message, Queue, QueueConsumer};
use mendlake_ports::stream::{NewRecord, Stream, StreamConsumer};

use super::*;
use crate::settings::{QueueSettings, StreamSettings};
use crate::sqlite::crash::{Folder, bytes, clock};
use crate::sqlite::ledger::SqliteLedger;
use crate::sqlite::queue::SqliteQueue;
use crate::sqlite::stream::SqliteStream;

fn refused(opened: Result<Database>) -> (Kind, String) {
    let error = opened.expect_err("refused");
    (error.kind, error.chain())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// What the threads gave, each with a connection of its own, all begun at once.
fn race<T: Send>(folder: &Folder, threads: usize, work: impl Fn(Database) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(threads);
    let connections: Vec<_> = (0..threads).map(|_| folder.open()).collect();
    std::thread::scope(|scope| {
        let spawn = |connection| {
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(connection)
            })
        };
        let running: Vec<_> = connections.into_iter().map(spawn).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn a_commit_is_synced_to_a_write_ahead_log_unless_less_is_asked_for() {
    let folder = Folder::new();
    let asked = [
        (folder.open(), "2", "2 is FULL"),
        (Database::open_with(&folder.file(), Durability::ProcessEnd).unwrap(), "1", "1 is NORMAL"),
    ];
    for (database, synchronous, name) in asked {
        let connection = database.connection();
        let setting = |name| {
            let read =
                connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, rusqlite::types::Value>(0));
            match read.unwrap() {
                rusqlite::types::Value::Integer(n) => n.to_string(),
                rusqlite::types::Value::Text(text) => text,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(setting("synchronous"), synchronous, "{name}");
        assert_eq!(["journal_mode", "fullfsync", "foreign_keys"].map(setting), ["wal", "1", "1"]);
    }
}

#[tokio::test]
async fn what_need_not_survive_power_loss_survives_a_kill() {
    let folder = Folder::new();
    let open =
        |folder: &Folder| SqliteLedger::new(Database::open_with(&folder.file(), Durability::ProcessEnd).unwrap());
    let crash = |ledger| open(&folder.crashed_with(ledger));
    mendlake_ports::contracts::landing::marks_survive_power_loss(open(&folder), crash).await;
}

#[test]
fn a_newer_schema_is_refused_untouched_and_says_what_to_do() {
    let folder = Folder::new();
    drop(folder.open());
    let raw = Connection::open(folder.file()).unwrap();
    raw.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(raw);
    let before = bytes(&folder.file());
    for opened in [Database::open(&folder.file()), Database::open_read_only(&folder.file())] {
        let (kind, message) = refused(opened);
        assert_eq!(kind, Kind::Rejected);
        assert!(message.contains("schema version 99") && message.ends_with("use the newer release"), "{message}");
    }
    assert_eq!(bytes(&folder.file()), before);
}

#[test]
fn another_programs_database_is_refused_untouched() {
    for made_with in ["CREATE TABLE t (a)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"] {
        let folder = Folder::new();
        Connection::open(folder.file()).unwrap().execute_batch(made_with).unwrap();
        let before = bytes(&folder.file());
        let (kind, message) = refused(Database::open(&folder.file()));
        assert!(kind == Kind::Rejected && message.ends_with("it is another program's database"), "{message}");
        assert_eq!(bytes(&folder.file()), before);
    }
}

#[test]
fn what_is_no_database_is_corrupt() {
    let folder = Folder::new();
    fs::write(folder.file(), "this is a text, and no database at all".repeat(100)).unwrap();
    assert_eq!(refused(Database::open(&folder.file())).0, Kind::Corrupt);
    assert_eq!(refused(Database::open_read_only(&folder.file())).0, Kind::Corrupt);
}

#[tokio::test]
async fn a_damaged_page_is_corrupt_and_never_a_smaller_answer() {
    let folder = Folder::new();
    let queue = |database| SqliteQueue::new(database, clock(), "live", QueueSettings::new(1_000, 3));
    let message = Message { body: "x".repeat(2_000), visible_at: clock().now() };
    queue(folder.open()).send(&vec![message; 200]).await.unwrap();
    let mut damaged = bytes(&folder.file());
    damaged[4096 * 20..].iter_mut().for_each(|byte| *byte = 0x5a);
    fs::write(folder.file(), damaged).unwrap();
    let error = queue(folder.open()).receive(200).await.unwrap_err();
    assert_eq!(error.kind, Kind::Corrupt, "{}", error.chain());
}

#[test]
fn an_older_schema_is_brought_up_to_date_step_by_step_and_keeps_its_data() {
    let mut connection = Connection::open_in_memory().unwrap();
    let steps = [
        "CREATE TABLE t (a); INSERT INTO t VALUES (1)",
        "ALTER TABLE t ADD COLUMN b DEFAULT 7",
        "UPDATE t SET b = b + a",
    ];
    migrate(&mut connection, &steps[..1], "open").unwrap();
    migrate(&mut connection, &steps, "open").unwrap();
    migrate(&mut connection, &steps, "open").unwrap();
    let row = connection.query_row("SELECT a, b FROM t", [], |row| Ok((row.get(0)?, row.get(1)?)));
    assert_eq!(row.unwrap(), (1, 8), "the last step ran once");
    assert_eq!(check_version(&connection, 3, "open").unwrap(), 3);
}

#[test]
fn a_migration_that_fails_leaves_the_older_schema() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection, &["CREATE TABLE t (a)"], "open").unwrap();
    let failing = ["CREATE TABLE t (a)", "CREATE TABLE u (a)", "not SQL"];
    assert!(migrate(&mut connection, &failing, "open").is_err());
    assert_eq!(check_version(&connection, 3, "open").unwrap(), 1);
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
}

#[test]
fn a_new_database_opened_by_several_at_once_is_made_once() {
    for _round in 0..20 {
        let folder = Folder::new();
        for opened in race_to_open(&folder) {
            opened.expect("open");
        }
    }
}

fn race_to_open(folder: &Folder) -> Vec<Result<Database>> {
    let (start, file) = (Barrier::new(4), folder.file());
    std::thread::scope(|scope| {
        let open = || {
            start.wait();
            Database::open(&file)
        };
        let running: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[tokio::test]
async fn a_reader_reads_what_is_committed_while_a_writer_writes() {
    let folder = Folder::new();
    let writer = folder.open();
    let mark = |ms| Timestamp::from_epoch_ms(ms);
    SqliteLedger::new(writer.clone()).note_landed("0", mark(1)).await.unwrap();
    let reader = SqliteLedger::new(Database::open_read_only(&folder.file()).unwrap());
    writer
        .write("hold a transaction", |tx| {
            tx.execute("UPDATE landed SET through = 2", [])?;
            assert_eq!(block_on_in_place(reader.landed_through()).unwrap(), Some(mark(1)));
            Ok(())
        })
        .unwrap();
    assert_eq!(reader.landed_through().await.unwrap(), Some(mark(2)));
    assert_eq!(reader.note_landed("0", mark(3)).await.unwrap_err().kind, Kind::Denied);
    drop(writer);
    assert_eq!(reader.landed_through().await.unwrap(), Some(mark(2)));
    drop(reader);
    let alone = SqliteLedger::new(Database::open_read_only(&folder.file()).unwrap());
    assert_eq!(alone.landed_through().await.unwrap(), Some(mark(2)), "without a writer too");
}

/// Runs a future that is ready at once, within another.
fn block_on_in_place<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(done) => done,
        std::task::Poll::Pending => panic!("nothing here waits"),
    }
}

#[test]
fn a_reader_is_told_that_there_is_no_database_or_an_older_one() {
    let folder = Folder::new();
    let (kind, message) = refused(Database::open_read_only(&folder.file()));
    assert!(kind == Kind::Rejected && message.ends_with("there is none"), "{message}");
    assert!(!folder.file().exists());
    fs::write(folder.file(), b"").unwrap();
    let (kind, message) = refused(Database::open_read_only(&folder.file()));
    assert!(kind == Kind::Rejected && message.contains("schema version 0 is not 1 yet"), "{message}");
}

#[tokio::test]
async fn a_database_that_another_holds_is_unavailable() {
    let folder = Folder::new();
    let (holder, other) = (folder.open(), folder.open());
    other.connection().busy_timeout(Duration::from_millis(5)).unwrap();
    let other = SqliteLedger::new(other);
    holder
        .write("hold the database", |_| {
            let noted = block_on_in_place(other.note_landed("0", Timestamp::default()));
            assert_eq!(noted.unwrap_err().kind, Kind::Unavailable);
            Ok(())
        })
        .unwrap();
    other.note_landed("0", Timestamp::default()).await.unwrap();
}

#[test]
fn a_panic_in_a_transaction_rolls_back_and_the_database_goes_on() {
    let folder = Folder::new();
    let database = folder.open();
    let panicking = database.clone();
    let thread = std::thread::spawn(move || {
        panicking.write::<()>("panic", |tx| {
            tx.execute("INSERT INTO landed VALUES ('0', 1)", [])?;
            panic!("announced")
        })
    });
    assert!(thread.join().is_err());
    assert_eq!(block_on(SqliteLedger::new(database).landed_through()).unwrap(), None);
}

#[test]
fn of_racing_connections_one_reserves_and_leases_never_exceed_the_share() {
    let folder = Folder::new();
    let given = race(&folder, 3, |database| {
        let (ledger, provider) = (SqliteLedger::new(database), "finnhub".parse().unwrap());
        block_on(async {
            let mut given = (0, 0);
            for minute in (0..30).map(Minute::from_index) {
                let reserved = ledger.reserve_live(&provider, minute, 5).await.unwrap();
                given.0 += u32::from(reserved == Reservation::Reserved);
                given.1 += ledger.lease_replay(&provider, minute, 6, 10).await.unwrap();
            }
            given
        })
    });
    let sum = |f: fn(&(u32, u32)) -> u32| given.iter().map(f).sum::<u32>();
    assert_eq!((sum(|g| g.0), sum(|g| g.1)), (30, 300));
}

#[test]
fn of_racing_connections_no_gap_write_is_lost() {
    let folder = Folder::new();
    let gap =
        mendlake_domain::gap::Gap::new("2026-11-20".parse().unwrap(), "AAPL".parse().unwrap(), Timestamp::default());
    block_on(SqliteLedger::new(folder.open()).write(&gap, 0)).unwrap();
    let conflicts = race(&folder, 3, |database| block_on(count_up(&SqliteLedger::new(database), &gap, 20)));
    let stored = block_on(SqliteLedger::new(folder.open()).gap(gap.on, &gap.symbol)).unwrap().unwrap();
    assert_eq!((stored.gap.attempts, stored.version), (60, 61), "conflicts: {conflicts:?}");
}

/// Counts the item up `times` times, each by reading and writing it; gives how often another was first.
async fn count_up(gaps: &impl Gaps, gap: &mendlake_domain::gap::Gap, times: u32) -> u32 {
    let (mut written, mut conflicts) = (0, 0);
    while written < times {
        let mut read = gaps.gap(gap.on, &gap.symbol).await.unwrap().unwrap();
        read.gap.attempts += 1;
        match gaps.write(&read.gap, read.version).await.unwrap() {
            Write::Stored(_) => written += 1,
            Write::Conflict => conflicts += 1,
        }
    }
    conflicts
}

#[test]
fn of_racing_connections_each_message_goes_to_one_and_each_record_has_its_own_sequence() {
    let folder = Folder::new();
    let clock = clock();
    let queue = |database| SqliteQueue::new(database, clock.clone(), "live", QueueSettings::new(60_000, 2));
    let stream =
        |database| SqliteStream::open(database, clock.clone(), "5eed", StreamSettings::new(1, 60_000)).unwrap();
    let messages: Vec<_> = (0..90).map(|n| Message { body: n.to_string(), visible_at: clock.now() }).collect();
    block_on(queue(folder.open()).send(&messages)).unwrap();
    race(&folder, 3, |database| {
        let (queue, stream) = (queue(database.clone()), stream(database));
        block_on(async {
            loop {
                let delivered = queue.receive(4).await.unwrap();
                if delivered.is_empty() {
                    break;
                }
                let record = |body: &String| NewRecord { partition_key: "a".into(), data: body.clone().into_bytes() };
                let records: Vec<_> = delivered.iter().map(|d| record(&d.body)).collect();
                stream.append(&records).await.unwrap();
                for delivery in delivered {
                    assert!(queue.acknowledge(&delivery.receipt).await.unwrap());
                }
            }
        });
    });
    let read = block_on(stream(folder.open()).read("0", 1_000)).unwrap().records;
    let sequences: Vec<u32> = read.iter().map(|r| r.sequence.parse().unwrap()).collect();
    assert_eq!(sequences, (1..=90).collect::<Vec<_>>());
    let mut bodies: Vec<u32> = read.iter().map(|r| String::from_utf8_lossy(&r.data).parse().unwrap()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, (0..90).collect::<Vec<_>>());
}
