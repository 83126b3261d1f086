//! kill -9 at random moments: nothing acknowledged is lost, no reader meets a broken file, the lake becomes whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::FutureExt;
use mendlake_adapters::disk::{DiskLake, StoredObject};
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::{Row, StoredRow};
use mendlake_domain::record;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::control;
use mendlake_ports::lake::Lake;
use mendlake_ports::sessions::Sessions;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::{Connection, OpenFlags};

use crate::harness::{Desk, KEY, Vendors, pause, until};

const SEED: u64 = 20_261_127;
const KILLS: usize = 20;

/// Two hours before the end of a half day; at this rate it is over in half a minute.
const EPOCH: &str = "2026-11-27T16:00:00Z";
const RATE: u32 = 240;
const DAY: &str = "2026-11-27";

#[test]
fn killed_at_twenty_random_moments_nothing_acknowledged_is_lost_and_the_lake_becomes_whole() {
    println!("seed {SEED}");
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY);
    let vendors = Vendors::start(&desk, EPOCH, RATE, &["--plan", "premium"]);
    let words = vendors.run(&["--symbols", "SPY,IBM,AAPL"]);
    let mut daemon = desk.start(&words, "run.log");
    until("a lake", 30, || desk.lake().join("ledger.sqlite").exists());
    let reader = Reader::start(desk.lake());
    let mut accepted = BTreeMap::new();
    for _ in 0..KILLS {
        pause(random.random_range(60..1_400));
        daemon.kill();
        // Nobody writes now: what is acknowledged must be durable as it lies.
        let stream = Stream::read(&desk.lake());
        stream.acknowledged_is_in_the_lake(&desk.lake());
        accepted.extend(stream.records);
        daemon = desk.start(&words, "run.log");
    }
    until("a whole session", 90, || desk.run(&["gaps", "--wait", DAY, "--timeout", "1"]).code == 0);
    assert_eq!(daemon.stop(), 0, "{}", desk.log("run.log"));
    println!("the reader looked {} times", reader.never_met_a_broken_file());
    let stream = Stream::read(&desk.lake());
    assert!(accepted.keys().all(|sequence| stream.records.contains_key(sequence)), "the stream forgot a record");
    assert_eq!(stream.checkpoint, stream.records.keys().max().copied().unwrap_or(0), "everything has landed");
    stream.acknowledged_is_in_the_lake(&desk.lake());
    assert!(accepted.len() >= 10, "the daemon did some work between its deaths: {} records", accepted.len());
    let verified = desk.run(&vendors.on_clock(&["verify"]));
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    let gaps = desk.run(&["gaps", "--json"]);
    assert_eq!(gaps.json()["open"], 0, "{}", gaps.out);
    let staged = std::fs::read_dir(desk.lake().join("staging")).map_or(0, Iterator::count);
    println!("{} records; {} files were left in staging by the last death", stream.records.len(), staged);
}

/// The stream as a dead daemon left it.
struct Stream {
    records: BTreeMap<i64, Vec<Row>>,
    checkpoint: i64,
}

impl Stream {
    fn read(lake: &Path) -> Self {
        // Opened for writing: a dead writer's log is taken over by whoever opens next.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let database = Connection::open_with_flags(lake.join("ledger.sqlite"), flags).expect("the database opens");
        let intact: String = database.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).expect("a check");
        assert_eq!(intact, "ok");
        let tables: i64 = database
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'records'", [], |row| row.get(0))
            .expect("the schema");
        if tables == 0 {
            // Killed before the first migration.
            return Self { records: BTreeMap::new(), checkpoint: 0 };
        }
        let checkpoint =
            database.query_row("SELECT max(checkpoint) FROM shards", [], |row| row.get::<_, Option<i64>>(0));
        let checkpoint = checkpoint.expect("a checkpoint").unwrap_or(0);
        let mut statement = database.prepare("SELECT sequence, data FROM records").expect("a statement");
        let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)));
        let records = rows.expect("records").map(|record| {
            let (sequence, data) = record.expect("a record");
            let decoded = record::decode(&data);
            assert!(decoded.rejected.is_empty(), "record {sequence}");
            (sequence, decoded.rows)
        });
        Self { records: records.collect(), checkpoint }
    }

    /// Every row of every record up to the checkpoint can be read from the lake.
    fn acknowledged_is_in_the_lake(&self, lake: &Path) {
        let landed = self.records.range(..=self.checkpoint);
        let rows: Vec<&Row> = landed.flat_map(|(_, rows)| rows).collect();
        if rows.is_empty() {
            return;
        }
        let held = rows_of(&DiskLake::open(lake).expect("a lake")).expect("rows");
        let held: BTreeSet<String> = held.iter().map(|stored| identity(&stored.row)).collect();
        for row in rows {
            assert!(held.contains(&identity(row)), "acknowledged and not in the lake: {row:?}");
        }
    }
}

fn identity(row: &Row) -> String {
    serde_json::to_string(row).expect("a row is JSON")
}

/// Every row of the day.
fn rows_of(lake: &DiskLake) -> mendlake_ports::Result<Vec<StoredRow>> {
    let symbols: BTreeSet<Symbol> = ["SPY", "IBM", "AAPL"].map(|s| s.parse().expect("a symbol")).into();
    let [from, to] = bounds();
    now(lake.rows(&symbols, from, to))
}

fn bounds() -> [Minute; 2] {
    let from: Minute = format!("{DAY}T00:00:00Z").parse().expect("a minute");
    [from, from + 24 * 60]
}

/// A lake on disk waits for nothing but the disk.
fn now<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().expect("the lake's calls are inline")
}

/// A reader that polls throughout, with one handle and with fresh ones.
struct Reader {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<usize, String>>,
}

impl Reader {
    fn start(lake: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        let thread = std::thread::spawn(move || poll(&lake, &asked));
        Self { stop, thread }
    }

    fn never_met_a_broken_file(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        let polls = self.thread.join().expect("the reader lives").expect("every file was whole");
        assert!(polls > 20, "it looked often: {polls}");
        polls
    }
}

fn poll(lake: &Path, stop: &AtomicBool) -> Result<usize, String> {
    let kept = DiskLake::open(lake).map_err(|error| error.chain())?;
    let polls = AtomicUsize::new(0);
    let (mut known, mut most): (BTreeSet<StoredObject>, usize) = (BTreeSet::new(), 0);
    while !stop.load(Ordering::SeqCst) {
        let fresh = DiskLake::open(lake).map_err(|error| error.chain())?;
        most = look(&fresh, &mut known, most).and_then(|most| look(&kept, &mut known, most))?;
        polls.fetch_add(1, Ordering::SeqCst);
        pause(50);
    }
    Ok(polls.into_inner())
}

/// Looks at everything there is; gives how many rows there were, which never falls.
fn look(lake: &DiskLake, known: &mut BTreeSet<StoredObject>, most: usize) -> Result<usize, String> {
    let told = |error: mendlake_ports::PortError| error.chain();
    let [from, to] = bounds();
    now(lake.coverage(from, to)).map_err(told)?;
    let rows = rows_of(lake).map_err(told)?.len();
    let day = DAY.parse().expect("a day");
    now(lake.current(day, day)).map_err(told)?;
    now(control::watchlist(lake)).map_err(told)?;
    for object in lake.objects().map_err(told)? {
        if known.insert(object.clone()) {
            lake.verify_object(&object).map_err(told)?;
        }
    }
    if rows < most {
        return Err(format!("there were {most} rows, now there are {rows}"));
    }
    Ok(rows)
}
