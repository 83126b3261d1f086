//! The table `sessions`, whatever holds it: which status of a symbol-session is the current one.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet};

use mendlake_domain::gap::Unrecoverable;
use mendlake_domain::quote::Basis;
use mendlake_domain::status::SessionStatus;

use super::listing::Listed;

/// The current status of each symbol-session, by day and symbol.
pub fn current(statuses: impl IntoIterator<Item = SessionStatus>) -> Vec<SessionStatus> {
    let mut newest: BTreeMap<_, SessionStatus> = BTreeMap::new();
    for status in statuses {
        let key = (status.on, status.symbol.clone());
        match newest.get_mut(&key) {
            Some(kept) if order(kept, &status).is_le() => {}
            Some(kept) => *kept = status,
            None => drop(newest.insert(key, status)),
        }
    }
    newest.into_values().collect()
}

/// The order of statuses of one symbol-session: the least is the current one.
///
/// `as_of` descending. Two reconcilers may speak at one instant: then not final before final and many gaps before few,
/// the cautious word first; the rest in the order of the columns, ascending, nulls last, so that no two tie that differ
/// and `sessions_current.sql` decides alike.
pub fn order(a: &SessionStatus, b: &SessionStatus) -> Ordering {
    let key = |status: &SessionStatus| {
        let present = Basis::ALL.map(|basis| status.present.get(&basis).copied().unwrap_or(0));
        let given_up = UNRECOVERABLE.map(|why| status.unrecoverable.get(&why).copied().unwrap_or(0));
        let last = |value: Option<i64>| (value.is_none(), value);
        (
            (Reverse(status.as_of), status.is_final, Reverse(status.gaps)),
            (status.open, status.close, status.expected, present),
            (last(status.longest_quiet_run.map(i64::from)), given_up, last(status.oldest_price_age_s), status.outside),
        )
    };
    key(a).cmp(&key(b))
}

/// The statuses of one date, folded from objects that our writers never change.
#[derive(Debug, Default)]
pub struct Day {
    /// The objects read.
    read: BTreeSet<Listed>,
    current: Vec<SessionStatus>,
}

impl Day {
    /// The objects that were not read yet, of all there are.
    pub fn unread(&mut self, listed: BTreeSet<Listed>) -> Vec<Listed> {
        if !self.read.is_subset(&listed) {
            // Somebody took objects away by hand, or overwrote them: what they said must not stay.
            *self = Self::default();
        }
        listed.into_iter().filter(|object| !self.read.contains(object)).collect()
    }

    /// Notes what an object says.
    pub fn note(&mut self, object: Listed, appended: Vec<SessionStatus>) {
        self.current = current(std::mem::take(&mut self.current).into_iter().chain(appended));
        self.read.insert(object);
    }

    /// The current statuses of the objects read, by symbol.
    pub fn current(&self) -> &[SessionStatus] {
        &self.current
    }
}

/// The reasons, in the order of their columns.
pub const UNRECOVERABLE: [Unrecoverable; 3] =
    [Unrecoverable::NoData, Unrecoverable::PriceBreak, Unrecoverable::UnknownSymbol];

#[cfg(test)]
pub(crate) mod tests {
    use mendlake_domain::minute::Timestamp;

    use super::*;

    /// A status of `AAPL` on 2026-11-20 with nothing in its maps, as of so many seconds after noon.
    pub(crate) fn status(as_of_s: i64) -> SessionStatus {
        SessionStatus {
            on: "2026-11-20".parse().expect("day"),
            symbol: "AAPL".parse().expect("symbol"),
            open: "2026-11-20T14:30:00Z".parse().expect("minute"),
            close: "2026-11-20T21:00:00Z".parse().expect("minute"),
            expected: 390,
            present: BTreeMap::new(),
            longest_quiet_run: None,
            gaps: 390,
            unrecoverable: BTreeMap::new(),
            oldest_price_age_s: None,
            outside: 0,
            is_final: false,
            as_of: Timestamp::from_epoch_s(1_795_176_000 + as_of_s),
        }
    }

    #[test]
    fn the_newest_word_is_current_and_at_one_instant_the_cautious_one() {
        let (old, new) = (status(0), status(1));
        let done = SessionStatus { is_final: true, gaps: 0, ..new.clone() };
        let healed = SessionStatus { gaps: 0, ..new.clone() };
        for statuses in [[&old, &new, &done, &healed], [&healed, &done, &new, &old]] {
            assert_eq!(current(statuses.map(Clone::clone)), std::slice::from_ref(&new));
        }
        assert_eq!(current([done.clone(), old]), [done]);
    }

    #[test]
    fn statuses_that_differ_never_tie() {
        let base = status(0);
        let differing = [
            SessionStatus { open: base.open + 1, ..base.clone() },
            SessionStatus { close: base.close + 1, ..base.clone() },
            SessionStatus { expected: 1, ..base.clone() },
            SessionStatus { present: [(Basis::Open, 1)].into(), ..base.clone() },
            SessionStatus { longest_quiet_run: Some(0), ..base.clone() },
            SessionStatus { gaps: 1, ..base.clone() },
            SessionStatus { unrecoverable: [(Unrecoverable::NoData, 1)].into(), ..base.clone() },
            SessionStatus { oldest_price_age_s: Some(0), ..base.clone() },
            SessionStatus { outside: 1, ..base.clone() },
            SessionStatus { is_final: true, ..base.clone() },
        ];
        for other in differing {
            assert_ne!(order(&base, &other), Ordering::Equal, "{other:?}");
            assert_eq!(order(&base, &other), order(&other, &base).reverse());
        }
    }
}
