//! A clock that stands still until it is moved.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;

use super::locked;

/// A clock moved by hand. Clones are the same clock.
///
/// Whoever moves it wakes those who sleep until then, the earliest first and of one instant in the order they came.
#[derive(Clone, Debug)]
pub struct ManualClock {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    now: Timestamp,
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
    /// Sleepers there have been: tells apart those of one instant.
    sleeps: u64,
}

impl ManualClock {
    /// A clock that stands at an instant.
    pub fn new(now: Timestamp) -> Self {
        Self { state: Arc::new(Mutex::new(State { now, sleepers: BTreeMap::new(), sleeps: 0 })) }
    }

    /// Moves on by so many milliseconds.
    pub fn advance_ms(&self, ms: u32) {
        self.change(|now| now.plus_ms(i64::from(ms)));
    }

    /// Moves on to an instant; does nothing where that is past.
    pub fn advance_to(&self, at: Timestamp) {
        self.change(|now| now.max(at));
    }

    /// Sets the clock, backwards too, as a machine's clock may be.
    pub fn set(&self, at: Timestamp) {
        self.change(|_| at);
    }

    /// When the first sleeper is to wake, or `None` where nobody sleeps: where to move next.
    pub fn next_wake_at(&self) -> Option<Timestamp> {
        locked(&self.state).sleepers.first_key_value().map(|((at, _), _)| *at)
    }

    fn change(&self, to: impl FnOnce(Timestamp) -> Timestamp) {
        let woken = {
            let mut state = locked(&self.state);
            state.now = to(state.now);
            let still_to_come = (state.now.plus_ms(1), 0);
            let later = state.sleepers.split_off(&still_to_come);
            std::mem::replace(&mut state.sleepers, later)
        };
        // Outside the lock: a waker may run its task at once, which asks this clock.
        woken.into_values().for_each(Waker::wake);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        locked(&self.state).now
    }

    async fn sleep_until(&self, at: Timestamp) {
        Sleep { state: &self.state, at, key: None }.await;
    }
}

/// A sleep: in the list of sleepers from its first poll until it is over or dropped.
struct Sleep<'a> {
    state: &'a Mutex<State>,
    at: Timestamp,
    key: Option<u64>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = locked(self.state);
        if state.now >= self.at {
            return Poll::Ready(());
        }
        let key = self.key.unwrap_or(state.sleeps);
        if self.key.is_none() {
            state.sleeps += 1;
        }
        state.sleepers.insert((self.at, key), context.waker().clone());
        drop(state);
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            locked(self.state).sleepers.remove(&(self.at, key));
        }
    }
}

#[cfg(any(test, feature = "contracts"))]
impl mendlake_ports::contracts::TestClock for ManualClock {
    async fn advance_ms(&self, ms: i64) {
        ManualClock::advance_ms(self, u32::try_from(ms).expect("a test moves on by less than 49 days"));
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use mendlake_ports::clock::by;

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_epoch_ms(ms)
    }

    fn polled(future: Pin<&mut impl Future<Output = ()>>, counter: &Arc<Counter>) -> bool {
        future.poll(&mut Context::from_waker(&Waker::from(Arc::clone(counter)))).is_ready()
    }

    #[test]
    fn a_sleeper_wakes_at_its_time_and_not_before() {
        let (clock, counter) = (ManualClock::new(at(1_000)), Arc::default());
        let mut sleep = pin!(clock.sleep_until(at(1_500)));
        assert!(!polled(sleep.as_mut(), &counter));
        assert_eq!(clock.next_wake_at(), Some(at(1_500)));
        clock.advance_ms(499);
        assert!(counter.0.load(Ordering::SeqCst) == 0 && !polled(sleep.as_mut(), &counter));
        clock.advance_ms(1);
        assert!(counter.0.load(Ordering::SeqCst) == 1 && polled(sleep.as_mut(), &counter));
        assert_eq!(clock.next_wake_at(), None);
    }

    #[test]
    fn an_instant_that_is_not_in_the_future_is_no_sleep() {
        let (clock, counter) = (ManualClock::new(at(1_000)), Arc::default());
        assert!(polled(pin!(clock.sleep_until(at(1_000))), &counter));
        assert!(polled(pin!(clock.sleep_until(at(-5))), &counter));
    }

    #[test]
    fn a_dropped_sleep_is_forgotten_and_the_others_are_not() {
        let (clock, counter) = (ManualClock::new(at(0)), Arc::default());
        let mut stays = pin!(clock.sleep_until(at(50)));
        assert!(!polled(stays.as_mut(), &counter));
        {
            let mut dropped = pin!(clock.sleep_until(at(20)));
            assert!(!polled(dropped.as_mut(), &counter) && !polled(dropped.as_mut(), &counter));
            assert_eq!(clock.next_wake_at(), Some(at(20)));
        }
        assert_eq!(clock.next_wake_at(), Some(at(50)));
    }

    #[test]
    fn moving_to_the_past_does_nothing_and_setting_back_does() {
        let clock = ManualClock::new(at(1_000));
        clock.advance_to(at(400));
        assert_eq!(clock.now(), at(1_000));
        clock.set(at(400));
        assert_eq!(clock.clone().now(), at(400));
    }

    #[tokio::test]
    async fn a_deadline_drops_the_work_and_ready_work_beats_it() {
        let clock = ManualClock::new(at(0));
        assert_eq!(by(&clock, at(0), async { 7 }).await, Some(7));
        let mover = clock.clone();
        let (given_up, ()) = futures_util::join!(by(&clock, at(100), pending::<()>()), async { mover.advance_ms(100) });
        assert_eq!(given_up, None);
        assert_eq!(clock.next_wake_at(), None);
    }

    #[test]
    fn a_sleeper_on_another_thread_wakes() {
        let clock = ManualClock::new(at(0));
        let sleeper = clock.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                sleeper.sleep_until(at(10)).await;
                sleeper.now()
            })
        });
        while clock.next_wake_at().is_none() {
            std::thread::yield_now();
        }
        clock.advance_to(at(10));
        assert_eq!(thread.join().unwrap(), at(10));
    }
}
