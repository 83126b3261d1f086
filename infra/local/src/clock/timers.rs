//! Timers of the virtual clock, in the order in which they fire.

use std::collections::BTreeMap;
use std::task::Waker;

use mendlake_domain::minute::Timestamp;

/// A timer's place: its instant, then the order in which it was set.
pub(super) type TimerKey = (Timestamp, u64);

/// Timers by instant; of those with one instant, the one set first fires first.
#[derive(Default)]
pub(super) struct Timers {
    waiting: BTreeMap<TimerKey, Waker>,
    set: u64,
}

impl Timers {
    /// Sets a timer, and gives its place, with which it is refreshed and removed.
    pub(super) fn set(&mut self, at: Timestamp, waker: Waker) -> TimerKey {
        self.set += 1;
        let key = (at, self.set);
        self.waiting.insert(key, waker);
        key
    }

    /// Replaces the waker of a timer that waits; false where it has fired.
    pub(super) fn refresh(&mut self, key: TimerKey, waker: &Waker) -> bool {
        self.waiting.get_mut(&key).map(|waiting| waiting.clone_from(waker)).is_some()
    }

    /// Forgets a timer, fired or not.
    pub(super) fn remove(&mut self, key: TimerKey) -> Option<Waker> {
        self.waiting.remove(&key)
    }

    /// Takes the next timer to fire.
    pub(super) fn next(&mut self) -> Option<(Timestamp, Waker)> {
        self.waiting.pop_first().map(|((at, _), waker)| (at, waker))
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}
