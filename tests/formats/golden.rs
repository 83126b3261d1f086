//! Golden samples: a whole lake of each version, written once and read for ever.
//!
//! `golden/lake-v1` has an object of each table, entries of each control log, rejected input and a parked batch. A change
//! that no longer reads it, or names or writes the same things otherwise, fails here: it is a new version, with a golden
//! lake of its own beside this one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mendlake_adapters::disk::DiskLake;
use mendlake_domain::gap::{Evidence, Unrecoverable, Verdict};
use mendlake_domain::minute::Timestamp;
use mendlake_domain::overlay::{Change, Entry};
use mendlake_domain::quote::{Basis, Day, Row, StoredRow};
use mendlake_domain::status::SessionStatus;
use mendlake_domain::watchlist::{Edit, Version};
use mendlake_ports::control::{self, Log};
use mendlake_ports::lake::{Lake, NewObject};
use mendlake_ports::sessions::Sessions;
use mendlake_ports::set_aside::{Rejected, SetAside};
use mendlake_ports::stream::{Batch, StreamRecord};

use super::sample::{minute, price};

/// The golden lake of version 1.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("formats/golden/lake-v1")
}

#[tokio::test]
async fn the_golden_lake_stays_readable() {
    let lake = DiskLake::open(golden()).expect("a lake");
    assert_eq!(lake.created_at(), at("2026-11-20T14:00:00Z"));
    let (from, to) = (minute("2026-11-20T00:00:00Z"), minute("2026-11-21T00:00:00Z"));
    let coverage = lake.coverage(from, to).await.expect("coverage");
    let symbols: BTreeSet<_> = coverage.0.keys().cloned().collect();
    assert_eq!(lake.rows(&symbols, from, to).await.expect("rows"), rows());
    assert_eq!(coverage, mendlake_domain::coverage::Coverage::of(rows().iter().map(|stored| &stored.row)));
    for object in lake.objects().expect("objects") {
        assert_eq!(lake.verify_object(&object).expect("whole").rows, rows().len() as u64);
    }
    let on = from.date();
    assert_eq!(lake.current(on, on).await.expect("statuses"), statuses());
    assert_eq!(control::read::<Version>(&lake, Log::Watchlist).await.expect("versions"), versions());
    assert_eq!(control::read::<Entry>(&lake, Log::Overlay).await.expect("entries"), entries());
    assert_eq!(control::verdicts(&lake).await.expect("verdicts"), [verdict()]);
    assert_eq!(lake.quarantined().await.expect("quarantined"), rejected());
    let names = lake.parked().await.expect("parked");
    assert_eq!(names.len(), 1);
    assert_eq!(lake.parked_batch(&names[0]).await.expect("read"), Some(batch()));
}

/// Names and JSON come out as they were, byte for byte. Parquet comes out with the same rows: its bytes may change with
/// the library that writes them, which is why names carry a digest of rows and not of bytes. What is written is left in
/// `target/tmp/golden/lake`: of a new version it is the golden lake.
#[tokio::test]
async fn what_was_written_then_is_written_now() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden");
    // What the run before left there.
    let _ = std::fs::remove_dir_all(&folder);
    let now = write(folder.join("lake")).await;
    let (then, now) = (files(&golden()), files(now.root()));
    assert_eq!(then.keys().collect::<Vec<_>>(), now.keys().collect::<Vec<_>>());
    for (name, bytes) in &now {
        if !name.ends_with(".parquet") {
            assert_eq!(String::from_utf8_lossy(bytes), String::from_utf8_lossy(&then[name]), "{name}");
        }
    }
    let lake = DiskLake::open(folder.join("lake")).expect("a lake");
    for object in lake.objects().expect("objects") {
        let then = DiskLake::open(golden()).expect("a lake").verify_object(&object).expect("whole");
        assert_eq!(lake.verify_object(&object).expect("whole"), then);
    }
    let on = minute("2026-11-20T00:00:00Z").date();
    assert_eq!(lake.current(on, on).await.expect("statuses"), statuses());
}

/// Writes the golden lake.
async fn write(root: PathBuf) -> DiskLake {
    let lake = DiskLake::create(root, at("2026-11-20T14:00:00Z")).expect("a lake");
    let [stream_id, shard, first_sequence] = ["4f2c9a", "shardId-000000000000", "4965"].map(str::to_owned);
    let object = NewObject { dt: rows()[0].row.minute.date(), stream_id, shard, first_sequence, rows: rows() };
    lake.publish(&object).await.expect("published");
    Sessions::append(&lake, &statuses()).await.expect("appended");
    for version in versions() {
        control::append(&lake, Log::Watchlist, &version).await.expect("appended");
    }
    for entry in entries() {
        control::append(&lake, Log::Overlay, &entry).await.expect("appended");
    }
    control::append(&lake, Log::Verdicts, &verdict()).await.expect("appended");
    for rejected in rejected() {
        lake.quarantine(&rejected).await.expect("quarantined");
    }
    lake.park(&batch(), "publish an object: no space is left").await.expect("parked");
    lake
}

/// Every file of a lake, by its path in it.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).expect("inside").to_string_lossy().into_owned();
                files.insert(name, std::fs::read(path).expect("a file"));
            }
        }
    }
    files
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// Every basis, a suspect, two corrections, nulls: sorted as they are stored.
fn rows() -> Vec<StoredRow> {
    let live = |symbol: &str, of: &str, traded_ms: i64| {
        let minute = minute(of);
        let day = Day {
            open: Some(price(306.12)),
            high: Some(price(309.5)),
            low: Some(price(305.005)),
            prev_close: Some(price(304.25)),
        };
        let row = Row {
            symbol: symbol.parse().expect("symbol"),
            minute,
            price: price(308.82),
            basis: Basis::Quote,
            source: "finnhub".parse().expect("source"),
            traded_at: Some(minute.start().plus_ms(traded_ms)),
            day,
            observed_at: minute.start().plus_ms(1_600),
            revision: 0,
        };
        StoredRow { row, stored_at: minute.start().plus_ms(1_750) }
    };
    let healed = |symbol: &str, of: &str, basis, revision| {
        let live = live(symbol, of, 0);
        let traded_at = (basis == Basis::Close).then(|| live.row.minute.start());
        let source = "alpaca:sip".parse().expect("source");
        let observed_at = at("2026-11-20T15:10:00.250Z");
        let row = Row { basis, revision, traded_at, source, day: Day::default(), observed_at, ..live.row };
        StoredRow { row, stored_at: observed_at.plus_ms(333) }
    };
    vec![
        live("AAPL", "2026-11-20T14:31:00Z", -812),
        healed("AAPL", "2026-11-20T14:32:00Z", Basis::Close, 0),
        healed("AAPL", "2026-11-20T15:00:00Z", Basis::Close, 1_795_187_400),
        healed("AAPL", "2026-11-20T15:00:00Z", Basis::Close, 1_795_187_000),
        live("AAPL", "2026-11-20T15:00:00Z", -200_000),
        healed("BRK.B", "2026-11-20T14:30:00Z", Basis::Open, 0),
        healed("^GSPC", "2026-11-20T14:31:00Z", Basis::PreviousClose, 0),
    ]
}

fn statuses() -> Vec<SessionStatus> {
    let open = minute("2026-11-20T14:30:00Z");
    let whole = SessionStatus {
        on: open.date(),
        symbol: "AAPL".parse().expect("symbol"),
        open,
        close: open + 390,
        expected: 390,
        present: BTreeMap::from([(Basis::Quote, 361), (Basis::Close, 28), (Basis::Open, 1)]),
        longest_quiet_run: Some(1),
        gaps: 0,
        unrecoverable: BTreeMap::new(),
        oldest_price_age_s: Some(61),
        outside: 2,
        is_final: true,
        as_of: at("2026-11-20T22:05:00.125Z"),
    };
    let lost = SessionStatus {
        symbol: "BRK.B".parse().expect("symbol"),
        present: BTreeMap::from([(Basis::PreviousClose, 5)]),
        longest_quiet_run: None,
        gaps: 1,
        unrecoverable: BTreeMap::from([
            (Unrecoverable::NoData, 100),
            (Unrecoverable::PriceBreak, 200),
            (Unrecoverable::UnknownSymbol, 84),
        ]),
        oldest_price_age_s: None,
        outside: 0,
        is_final: false,
        ..whole.clone()
    };
    vec![whole, lost]
}

fn versions() -> Vec<Version> {
    let symbols = |names: &[&str]| names.iter().map(|name| name.parse().expect("symbol")).collect();
    let version = |edit| Version {
        v: 1,
        edit,
        who: "ann".into(),
        why: "the first list".into(),
        made_at: at("2026-11-20T14:00:00Z"),
    };
    let from = minute("2026-11-20T14:30:00Z");
    vec![
        version(Edit::Change { from, add: symbols(&["AAPL", "BRK.B"]), remove: symbols(&["^GSPC"]) }),
        version(Edit::Backfill { from: from + -1440, to: from + -1050, symbols: symbols(&["AAPL"]) }),
    ]
}

fn entries() -> Vec<Entry> {
    let close = minute("2026-11-27T18:00:00Z");
    let entry = |change| Entry {
        v: 1,
        on: close.date(),
        change,
        source: "finnhub".into(),
        who: "reconcile".into(),
        why: "Thanksgiving".into(),
        learned_at: at("2026-11-20T14:05:00Z"),
    };
    vec![entry(Change::Closed), entry(Change::Withdrawn), entry(Change::ClosesAt { close })]
}

fn verdict() -> Verdict {
    let open = minute("2026-11-20T14:30:00Z");
    let evidence = Evidence {
        source: "alpaca:sip".parse().expect("source"),
        read_at: at("2026-11-20T23:00:00Z"),
        complete_to: open + 390,
        candles: [open, open + 59].into_iter().collect(),
    };
    Verdict {
        v: 1,
        on: open.date(),
        symbol: "BRK.B".parse().expect("symbol"),
        minutes: open.until(open + 100).collect(),
        reason: Unrecoverable::NoData,
        who: "reconcile".into(),
        decided_at: at("2026-11-21T00:05:00Z"),
        evidence: vec![evidence],
    }
}

fn rejected() -> Vec<Rejected> {
    let rejected = |at_text: &str, input: &[u8]| Rejected {
        at: at(at_text),
        origin: "stream".into(),
        id: "shardId-000000000000/4967".into(),
        reason: "line 1: record version 2 is not 1, the one this release reads".into(),
        input: input.to_vec(),
    };
    vec![rejected("2026-11-20T14:33:00Z", b"{\"v\":2}\n"), rejected("2026-11-20T14:34:00Z", b"\xff\x00")]
}

fn batch() -> Batch {
    let record = |sequence: &str, data: &[u8]| StreamRecord {
        sequence: sequence.into(),
        arrived_at: at("2026-11-20T14:35:01.500Z"),
        partition_key: "AAPL".into(),
        data: data.to_vec(),
    };
    Batch {
        stream_id: "4f2c9a".into(),
        shard: "shardId-000000000000".into(),
        records: vec![record("4968", b"{\"v\":1}\n"), record("4969", b"\xff")],
    }
}
