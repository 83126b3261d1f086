//! Rate limits: a window of 60 s that the first call opens, and a cap on calls in any second.

use std::collections::{HashMap, VecDeque};

use mendlake_domain::minute::Timestamp;

use super::Account;
use super::asked::Provider;

/// The length of a window.
const WINDOW_S: i64 = 60;

/// What is left of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) remaining: u32,
    pub(super) reset_at: Timestamp,
}

/// Whether a call is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Admitted(Left),
    Refused(Left),
}

/// The windows of every key.
#[derive(Debug, Default)]
pub(super) struct Limits {
    windows: HashMap<(Provider, String), Window>,
}

#[derive(Debug)]
struct Window {
    opened_at: Timestamp,
    used: u32,
    /// The instants of the calls admitted in the last second, oldest first.
    last_second: VecDeque<Timestamp>,
}

impl Limits {
    /// Counts a call of an account, unless it is one too many; refused calls are not counted.
    pub(super) fn admit(&mut self, provider: Provider, account: &Account, now: Timestamp) -> Verdict {
        let opened = || Window { opened_at: now, used: 0, last_second: VecDeque::new() };
        let window = self.windows.entry((provider, account.version.clone())).or_insert_with(opened);
        // A clock that was set back opens a new window too: nobody waits for a reset hours ahead.
        if now >= window.reset_at() || now < window.opened_at {
            (window.opened_at, window.used) = (now, 0);
        }
        while window.last_second.front().is_some_and(|at| now.ms_since(*at) >= 1000 || *at > now) {
            window.last_second.pop_front();
        }
        let in_second = u32::try_from(window.last_second.len()).unwrap_or(u32::MAX);
        if window.used >= account.per_minute || account.per_second.is_some_and(|most| in_second >= most) {
            return Verdict::Refused(window.left(account.per_minute));
        }
        window.used += 1;
        window.last_second.push_back(now);
        Verdict::Admitted(window.left(account.per_minute))
    }
}

impl Window {
    /// In whole seconds, as the header tells it.
    fn reset_at(&self) -> Timestamp {
        Timestamp::from_epoch_s(self.opened_at.epoch_s() + WINDOW_S)
    }

    fn left(&self, limit: u32) -> Left {
        Left { remaining: limit.saturating_sub(self.used), reset_at: self.reset_at() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finnhub::Plan;
    use mendlake_ports::secrets::Key;

    fn account() -> Account {
        Account::finnhub("first", Key::new("k").expect("a key"), Plan::Free)
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_epoch_ms(1_619_234_870_400 + ms)
    }

    fn admitted(limits: &mut Limits, ms: i64) -> bool {
        matches!(limits.admit(Provider::Finnhub, &account(), at(ms)), Verdict::Admitted(_))
    }

    #[test]
    fn the_first_call_opens_a_window_of_sixty_seconds_as_recorded() {
        let mut limits = Limits::default();
        let first = limits.admit(Provider::Finnhub, &account(), at(0));
        let reset_at = Timestamp::from_epoch_s(1_619_234_930);
        assert_eq!(first, Verdict::Admitted(Left { remaining: 59, reset_at }));
        let later = limits.admit(Provider::Finnhub, &account(), at(1_700));
        assert_eq!(later, Verdict::Admitted(Left { remaining: 58, reset_at }));
        let next = limits.admit(Provider::Finnhub, &account(), at(90_000));
        assert_eq!(next, Verdict::Admitted(Left { remaining: 59, reset_at: at(150_000).plus_ms(-400) }));
    }

    #[test]
    fn the_call_after_the_limit_is_refused_until_the_reset() {
        let mut limits = Limits::default();
        assert!((0..60).all(|call| admitted(&mut limits, call * 100)));
        assert!(!admitted(&mut limits, 30_000));
        assert!(!admitted(&mut limits, 59_599));
        assert!(admitted(&mut limits, 59_600), "the reset is a whole second");
    }

    #[test]
    fn no_second_has_more_than_thirty_calls() {
        let mut limits = Limits::default();
        assert!((0..30).all(|_| admitted(&mut limits, 500)));
        assert!(!admitted(&mut limits, 1_499));
        assert!(admitted(&mut limits, 1_500));
    }

    #[test]
    fn each_key_has_its_own_window() {
        let mut limits = Limits::default();
        assert!((0..60).all(|call| admitted(&mut limits, call * 100)));
        let other = Account { version: "second".into(), ..account() };
        assert!(
            matches!(limits.admit(Provider::Finnhub, &other, at(6_000)), Verdict::Admitted(left) if left.remaining == 59)
        );
        assert!(matches!(limits.admit(Provider::Alpaca, &account(), at(6_000)), Verdict::Admitted(_)));
    }
}
