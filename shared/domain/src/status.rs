//! The status of one symbol-session, as the table `sessions` holds it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::calendar::Session;
use crate::coverage::{Held, MinuteSet};
use crate::gap::Unrecoverable;
use crate::minute::{Minute, Timestamp};
use crate::quote::{Basis, Row, StoredRow};
use crate::symbol::Symbol;

/// Whether a symbol-session is whole. The newest `as_of` of a symbol-session is its current status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// The trading day.
    pub on: NaiveDate,
    /// The symbol.
    pub symbol: Symbol,
    /// The session's first minute.
    pub open: Minute,
    /// The minute after its last, after the overlay.
    pub close: Minute,
    /// Minutes expected of the symbol.
    pub expected: u32,
    /// Expected minutes by the basis of their current row; zero counts are left out.
    pub present: BTreeMap<Basis, u32>,
    /// The most whole minutes in a row known to be without a trade; null where nothing tells.
    pub longest_quiet_run: Option<u32>,
    /// Open minutes.
    pub gaps: u32,
    /// Minutes given up, by why; zero counts are left out.
    pub unrecoverable: BTreeMap<Unrecoverable, u32>,
    /// The age of the oldest current price at its minute, in seconds; null where no row has a time of trade.
    pub oldest_price_age_s: Option<i64>,
    /// Rows whose minute an overlay removed later: they stay in the lake and are no part of the session.
    pub outside: u32,
    /// Nothing is open and nothing is in flight: the session will not change unless somebody asks for it.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// When this was so.
    pub as_of: Timestamp,
}

impl SessionStatus {
    /// Whether the other status says the same, whenever it said it.
    pub fn says_the_same(&self, other: &Self) -> bool {
        Self { as_of: other.as_of, ..self.clone() } == *other
    }

    /// Minutes with a row.
    pub fn present_minutes(&self) -> u32 {
        self.present.values().sum()
    }
}

/// What a symbol-session's current rows tell beyond what footers do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    present: BTreeMap<Basis, u32>,
    longest_quiet_run: Option<u32>,
    oldest_price_age_s: Option<i64>,
}

impl Seen {
    /// Looks at the current rows of one symbol. Rows that are still suspect tell nothing of quiet.
    pub fn of(session: &Session, expected: &MinuteSet, suspects: &MinuteSet, current: &[StoredRow]) -> Self {
        let mut seen = Self::default();
        for row in current.iter().map(|stored| &stored.row).filter(|row| expected.contains(row.minute)) {
            *seen.present.entry(row.basis).or_default() += 1;
            let age_s = row.traded_at.map(|traded| row.minute.start().ms_since(traded) / 1000);
            seen.oldest_price_age_s = seen.oldest_price_age_s.max(age_s);
            if !suspects.contains(row.minute) {
                seen.longest_quiet_run = seen.longest_quiet_run.max(quiet_before(session, row));
            }
        }
        seen
    }
}

/// Whole minutes without a trade just before the row's minute, as the row tells it.
fn quiet_before(session: &Session, row: &Row) -> Option<u32> {
    let traded_by = match (row.basis, row.traded_at) {
        // The minute of the trade itself was not quiet.
        (Basis::Quote, Some(traded)) => traded.minute() + 1,
        (Basis::Close, Some(candle_end)) => candle_end.minute(),
        (Basis::PreviousClose, _) => session.open,
        (Basis::Open, _) => row.minute,
        (Basis::Quote | Basis::Close, None) => return None,
    };
    u32::try_from(row.minute.since(traded_by).max(0)).ok()
}

impl SessionStatus {
    /// Current rows by basis as footers tell it: exact but where one minute was healed on two bases.
    pub fn present_by_basis(held: &Held, expected: &MinuteSet) -> BTreeMap<Basis, u32> {
        let mut counted = MinuteSet::new();
        let mut present = BTreeMap::new();
        for basis in Basis::ALL {
            let mut minutes = held.by_basis.get(&basis).cloned().unwrap_or_default().intersection(expected);
            if basis == Basis::Quote {
                // A correction comes from candles and replaces the quote.
                minutes = minutes.difference(&held.revised);
            }
            let fresh = minutes.difference(&counted);
            counted.extend_set(&fresh);
            if let Ok(count @ 1..) = u32::try_from(fresh.len()) {
                present.insert(basis, count);
            }
        }
        present
    }

    /// The status with what the rows tell.
    pub fn with(self, seen: &Seen) -> Self {
        let Seen { present, longest_quiet_run, oldest_price_age_s } = seen.clone();
        Self { present, longest_quiet_run, oldest_price_age_s, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quote::{Day, Price};

    fn minute(i: i64) -> Minute {
        Minute::from_index(29_919_750 + i)
    }

    fn stored(i: i64, basis: Basis, traded: Option<(i64, i64)>) -> StoredRow {
        let row = Row {
            symbol: "FXY".parse().expect("symbol"),
            minute: minute(i),
            price: Price::new(64.0).expect("price"),
            basis,
            source: "finnhub".parse().expect("source"),
            traded_at: traded.map(|(minutes, s)| minute(minutes).start().plus_s(s)),
            day: Day::default(),
            observed_at: minute(i).start(),
            revision: 0,
        };
        StoredRow { row, stored_at: minute(i).start() }
    }

    #[test]
    fn the_longest_quiet_run_is_read_off_rows_that_are_believed() {
        let session = Session { on: minute(0).date(), open: minute(0), close: minute(390) };
        let expected = session.minutes();
        let rows = [
            stored(2, Basis::PreviousClose, None),
            stored(10, Basis::Quote, Some((9, 30))),
            stored(14, Basis::Quote, Some((9, 30))),
            stored(30, Basis::Close, Some((18, 0))),
            stored(90, Basis::Quote, Some((18, 0))),
        ];
        let suspects: MinuteSet = [minute(90)].into_iter().collect();
        let seen = Seen::of(&session, &expected, &suspects, &rows);
        assert_eq!(seen.longest_quiet_run, Some(12));
        assert_eq!(seen.oldest_price_age_s, Some(72 * 60));
        assert_eq!(seen.present[&Basis::Quote], 3);
        let believed = Seen::of(&session, &expected, &MinuteSet::new(), &rows);
        assert_eq!(believed.longest_quiet_run, Some(71));
        assert_eq!(Seen::of(&session, &expected, &suspects, &[]).longest_quiet_run, None);
    }

    #[test]
    fn footers_count_a_corrected_quote_as_its_correction() {
        let all = MinuteSet::between(minute(0), minute(10));
        let held = Held {
            by_basis: [(Basis::Quote, all.clone()), (Basis::Close, all.within(minute(4), minute(6)))].into(),
            suspect: all.clone(),
            revised: all.within(minute(5), minute(6)),
        };
        let present = SessionStatus::present_by_basis(&held, &all);
        assert_eq!(present, BTreeMap::from([(Basis::Quote, 9), (Basis::Close, 1)]));
    }
}
