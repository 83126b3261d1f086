//! The laws as predicates, used by the stages, by `verify`, by the tests and by the simulation.

use std::collections::{BTreeMap, BTreeSet};

use crate::calendar::Session;
use crate::coverage::MinuteSet;
use crate::minute::{Minute, Timestamp};
use crate::quote::{Basis, PROVIDER_AHEAD_MS, Row, SAMPLE_WINDOW_MS, StoredRow};
use crate::symbol::Symbol;
use crate::task::CLOCKS_APART_MS;

/// A broken law: which, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("law {law} ({name}) is broken: {how}")]
pub struct Violation {
    /// The law's number in the design.
    pub law: u8,
    /// Its name.
    pub name: &'static str,
    /// What was seen.
    pub how: String,
}

fn broken(law: u8, name: &'static str, how: String) -> Result<(), Violation> {
    Err(Violation { law, name, how })
}

/// Law 1, Explained: every expected minute is exactly one of present, open or given up; a row beats both, and nothing is
/// open or given up that is not expected.
pub fn explained(
    symbol: &Symbol,
    expected: &MinuteSet,
    present: &MinuteSet,
    open: &MinuteSet,
    given_up: &MinuteSet,
) -> Result<(), Violation> {
    let name = "explained";
    let given_up = given_up.difference(present);
    let unexplained = expected.difference(present).difference(open).difference(&given_up);
    if !unexplained.is_empty() {
        return broken(1, name, format!("`{symbol}` is unexplained at {unexplained}"));
    }
    let twice = open.intersection(&present.union(&given_up));
    if !twice.is_empty() {
        return broken(1, name, format!("`{symbol}` is open and explained at {twice}"));
    }
    let unexpected = open.difference(expected);
    if !unexpected.is_empty() {
        return broken(1, name, format!("`{symbol}` is open though not expected at {unexpected}"));
    }
    Ok(())
}

/// Law 2, The lake is the truth: what is claimed present can be read.
pub fn readable(symbol: &Symbol, claimed: &MinuteSet, rows: &[StoredRow]) -> Result<(), Violation> {
    let read: MinuteSet = rows.iter().filter(|r| r.row.symbol == *symbol).map(|r| r.row.minute).collect();
    let missing = claimed.difference(&read);
    if missing.is_empty() {
        return Ok(());
    }
    broken(2, "the lake is the truth", format!("`{symbol}` is claimed present but cannot be read at {missing}"))
}

/// Law 3, No invention, of one row alone: a quote is a sample of its minute; every other basis has no day's figures and
/// only a correction has a revision.
pub fn not_invented(row: &Row) -> Result<(), Violation> {
    let name = "no invention";
    let into_ms = row.observed_at.ms_since(row.minute.start());
    if row.basis == Basis::Quote && !(0..SAMPLE_WINDOW_MS).contains(&into_ms) {
        return broken(
            3,
            name,
            format!("a quote of `{}` {} was answered {into_ms} ms into it", row.symbol, row.minute),
        );
    }
    if row.basis == Basis::Quote && (row.traded_at.is_none() || row.revision != 0) {
        return broken(
            3,
            name,
            format!("a quote of `{}` {} has no time of trade or a revision", row.symbol, row.minute),
        );
    }
    if row.basis != Basis::Quote && row.day != crate::quote::Day::default() {
        return broken(3, name, format!("a healed row of `{}` {} has a day's figures", row.symbol, row.minute));
    }
    Ok(())
}

/// Law 4, No look-ahead, of one row alone: a healed price is of trades before its minute, but for `open`.
pub fn no_look_ahead(row: &Row, session: &Session) -> Result<(), Violation> {
    let name = "no look-ahead";
    let of = format!("`{}` {} ({})", row.symbol, row.minute, row.basis);
    match (row.basis, row.traded_at) {
        (Basis::Close, None) => broken(4, name, format!("{of} has no time of trade")),
        (Basis::Close, Some(at)) if at > row.minute.start() => broken(4, name, format!("{of} traded at {at}")),
        (Basis::Quote, Some(at)) if at.ms_since(row.observed_at) > PROVIDER_AHEAD_MS => {
            broken(4, name, format!("{of} traded at {at}, observed at {}", row.observed_at))
        }
        (Basis::Open, _) if row.minute != session.open => {
            broken(4, name, format!("{of} is not its session's first minute"))
        }
        (Basis::Open | Basis::PreviousClose, Some(at)) => broken(4, name, format!("{of} has a time of trade: {at}")),
        (Basis::Close | Basis::Open, _) if row.observed_at < row.minute.start() => {
            broken(4, name, format!("{of} was observed at {}", row.observed_at))
        }
        _ => Ok(()),
    }
}

/// Law 4, the rest of it: a row is readable no earlier than the collector knew it.
pub fn known_before_stored(stored: &StoredRow) -> Result<(), Violation> {
    if stored.stored_at >= stored.row.observed_at {
        return Ok(());
    }
    let (row, at) = (&stored.row, stored.stored_at);
    let how = format!("`{}` {} was stored at {at}, observed at {}", row.symbol, row.minute, row.observed_at);
    broken(4, "no look-ahead", how)
}

/// Law 5, One current row per symbol-minute: of what a view gives.
pub fn one_current(current: &[StoredRow]) -> Result<(), Violation> {
    let mut seen = BTreeSet::new();
    match current.iter().find(|r| !seen.insert((&r.row.symbol, r.row.minute))) {
        None => Ok(()),
        Some(twice) => {
            let how = format!("`{}` {} is there twice", twice.row.symbol, twice.row.minute);
            broken(5, "one current row", how)
        }
    }
}

/// Law 5, the rest of it: no current row's revision is of an instant after the row was stored. Until that instant every
/// correction would stay behind it. `rows` holds all rows of its symbol-minute; others may be among them.
///
/// A row whose revision is the next after such a one is how a lake heals from it, and is none itself.
pub fn revised_in_time(current: &StoredRow, rows: &[StoredRow]) -> Result<(), Violation> {
    let StoredRow { row, stored_at } = current;
    if row.revision <= latest_revision(*stored_at) {
        return Ok(());
    }
    let is_before = |other: &Row| {
        (&other.symbol, other.minute) == (&row.symbol, row.minute)
            && other.revision.checked_add(1) == Some(row.revision)
    };
    if rows.iter().any(|other| is_before(&other.row)) {
        return Ok(());
    }
    let how = format!(
        "`{}` {} was stored at {stored_at} with revision {}, of a later instant: corrections stay behind it, but for those of \
         `mendlake replay --force`, which mends it",
        row.symbol, row.minute, row.revision
    );
    broken(5, "one current row", how)
}

/// The latest revision that a correction can have by then: that of a request of this instant, by a clock a little ahead.
pub fn latest_revision(at: Timestamp) -> i64 {
    at.plus_ms(CLOCKS_APART_MS).epoch_s()
}

/// Law 6, Nothing accepted is lost: every record the stream accepted is landed, set aside, parked, or still ahead of its
/// shard's checkpoint.
pub fn nothing_lost<'a>(
    accepted: impl IntoIterator<Item = &'a str>,
    accounted: &BTreeSet<&'a str>,
) -> Result<(), Violation> {
    match accepted.into_iter().find(|id| !accounted.contains(id)) {
        None => Ok(()),
        Some(lost) => broken(6, "nothing accepted is lost", format!("nothing accounts for `{lost}`")),
    }
}

/// Law 7, Live first: replay's calls in a window are at most what live collection leaves.
pub fn live_first(window: Minute, replay_calls: usize, share: usize) -> Result<(), Violation> {
    if replay_calls <= share {
        return Ok(());
    }
    broken(7, "live first", format!("replay made {replay_calls} calls in {window}, its share is {share}"))
}

/// Law 8, Level-triggered: a second reconciliation of the same instant finds the same and does nothing.
pub fn level_triggered<K: Ord + std::fmt::Debug>(
    first: &BTreeMap<K, MinuteSet>,
    second: &BTreeMap<K, MinuteSet>,
    tasks_of_second: usize,
) -> Result<(), Violation> {
    let name = "level-triggered";
    if first != second {
        return broken(8, name, format!("two reconciliations of one instant differ: {first:?} and {second:?}"));
    }
    if tasks_of_second > 0 {
        return broken(8, name, format!("a second reconciliation of one instant sent {tasks_of_second} tasks"));
    }
    Ok(())
}

/// Whether a row that arrived then may land at all. What no stage of any release would write is set aside.
pub fn admissible(row: &Row, arrived_at: Timestamp) -> Result<(), String> {
    not_invented(row).map_err(|violation| violation.to_string())?;
    if row.minute.start().ms_since(arrived_at) > PROVIDER_AHEAD_MS {
        return Err(format!("minute {} had not begun when the record arrived at {arrived_at}", row.minute));
    }
    if row.revision < 0 {
        return Err(format!("revision {} is below 0", row.revision));
    }
    Ok(())
}
