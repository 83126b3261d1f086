//! What one handle knows of the table `quotes`, whatever holds it: our writers change no object, so each is read once, and
//! anew where its listing shows that somebody else overwrote it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::NaiveDate;
use mendlake_domain::coverage::{Coverage, Held};
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::StoredRow;
use mendlake_domain::symbol::Symbol;

use super::listing::Listed;
use super::quotes::within;

/// The most rows kept of objects that were read: about 60 MB. A session of 500 symbols has 195,000.
const MOST_OPENED_ROWS: usize = 250_000;

/// The most dates whose footers are kept: more than any window looks back, so that only whoever walks through a year reads
/// footers again. A day of 200 symbols on AWS is about 5 MB.
const MOST_DAYS: usize = 31;

/// What footers said, by date, and rows of objects that were read.
#[derive(Debug, Default)]
pub struct Index {
    days: Mutex<Days>,
    opened: Mutex<Opened>,
}

/// Somebody who reads the index: as long as one does, nothing is forgotten.
#[must_use = "what is read may be forgotten once this is dropped"]
#[derive(Debug)]
pub struct InUse<'a>(&'a Index);

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        lock(&self.0.days).users -= 1;
    }
}

impl Index {
    /// Begins to use these dates. Others are forgotten where too many are kept, unless somebody else is at it.
    pub fn begin(&self, dates: &[NaiveDate]) -> InUse<'_> {
        let mut days = lock(&self.days);
        days.users += 1;
        if days.users == 1 && days.known.len() > MOST_DAYS {
            days.known.retain(|dt, _| dates.contains(dt));
        }
        InUse(self)
    }

    /// The objects of a date whose footers are not known yet, of all there are.
    pub fn unknown(&self, dt: NaiveDate, listed: impl IntoIterator<Item = Listed>) -> Vec<Listed> {
        let listed: BTreeSet<Listed> = listed.into_iter().collect();
        let mut days = lock(&self.days);
        let day = days.known.entry(dt).or_default();
        if day.spans.keys().any(|known| !listed.contains(known)) {
            // Somebody took objects away by hand, or overwrote them: what they said must not stay.
            *day = Day::default();
        }
        listed.into_iter().filter(|object| !day.spans.contains_key(object)).collect()
    }

    /// Notes what the footer of an object says it holds.
    pub fn note(&self, dt: NaiveDate, object: Listed, held: &Coverage) {
        lock(&self.days).known.entry(dt).or_default().note(object, held);
    }

    /// What the known objects of a date hold of `[from, to)`.
    pub fn coverage(&self, dt: NaiveDate, from: Minute, to: Minute) -> Coverage {
        lock(&self.days).known.get(&dt).map(|day| within(&day.coverage, from, to)).unwrap_or_default()
    }

    /// The known objects of a date that may have rows of these symbols in `[from, to)`.
    pub fn with_rows_of(&self, dt: NaiveDate, symbols: &BTreeSet<Symbol>, from: Minute, to: Minute) -> Vec<Listed> {
        lock(&self.days).known.get(&dt).map(|day| day.with_rows_of(symbols, from, to)).unwrap_or_default()
    }

    /// The rows of an object, where they were kept.
    pub fn opened(&self, dt: NaiveDate, object: &Listed) -> Option<Arc<Vec<StoredRow>>> {
        lock(&self.opened).objects.get(&(dt, object.clone())).cloned()
    }

    /// Keeps the rows of an object, as long as there is room.
    pub fn keep(&self, dt: NaiveDate, object: Listed, rows: Arc<Vec<StoredRow>>) {
        lock(&self.opened).keep((dt, object), rows);
    }
}

/// What is known, and how many are at it.
#[derive(Debug, Default)]
struct Days {
    known: BTreeMap<NaiveDate, Day>,
    users: usize,
}

/// What the footers of one date say.
#[derive(Debug, Default)]
struct Day {
    /// Of each object, the first and the last minute of each symbol: enough to know which to open for rows.
    spans: BTreeMap<Listed, Vec<(Symbol, Minute, Minute)>>,
    /// All of them, joined.
    coverage: Coverage,
}

impl Day {
    fn note(&mut self, object: Listed, held: &Coverage) {
        let span = |(symbol, held): (&Symbol, &Held)| {
            let present = held.present();
            Some((symbol.clone(), present.first()?, present.last()?))
        };
        self.coverage.join(held);
        self.spans.insert(object, held.0.iter().filter_map(span).collect());
    }

    fn with_rows_of(&self, symbols: &BTreeSet<Symbol>, from: Minute, to: Minute) -> Vec<Listed> {
        let touches =
            |(symbol, first, last): &(Symbol, Minute, Minute)| *first < to && *last >= from && symbols.contains(symbol);
        self.spans.iter().filter(|(_, spans)| spans.iter().any(touches)).map(|(object, _)| object.clone()).collect()
    }
}

/// Rows of objects that were read. An object that is overwritten is another one, so they are never stale; those of the oldest
/// dates go first.
#[derive(Debug, Default)]
struct Opened {
    objects: BTreeMap<(NaiveDate, Listed), Arc<Vec<StoredRow>>>,
    rows: usize,
}

impl Opened {
    fn keep(&mut self, key: (NaiveDate, Listed), rows: Arc<Vec<StoredRow>>) {
        if let Some(before) = self.objects.insert(key, rows.clone()) {
            self.rows -= before.len();
        }
        self.rows += rows.len();
        while self.rows > MOST_OPENED_ROWS {
            let Some((_, oldest)) = self.objects.pop_first() else { return };
            self.rows -= oldest.len();
        }
    }
}

/// A lock whose holders leave what it guards whole, so that a panic elsewhere does not spread.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored::listing::Stamp;
    use crate::stored::quotes::tests::row;

    fn listed(name: &str) -> Listed {
        Listed { name: name.to_owned(), stamp: Stamp::default() }
    }

    #[test]
    fn rows_are_kept_up_to_a_bound_and_the_oldest_dates_go_first() {
        let index = Index::default();
        let dt = row("A", 0).row.minute.date();
        let rows = Arc::new(vec![row("A", 0); MOST_OPENED_ROWS / 2]);
        let day = |n| dt + chrono::Days::new(n);
        for n in [1, 0, 2] {
            index.keep(day(n), listed("object"), rows.clone());
            index.keep(day(n), listed("object"), rows.clone());
        }
        let kept = [0, 1, 2].map(|n| index.opened(day(n), &listed("object")).is_some());
        assert_eq!(kept, [false, true, true], "twice kept counts once");
    }

    #[test]
    fn dates_are_forgotten_where_many_are_kept_but_not_while_somebody_reads_them() {
        let index = Index::default();
        let first = row("A", 0).row.minute.date();
        let days: Vec<NaiveDate> = first.iter_days().take(MOST_DAYS + 1).collect();
        let held = Coverage::of([&row("A", 0).row]);
        days.iter().for_each(|dt| index.note(*dt, listed("a"), &held));
        let known = |dt: NaiveDate| index.unknown(dt, [listed("a")]).is_empty();
        let reader = index.begin(&days);
        drop(index.begin(&days[..1]));
        assert!(days.iter().all(|dt| known(*dt)), "somebody reads them");
        drop(reader);
        drop(index.begin(&days[1..]));
        assert_eq!([known(days[0]), known(days[1])], [false, true]);
    }

    #[test]
    fn a_date_that_lost_an_object_is_known_anew() {
        let index = Index::default();
        let (first, second) = (row("A", 0), row("A", 1));
        let dt = first.row.minute.date();
        let names = |names: &[&str]| names.iter().map(|name| listed(name)).collect::<Vec<_>>();
        assert_eq!(index.unknown(dt, names(&["a", "b"])), names(&["a", "b"]));
        for (name, row) in [("a", &first), ("b", &second)] {
            index.note(dt, listed(name), &Coverage::of([&row.row]));
        }
        assert_eq!(index.unknown(dt, names(&["a", "b", "c"])), names(&["c"]));
        assert_eq!(index.unknown(dt, names(&["b"])), names(&["b"]), "what `a` said must not stay");
        assert_eq!(index.coverage(dt, first.row.minute, second.row.minute + 1), Coverage::default());
    }

    #[test]
    fn an_object_that_was_overwritten_is_known_anew() {
        let index = Index::default();
        let row = row("A", 0);
        let dt = row.row.minute.date();
        let stamped = |bytes, change: &str| Listed { name: "a".into(), stamp: Stamp { bytes, change: change.into() } };
        let first = stamped(9, "1");
        index.note(dt, first.clone(), &Coverage::of([&row.row]));
        index.keep(dt, first.clone(), Arc::new(vec![row.clone()]));
        assert_eq!(index.unknown(dt, [first]), []);
        for other in [stamped(8, "1"), stamped(9, "2")] {
            assert_eq!(index.unknown(dt, [other.clone()]), std::slice::from_ref(&other));
            assert_eq!(index.coverage(dt, row.row.minute, row.row.minute + 1), Coverage::default());
            assert!(index.opened(dt, &other).is_none(), "nor are its rows those of before");
        }
    }
}
