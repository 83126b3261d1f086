//! What this process wrote of gap items and the index may not show yet.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::NaiveDate;
use mendlake_domain::gap::Gap;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::gaps::VersionedGap;

/// Writes remembered. Only `pending` forgets any, and a process that never asks must not grow: beyond this the oldest
/// session's go, which the index has had the most time for.
const MOST: usize = 10_000;

/// The identity of a gap item.
pub(super) type Identity = (NaiveDate, Symbol);

/// The newest write of each item.
#[derive(Debug, Default)]
pub(super) struct Written(Mutex<BTreeMap<Identity, Last>>);

#[derive(Clone, Copy, Debug)]
struct Last {
    version: u64,
    is_pending: bool,
}

impl Written {
    /// Notes what is stored now; older news than what is known changes nothing.
    pub(super) fn note(&self, gap: &Gap, version: u64) {
        let last = Last { version, is_pending: gap.is_pending() };
        let mut all = self.all();
        let kept = all.entry((gap.on, gap.symbol.clone())).or_insert(last);
        if kept.version < version {
            *kept = last;
        }
        if all.len() > MOST {
            all.pop_first();
        }
    }

    /// The items that the index shows otherwise than they were written. The others are forgotten: it has caught up.
    pub(super) fn unseen(&self, shown: &BTreeMap<Identity, VersionedGap>) -> Vec<Identity> {
        let mut all = self.all();
        all.retain(|identity, last| match shown.get(identity) {
            Some(item) => item.version < last.version,
            None => last.is_pending,
        });
        all.keys().cloned().collect()
    }

    /// Never held across a wait. A panic elsewhere leaves no half change behind.
    fn all(&self) -> MutexGuard<'_, BTreeMap<Identity, Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use mendlake_domain::coverage::MinuteSet;
    use mendlake_domain::minute::{Minute, Timestamp};

    use super::*;

    fn gap(day: i32, symbol: &str, is_pending: bool) -> Gap {
        let on = NaiveDate::from_epoch_days(20_000 + day).unwrap();
        let minutes = MinuteSet::between(Minute::from_index(0), Minute::from_index(i64::from(is_pending)));
        Gap { suspect: minutes, ..Gap::new(on, symbol.parse().unwrap(), Timestamp::default()) }
    }

    fn unseen(written: &Written, shown: &[(&Gap, u64)]) -> Vec<String> {
        let item = |(gap, version): &(&Gap, u64)| VersionedGap { gap: (*gap).clone(), version: *version };
        let shown = shown.iter().map(|s| ((s.0.on, s.0.symbol.clone()), item(s))).collect();
        written.unseen(&shown).into_iter().map(|(_, symbol)| symbol.to_string()).collect()
    }

    #[test]
    fn a_write_is_remembered_until_the_index_shows_it() {
        let written = Written::default();
        let a = gap(0, "A", true);
        written.note(&a, 3);
        assert_eq!(unseen(&written, &[]), ["A"]);
        assert_eq!(unseen(&written, &[(&a, 2)]), ["A"], "an older version of it");
        assert_eq!(unseen(&written, &[(&a, 3)]), [""; 0]);
        assert_eq!(unseen(&written, &[]), [""; 0], "forgotten");
    }

    #[test]
    fn a_finished_item_is_remembered_until_the_index_drops_it() {
        let written = Written::default();
        let (open, done) = (gap(0, "A", true), gap(0, "A", false));
        written.note(&open, 1);
        written.note(&done, 2);
        written.note(&open, 1);
        assert_eq!(unseen(&written, &[(&open, 1)]), ["A"]);
        assert_eq!(unseen(&written, &[]), [""; 0]);
        written.note(&done, 2);
        assert_eq!(unseen(&written, &[(&open, 3)]), [""; 0], "another opened it again since");
    }

    #[test]
    fn a_process_that_never_asks_remembers_a_bounded_number() {
        let written = Written::default();
        for day in 0..=i32::try_from(MOST).unwrap() {
            written.note(&gap(day, "A", true), 1);
        }
        assert_eq!(written.all().len(), MOST);
        assert!(!written.all().contains_key(&(gap(0, "A", true).on, "A".parse().unwrap())), "the oldest session's");
    }
}
