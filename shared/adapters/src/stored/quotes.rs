//! The table `quotes`, whatever holds it: an object's rows in their order, and what a coverage shows of a range.

use mendlake_domain::coverage::{Coverage, Held, MinuteSet};
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::StoredRow;
use mendlake_ports::lake::NewObject;
use mendlake_ports::{Kind, PortError, Result};

use super::digest;
use super::name::ObjectName;

/// An object as it is stored: its rows sorted by symbol, minute and the order of rows, and the name that follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// Its name.
    pub name: ObjectName,
    /// Its rows, sorted, at least one.
    pub rows: Vec<StoredRow>,
}

/// Sorts and names an object. `Rejected` where it has no rows, or one of another date.
pub fn prepare(object: &NewObject) -> Result<Prepared> {
    let refuse =
        |why: String| Err(PortError::new(Kind::Rejected, format!("publish an object of {}: {why}", object.dt)));
    if object.rows.is_empty() {
        return refuse("it has no rows".into());
    }
    if let Some(other) = object.rows.iter().find(|stored| stored.row.minute.date() != object.dt) {
        return refuse(format!("it has a row of another date: {} of `{}`", other.row.minute, other.row.symbol));
    }
    let mut rows = object.rows.clone();
    sort(&mut rows);
    let name = ObjectName {
        stream_id: object.stream_id.clone(),
        shard: object.shard.clone(),
        first_sequence: object.first_sequence.clone(),
        digest: digest::of_rows(&rows),
    };
    Ok(Prepared { name, rows })
}

/// Sorts by symbol, minute and the order of rows.
pub fn sort(rows: &mut [StoredRow]) {
    // Rows that tie are equal, so an unstable sort gives one result.
    rows.sort_unstable_by(|a, b| {
        (&a.row.symbol, a.row.minute).cmp(&(&b.row.symbol, b.row.minute)).then_with(|| a.order(b))
    });
}

/// What a coverage shows of `[from, to)`. Symbols and bases with nothing in it are left out, so that it equals the
/// coverage of the rows in it.
pub fn within(coverage: &Coverage, from: Minute, to: Minute) -> Coverage {
    // As far as there is anything: a range of all time would be a set of all its hours.
    let sets = || coverage.0.values().flat_map(|held| held.by_basis.values());
    let ends = sets().filter_map(MinuteSet::first).min().zip(sets().filter_map(MinuteSet::last).max());
    let Some((first, last)) = ends else { return Coverage::default() };
    let range = MinuteSet::between(from.max(first), to.min(last + 1));
    let cut = |held: &Held| Held {
        by_basis: held
            .by_basis
            .iter()
            .map(|(basis, set)| (*basis, set.intersection(&range)))
            .filter(|(_, set)| !set.is_empty())
            .collect(),
        suspect: held.suspect.intersection(&range),
        revised: held.revised.intersection(&range),
    };
    let held = coverage.0.iter().map(|(symbol, held)| (symbol.clone(), cut(held)));
    Coverage(held.filter(|(_, held)| !held.by_basis.is_empty()).collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use mendlake_domain::minute::Timestamp;
    use mendlake_domain::quote::{Basis, Day, Price, Row};

    use super::*;

    /// A live row of 2026-11-20T14:30:00Z and so many minutes.
    pub(crate) fn row(symbol: &str, minute: i64) -> StoredRow {
        let minute = Minute::from_index(29_919_750 + minute);
        let price = |price| Price::new(price);
        StoredRow {
            row: Row {
                symbol: symbol.parse().expect("symbol"),
                minute,
                price: Price::new(308.82).expect("price"),
                basis: Basis::Quote,
                source: "finnhub".parse().expect("source"),
                traded_at: Some(minute.start().plus_ms(-800)),
                day: Day { open: price(306.12), high: price(309.5), low: price(305.0), prev_close: price(304.25) },
                observed_at: minute.start().plus_ms(1600),
                revision: 0,
            },
            stored_at: minute.start().plus_ms(1750),
        }
    }

    /// A healed row: nulls wherever a row can have them.
    pub(crate) fn healed(symbol: &str, minute: i64, basis: Basis, revision: i64) -> StoredRow {
        let live = row(symbol, minute);
        let observed_at = Timestamp::from_epoch_s(1_795_190_000);
        let row = Row { basis, traded_at: None, day: Day::default(), observed_at, revision, ..live.row };
        StoredRow { row, stored_at: observed_at.plus_ms(300) }
    }

    pub(crate) fn object(rows: Vec<StoredRow>) -> NewObject {
        NewObject {
            dt: rows.first().map_or_else(|| Minute::from_index(0).date(), |stored| stored.row.minute.date()),
            stream_id: "4f2c".into(),
            shard: "0".into(),
            first_sequence: "17".into(),
            rows,
        }
    }

    #[test]
    fn the_order_of_arrival_has_no_part_in_the_name() {
        let rows = vec![row("B", 1), row("A", 2), row("A", 1), healed("A", 1, Basis::Close, 3)];
        let prepared = prepare(&object(rows.clone())).expect("prepared");
        let sorted = [&rows[3], &rows[2], &rows[1], &rows[0]];
        assert_eq!(prepared.rows.iter().collect::<Vec<_>>(), sorted);
        assert_eq!(prepare(&object(rows.into_iter().rev().collect())).expect("prepared"), prepared);
    }

    #[test]
    fn a_row_of_another_date_is_named() {
        let error = prepare(&object(vec![row("A", 0), row("B", 600)])).expect_err("two dates");
        assert_eq!(error.kind, Kind::Rejected);
        assert!(error.chain().contains("2026-11-21T00:30:00Z of `B`"), "{}", error.chain());
    }

    #[test]
    fn a_range_shows_what_its_rows_show() {
        let rows = [row("A", 0), healed("A", 29, Basis::Close, 0), healed("A", 30, Basis::Open, 5), row("B", 31)];
        let whole = Coverage::of(rows.iter().map(|stored| &stored.row));
        let start = Minute::from_index(29_919_750);
        for (from, to) in [(0, 60), (1, 31), (0, 30), (31, 32), (40, 50), (30, 0)] {
            let (from, to) = (start + from, start + to);
            let inside = rows.iter().map(|stored| &stored.row).filter(|row| row.minute >= from && row.minute < to);
            assert_eq!(within(&whole, from, to), Coverage::of(inside), "{from} {to}");
        }
        let [least, most] = [i64::MIN, i64::MAX].map(Minute::from_index);
        assert_eq!(within(&whole, least, most), whole);
        assert_eq!(within(&Coverage::default(), least, most), Coverage::default());
    }
}
