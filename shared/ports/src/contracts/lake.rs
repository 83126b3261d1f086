//! The contract of the table `quotes`.
//!
//! Each check has dates of its own in 2031, so that they share one lake, which must not have seen the suite before.
//! `again` is a second handle to the same lake, opened by another reader where the adapter has such a thing.
//!
//! Two sentences need more than a port: that a published object survives power loss is tested with each adapter's own
//! crashes; that an unreadable one is named, by [`an_unreadable_object_is_named`], which is given something to break.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use mendlake_domain::coverage::Coverage;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::{Basis, Day, Price, Row, StoredRow};
use mendlake_domain::symbol::Symbol;

use crate::error::Kind;
use crate::lake::{Lake, NewObject, Published};

/// Every check that a lake alone can answer.
pub async fn all(lake: &impl Lake, again: &impl Lake) {
    publishing_twice_leaves_one_object(lake, again).await;
    other_rows_or_another_batch_are_another_object(lake, again).await;
    of_two_who_publish_at_once_one_is_new(lake, again).await;
    objects_never_change(lake, again).await;
    what_was_published_is_in_every_answer(lake, again).await;
    coverage_and_rows_agree(lake, again).await;
    a_range_is_half_open_and_may_be_empty(lake, again).await;
    rows_of_another_date_or_none_are_rejected(lake, again).await;
    rows_are_those_of_the_symbols_named(lake, again).await;
    the_first_row_of_a_symbol_minute_is_current(lake, again).await;
    every_field_comes_back(lake, again).await;
}

/// Publishing twice leaves one object, whatever order its rows came in.
pub async fn publishing_twice_leaves_one_object(lake: &impl Lake, again: &impl Lake) {
    let day = OwnDay::new(1);
    let rows = vec![day.live("B", 3), day.live("A", 4), day.live("A", 3)];
    let object = day.object("1", rows.clone());
    let reversed = day.object("1", rows.into_iter().rev().collect());
    assert_eq!(lake.publish(&object).await.expect("publish"), Published::New);
    assert_eq!(lake.publish(&object).await.expect("publish"), Published::Existed);
    assert_eq!(again.publish(&reversed).await.expect("publish"), Published::Existed);
    assert_eq!(day.all_rows(lake).await.len(), 3, "one object");
}

/// The same rows from the same batch have the same name, other rows another, and so have other batches.
pub async fn other_rows_or_another_batch_are_another_object(lake: &impl Lake, again: &impl Lake) {
    let day = OwnDay::new(2);
    let row = day.live("A", 3);
    let object = day.object("1", vec![row.clone()]);
    let mut dearer = row.clone();
    dearer.row.price = price(999.0);
    let others = [
        day.object("1", vec![dearer]),
        day.object("1", vec![row.clone(), row]),
        NewObject { first_sequence: "2".into(), ..object.clone() },
        NewObject { shard: "shardId-000000000001".into(), ..object.clone() },
        NewObject { stream_id: "another".into(), ..object.clone() },
    ];
    assert_eq!(lake.publish(&object).await.expect("publish"), Published::New);
    for other in &others {
        assert_eq!(again.publish(other).await.expect("publish"), Published::New, "{other:?}");
    }
    assert_eq!(day.all_rows(lake).await.len(), 7, "duplicates are kept: the order of rows decides");
}

/// Of two who publish the same at once, one is told that it is new.
pub async fn of_two_who_publish_at_once_one_is_new(lake: &impl Lake, again: &impl Lake) {
    let day = OwnDay::new(3);
    let object = day.object("1", vec![day.live("A", 3)]);
    let (one, other) = futures_util::future::join(lake.publish(&object), again.publish(&object)).await;
    let mut outcomes = [one.expect("publish"), other.expect("publish")];
    outcomes.sort_by_key(|outcome| *outcome == Published::Existed);
    assert_eq!(outcomes, [Published::New, Published::Existed]);
    assert_eq!(day.all_rows(lake).await.len(), 1);
}

/// Objects never change: what is published later stands beside them.
pub async fn objects_never_change(lake: &impl Lake, again: &impl Lake) {
    let day = OwnDay::new(4);
    let first = day.live("A", 3);
    let mut second = first.clone();
    second.row.price = price(7.0);
    lake.publish(&day.object("1", vec![first.clone()])).await.expect("publish");
    again.publish(&day.object("1", vec![second.clone()])).await.expect("publish");
    let rows = day.all_rows(lake).await;
    assert!(rows.contains(&first) && rows.contains(&second), "{rows:?}");
}

/// What was published before the call is in the answer, whoever published it and however often was asked before.
pub async fn what_was_published_is_in_every_answer(lake: &impl Lake, again: &impl Lake) {
    let day = OwnDay::new(5);
    for minute in 0..4 {
        let row = day.live("A", minute);
        let publisher_is_first = minute % 2 == 0;
        let object = day.object(&minute.to_string(), vec![row.clone()]);
        let published = if publisher_is_first { lake.publish(&object).await } else { again.publish(&object).await };
        assert_eq!(published.expect("publish"), Published::New);
        for coverage in [day.coverage(lake).await, day.coverage(again).await] {
            assert!(coverage.present(&row.row.symbol).contains(row.row.minute), "minute {minute}");
            assert_eq!(coverage.present(&row.row.symbol).len() as i64, minute + 1);
        }
        for rows in [day.all_rows(lake).await, day.all_rows(again).await] {
            assert!(rows.contains(&row), "minute {minute}");
        }
    }
}

/// Coverage, which comes from footers, and rows, which come from columns, agree: every basis, suspects and revisions,
/// over hours, dates and several objects.
pub async fn coverage_and_rows_agree(lake: &impl Lake, again: &impl Lake) {
    let (day, next) = (OwnDay::new(6), OwnDay::new(7));
    for (number, (on, rows)) in [
        (&day, vec![day.live("A", 0), day.suspect("A", 59), day.live("B", 60), day.healed("A", 1439, Basis::Close, 0)]),
        (&day, vec![day.healed("A", 59, Basis::Close, 9), day.healed("A", 0, Basis::Open, 0), day.live("A", 61)]),
        (&next, vec![next.live("A", 0), next.healed("B", 0, Basis::PreviousClose, 0), next.suspect("B", 1439)]),
    ]
    .into_iter()
    .enumerate()
    {
        lake.publish(&on.object(&number.to_string(), rows)).await.expect("publish");
    }
    for (from, to) in [(0, 2880), (0, 60), (59, 60), (59, 61), (1439, 1441), (60, 60), (100, 1439), (1440, 2880)] {
        let (from, to) = (day.start + from, day.start + to);
        let rows = lake.rows(&symbols(&["A", "B"]), from, to).await.expect("rows");
        for coverage in [lake.coverage(from, to).await, again.coverage(from, to).await] {
            assert_eq!(
                coverage.expect("coverage"),
                Coverage::of(rows.iter().map(|stored| &stored.row)),
                "{from}..{to}"
            );
        }
    }
    let suspect = day.coverage(lake).await.get(&symbol("A")).map(|held| (held.suspect.len(), held.revised.len()));
    assert_eq!(suspect, Some((1, 1)));
}

/// A range holds its first minute and not its last; a range that ends where it starts, or before, holds nothing.
pub async fn a_range_is_half_open_and_may_be_empty(lake: &impl Lake, again: &impl Lake) {
    let day = OwnDay::new(8);
    lake.publish(&day.object("1", (10..13).map(|minute| day.live("A", minute)).collect())).await.expect("publish");
    for (from, to, expected) in [(10, 12, 2), (11, 13, 2), (13, 20, 0), (11, 11, 0), (12, 10, 0)] {
        let (from, to) = (day.start + from, day.start + to);
        assert_eq!(again.rows(&symbols(&["A"]), from, to).await.expect("rows").len(), expected);
        assert_eq!(again.coverage(from, to).await.expect("coverage").present(&symbol("A")).len(), expected);
    }
}

/// Rows of another date than `dt`, or no rows, are `Rejected`, and nothing of the object is in any answer.
pub async fn rows_of_another_date_or_none_are_rejected(lake: &impl Lake, again: &impl Lake) {
    let day = OwnDay::new(9);
    for rows in [vec![], vec![day.live("A", 3), day.live("A", 1440)], vec![day.live("A", -1)]] {
        let error = lake.publish(&day.object("1", rows)).await.expect_err("rejected");
        assert_eq!(error.kind, Kind::Rejected, "{}", error.chain());
    }
    assert_eq!(again.coverage(day.start + -1, day.start + 1441).await.expect("coverage"), Coverage::default());
    assert_eq!(day.all_rows(again).await, []);
}

/// Rows are those of the symbols named, coverage is that of every symbol; a symbol may be the beginning of another.
pub async fn rows_are_those_of_the_symbols_named(lake: &impl Lake, again: &impl Lake) {
    let day = OwnDay::new(10);
    let rows = ["A", "AA", "B", "^X", "BRK.B"].map(|symbol| day.live(symbol, 3)).to_vec();
    lake.publish(&day.object("1", rows)).await.expect("publish");
    let (from, to) = (day.start, day.start + 1440);
    for named in [&["A"][..], &["AA", "^X"], &["C"], &[], &["BRK.B", "C"]] {
        let rows = again.rows(&symbols(named), from, to).await.expect("rows");
        let found: BTreeSet<_> = rows.into_iter().map(|stored| stored.row.symbol).collect();
        let expected: BTreeSet<_> = symbols(named).into_iter().filter(|symbol| symbol.as_str() != "C").collect();
        assert_eq!(found, expected);
    }
    assert_eq!(day.coverage(again).await.0.len(), 5);
}

/// Rows come sorted by symbol, minute and the order of rows: the first of each symbol-minute is its current row.
pub async fn the_first_row_of_a_symbol_minute_is_current(lake: &impl Lake, again: &impl Lake) {
    let day = OwnDay::new(11);
    let mut later = day.live("A", 3);
    later.row.observed_at = later.row.observed_at.plus_ms(1);
    let rows = [
        day.healed("A", 3, Basis::Open, 0),
        day.healed("A", 3, Basis::Close, 5),
        later,
        day.live("A", 3),
        day.healed("A", 3, Basis::Close, 0),
        day.live("A", 2),
        day.healed("B", 3, Basis::PreviousClose, 0),
        day.live("B", 2),
        day.healed("A", 3, Basis::Close, 4),
    ];
    for (number, chunk) in rows.chunks(2).enumerate() {
        lake.publish(&day.object(&number.to_string(), chunk.to_vec())).await.expect("publish");
    }
    let stored = day.all_rows(again).await;
    let identity = |stored: &StoredRow| (stored.row.symbol.clone(), stored.row.minute);
    assert_eq!(stored.len(), rows.len());
    assert!(
        stored
            .windows(2)
            .all(|pair| { identity(&pair[0]).cmp(&identity(&pair[1])).then_with(|| pair[0].order(&pair[1])).is_le() })
    );
    let mut first = stored.clone();
    first.dedup_by(|later, first| identity(later) == identity(first));
    assert_eq!(first, StoredRow::current(rows.to_vec()));
    assert_eq!(first.iter().find(|row| row.row.minute == day.start + 3).map(|row| row.row.revision), Some(5));
}

/// Every field of a row comes back as it was, nulls and the last bit of a price included.
pub async fn every_field_comes_back(lake: &impl Lake, again: &impl Lake) {
    let day = OwnDay::new(12);
    let mut exact = day.live("OANDA:EUR_USD", 3);
    exact.row.price = price(0.1 + 0.2);
    exact.row.day.low = Price::new(f64::MIN_POSITIVE);
    exact.row.day.high = Price::new(f64::MAX);
    let mut partial = day.live("^GSPC", 3);
    partial.row.day.prev_close = None;
    partial.row.source = "alpaca:sip".parse().expect("source");
    let rows = vec![exact, partial, day.healed("A", 3, Basis::PreviousClose, i64::MAX)];
    lake.publish(&day.object("1", rows.clone())).await.expect("publish");
    let stored = day.all_rows(again).await;
    assert!(stored.len() == 3 && rows.iter().all(|row| stored.contains(row)), "{stored:?}");
}

/// An object that cannot be read is `Corrupt` and names itself, in coverage and in rows.
///
/// `damage` breaks the one object of a date where it is stored, and gives its name; `fresh` is a handle that has not
/// read it yet.
pub async fn an_unreadable_object_is_named<L: Lake>(
    lake: &impl Lake,
    fresh: impl FnOnce() -> L,
    damage: impl FnOnce(NaiveDate) -> String,
) {
    let (day, next) = (OwnDay::new(20), OwnDay::new(21));
    lake.publish(&day.object("1", vec![day.live("A", 3)])).await.expect("publish");
    lake.publish(&next.object("1", vec![next.live("A", 3)])).await.expect("publish");
    let name = damage(day.start.date());
    let fresh = fresh();
    let (from, to) = (day.start, day.start + 1440);
    let errors = [
        fresh.coverage(from, to).await.map(drop).expect_err("coverage"),
        fresh.rows(&symbols(&["A"]), from, to).await.map(drop).expect_err("rows"),
    ];
    for error in errors {
        assert_eq!(error.kind, Kind::Corrupt, "{}", error.chain());
        assert!(error.chain().contains(&name), "names `{name}`: {}", error.chain());
    }
    assert_eq!(next.all_rows(&fresh).await.len(), 1, "other dates are answered");
}

/// A date of its own for a check, and rows of it.
struct OwnDay {
    start: Minute,
}

impl OwnDay {
    fn new(of_month: u32) -> Self {
        let start = format!("2031-01-{of_month:02}T00:00:00Z").parse().expect("a minute");
        Self { start }
    }

    fn live(&self, symbol: &str, minute: i64) -> StoredRow {
        let minute = self.start + minute;
        let row = Row {
            symbol: symbol.parse().expect("symbol"),
            minute,
            price: price(100.25),
            basis: Basis::Quote,
            source: "finnhub".parse().expect("source"),
            traded_at: Some(minute.start().plus_ms(-700)),
            day: Day { open: Price::new(99.0), high: Price::new(101.0), low: None, prev_close: Price::new(98.5) },
            observed_at: minute.start().plus_ms(1600),
            revision: 0,
        };
        StoredRow { row, stored_at: minute.start().plus_ms(1700) }
    }

    fn suspect(&self, symbol: &str, minute: i64) -> StoredRow {
        let mut stored = self.live(symbol, minute);
        stored.row.traded_at = Some(stored.row.minute.start().plus_s(-181));
        assert!(stored.row.is_suspect());
        stored
    }

    fn healed(&self, symbol: &str, minute: i64, basis: Basis, revision: i64) -> StoredRow {
        let live = self.live(symbol, minute);
        let traded_at: Option<Timestamp> = (basis == Basis::Close).then(|| live.row.minute.start());
        let observed_at = live.row.minute.start().plus_s(900);
        let row = Row { basis, revision, traded_at, day: Day::default(), observed_at, ..live.row };
        StoredRow { row, stored_at: observed_at.plus_ms(90) }
    }

    fn object(&self, first_sequence: &str, rows: Vec<StoredRow>) -> NewObject {
        let [stream_id, shard, first_sequence] = ["contract", "0", first_sequence].map(str::to_owned);
        NewObject { dt: self.start.date(), stream_id, shard, first_sequence, rows }
    }

    async fn coverage(&self, lake: &impl Lake) -> Coverage {
        lake.coverage(self.start, self.start + 1440).await.expect("coverage")
    }

    async fn all_rows(&self, lake: &impl Lake) -> Vec<StoredRow> {
        let every = self.coverage(lake).await.0.into_keys().collect();
        lake.rows(&every, self.start, self.start + 1440).await.expect("rows")
    }
}

fn price(price: f64) -> Price {
    Price::new(price).expect("a price")
}

fn symbol(text: &str) -> Symbol {
    text.parse().expect("symbol")
}

fn symbols(texts: &[&str]) -> BTreeSet<Symbol> {
    texts.iter().map(|text| symbol(text)).collect()
}
