//! The virtual clock: whole sessions in seconds, on one thread, with real sockets.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{Either, select};
use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;

use super::ServerClock;
use super::exchange::{Exchange, ExchangeId};
use super::timers::{TimerKey, Timers};

/// How long, in real time, nothing may happen while no timer is set and nothing is under way, before that is taken for a
/// deadlock. Long enough for a socket to close or a blocking thread to end on a busy machine.
const DEADLOCK_AFTER: Duration = Duration::from_secs(10);

/// How long, in real time, one exchange may stay active without any progress. Loopback answers in microseconds; work on
/// another thread may take seconds.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// A clock that stands still while anything can run and jumps to the next timer when everything waits.
///
/// It belongs to one tokio `current_thread` runtime, [`VirtualClock::run`]'s. When no task is runnable and no exchange is
/// active, it advances to the earliest timer and fires that one alone: what it sets going runs until everything waits
/// again before the next fires, even at the same instant, so the order is that in which timers were set. Work on other
/// threads is invisible to it: hold an [`Exchange`] around it.
#[derive(Clone)]
pub struct VirtualClock {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    state: Mutex<State>,
    patience: Patience,
}

/// How long, in real time, nothing may happen before it is taken for a deadlock.
#[derive(Clone, Copy)]
struct Patience {
    idle: Duration,
    active: Duration,
}

struct State {
    now: Timestamp,
    timers: Timers,
    /// Exchanges under way; true while the server keeps the answer.
    exchanges: BTreeMap<ExchangeId, bool>,
    active: usize,
    begun: u64,
    /// Counts everything that happens: an unchanged count is no progress.
    steps: u64,
}

impl VirtualClock {
    /// A clock that stands at `epoch`.
    pub fn new(epoch: Timestamp) -> Self {
        Self::with_patience(epoch, Patience { idle: DEADLOCK_AFTER, active: STUCK_AFTER })
    }

    fn with_patience(epoch: Timestamp, patience: Patience) -> Self {
        let state =
            State { now: epoch, timers: Timers::default(), exchanges: BTreeMap::new(), active: 0, begun: 0, steps: 0 };
        Self { inner: Arc::new(Inner { state: Mutex::new(state), patience }) }
    }

    /// Runs `main`, and what it spawns, on a runtime of this clock's own on this thread.
    ///
    /// # Panics
    /// Where nothing can ever run again: no timer is set, no exchange is active, and real time passes without progress.
    pub fn run<F: Future>(&self, main: F) -> io::Result<F::Output> {
        let runtime = self.runtime()?;
        Ok(runtime.block_on(async {
            match select(pin!(main), pin!(self.watch())).await {
                Either::Left((output, _)) => output,
                Either::Right((never, _)) => match never {},
            }
        }))
    }

    /// Begins an exchange: the clock stands still until the guard is dropped or the server keeps the answer.
    pub fn begin_exchange(&self) -> Exchange {
        let mut state = self.inner.lock();
        state.begun += 1;
        state.steps += 1;
        state.active += 1;
        let id = ExchangeId(state.begun);
        state.exchanges.insert(id, false);
        Exchange { id, clock: self.inner.clone() }
    }

    fn runtime(&self) -> io::Result<tokio::runtime::Runtime> {
        let inner = self.inner.clone();
        // tokio calls this when no task is runnable, and looks for runnable tasks again before it really parks.
        tokio::runtime::Builder::new_current_thread().enable_all().on_thread_park(move || inner.advance()).build()
    }

    /// Panics with what everybody waits for where nothing happens any more. A real timer, not one of this clock's.
    #[expect(clippy::disallowed_methods, reason = "a deadlock of virtual time can only be seen from real time")]
    async fn watch(&self) -> std::convert::Infallible {
        let Patience { idle, active } = self.inner.patience;
        let look_again = idle.min(active) / 10;
        let (mut seen, mut still) = (0, Duration::ZERO);
        loop {
            tokio::time::sleep(look_again).await;
            let (steps, patience, waits) = {
                let state = self.inner.lock();
                (state.steps, if state.active == 0 { idle } else { active }, state.waits())
            };
            still = if steps == seen { still + look_again } else { Duration::ZERO };
            seen = steps;
            assert!(still < patience, "deadlock: nothing happened for {} ms of real time: {waits}", still.as_millis());
        }
    }
}

impl State {
    fn waits(&self) -> String {
        let (timers, exchanges) = (self.timers.len(), self.exchanges.len());
        format!("at {}, {timers} timers, {exchanges} exchanges, {} of them active", self.now, self.active)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, so a poisoned state is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Jumps to the earliest timer and fires it, unless something is under way.
    fn advance(&self) {
        let mut state = self.lock();
        if state.active > 0 {
            return;
        }
        let Some((at, waker)) = state.timers.next() else { return };
        state.now = state.now.max(at);
        state.steps += 1;
        drop(state);
        waker.wake();
    }

    /// Marks an exchange as kept by the server, or no longer; nothing where it is over.
    fn keep(&self, id: ExchangeId, kept: bool) {
        let state = &mut *self.lock();
        let Some(was_kept) = state.exchanges.get_mut(&id) else {
            return;
        };
        match (std::mem::replace(was_kept, kept), kept) {
            (false, true) => state.active -= 1,
            (true, false) => state.active += 1,
            _ => {}
        }
        state.steps += 1;
    }

    pub(super) fn end_exchange(&self, id: ExchangeId) {
        let state = &mut *self.lock();
        if state.exchanges.remove(&id) == Some(false) {
            state.active -= 1;
        }
        state.steps += 1;
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.inner.lock().now
    }

    fn sleep_until(&self, at: Timestamp) -> impl Future<Output = ()> + Send {
        Sleep { clock: self.inner.clone(), at, timer: None }
    }
}

impl ServerClock for VirtualClock {
    async fn keep(&self, exchange: Option<ExchangeId>, at: Option<Timestamp>) {
        let _kept = exchange.map(|id| Kept::new(self.inner.clone(), id));
        match at {
            Some(at) => self.sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

/// An exchange whose answer is being kept; active again when dropped.
struct Kept {
    clock: Arc<Inner>,
    id: ExchangeId,
}

impl Kept {
    fn new(clock: Arc<Inner>, id: ExchangeId) -> Self {
        clock.keep(id, true);
        Self { clock, id }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.clock.keep(self.id, false);
    }
}

struct Sleep {
    clock: Arc<Inner>,
    at: Timestamp,
    timer: Option<TimerKey>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut state = clock.lock();
        match self.timer {
            // A timer that is set is over when it fires, not when its instant comes: others of that instant go first.
            Some(timer) if state.timers.refresh(timer, context.waker()) => Poll::Pending,
            Some(_) => Poll::Ready(()),
            None if state.now >= self.at => Poll::Ready(()),
            None => {
                self.timer = Some(state.timers.set(self.at, context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        // The waker is dropped after the lock is let go: dropping it may drop a task, which may drop another sleep.
        let _waker = self.timer.and_then(|timer| self.clock.lock().timers.remove(timer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    fn epoch() -> Timestamp {
        "2026-11-20T14:29:00Z".parse().expect("an instant")
    }

    fn after(clock: &VirtualClock, ms: i64) -> Sleep {
        Sleep { clock: clock.inner.clone(), at: epoch().plus_ms(ms), timer: None }
    }

    #[test]
    fn it_jumps_from_timer_to_timer_in_the_order_of_their_instants() {
        let clock = VirtualClock::new(epoch());
        let seen = Arc::new(Mutex::new(Vec::new()));
        clock
            .run(async {
                let tasks: Vec<_> = [3_600_000, 5, 60_000, 5]
                    .into_iter()
                    .enumerate()
                    .map(|(place, ms)| {
                        let (clock, seen, sleep) = (clock.clone(), seen.clone(), after(&clock, ms));
                        tokio::spawn(async move {
                            sleep.await;
                            seen.lock().expect("lock").push((place, clock.now().ms_since(epoch())));
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("a task");
                }
            })
            .expect("a runtime");
        assert_eq!(*seen.lock().expect("lock"), [(1, 5), (3, 5), (2, 60_000), (0, 3_600_000)]);
    }

    #[test]
    fn of_timers_at_one_instant_the_first_finishes_what_it_can_before_the_next_fires() {
        let clock = VirtualClock::new(epoch());
        let seen = Rc::new(RefCell::new(Vec::new()));
        let work = |name: &'static str| {
            let (seen, sleep) = (seen.clone(), after(&clock, 10));
            async move {
                sleep.await;
                for step in 0..3 {
                    seen.borrow_mut().push((name, step));
                    tokio::task::yield_now().await;
                }
            }
        };
        clock.run(async { tokio::join!(work("a"), work("b")) }).expect("a runtime");
        assert_eq!(*seen.borrow(), [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("b", 2)]);
    }

    #[test]
    fn it_stands_still_while_anything_can_run_and_for_instants_that_have_come() {
        let clock = VirtualClock::new(epoch());
        clock
            .run(async {
                for _ in 0..1_000 {
                    tokio::task::yield_now().await;
                }
                after(&clock, 0).await;
                after(&clock, -5_000).await;
            })
            .expect("a runtime");
        assert_eq!(clock.now(), epoch());
    }

    #[test]
    fn a_sleep_that_is_dropped_is_never_jumped_to() {
        let clock = VirtualClock::new(epoch());
        clock
            .run(async {
                let won = mendlake_ports::clock::by(&clock, epoch().plus_s(3_600), after(&clock, 20)).await;
                assert_eq!((won, clock.now()), (Some(()), epoch().plus_ms(20)));
                after(&clock, 30).await;
            })
            .expect("a runtime");
        assert_eq!(clock.now(), epoch().plus_ms(30));
    }

    #[test]
    fn it_waits_for_what_is_under_way_on_another_thread() {
        let clock = VirtualClock::new(epoch());
        clock
            .run(async {
                let sleeper = tokio::spawn(after(&clock, 1_000));
                let exchange = clock.begin_exchange();
                tokio::task::spawn_blocking(|| (0..3_000_000_u64).fold(0, u64::wrapping_add)).await.expect("work");
                assert_eq!(clock.now(), epoch(), "an hour of work would have passed unseen");
                drop(exchange);
                sleeper.await.expect("a task");
            })
            .expect("a runtime");
        assert_eq!(clock.now(), epoch().plus_ms(1_000));
    }

    #[test]
    fn while_an_answer_is_kept_it_advances_and_then_stands_still_again() {
        let clock = VirtualClock::new(epoch());
        clock
            .run(async {
                let exchange = clock.begin_exchange();
                let id = Some(exchange.id());
                let ticker = tokio::spawn(after(&clock, 2_000));
                clock.keep(id, Some(epoch().plus_ms(500))).await;
                assert_eq!(clock.now(), epoch().plus_ms(500));
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                assert!(!ticker.is_finished(), "the answer is on its way");
                drop(exchange);
                ticker.await.expect("a task");
            })
            .expect("a runtime");
        assert_eq!(clock.now(), epoch().plus_ms(2_000));
    }

    #[test]
    fn keeping_an_exchange_that_is_over_or_unknown_holds_nothing_up() {
        let clock = VirtualClock::new(epoch());
        clock
            .run(async {
                let over = clock.begin_exchange();
                let id = over.id();
                drop(over);
                for exchange in [Some(id), Some(ExchangeId(99)), None] {
                    clock.keep(exchange, Some(clock.now().plus_ms(10))).await;
                }
                let kept = clock.begin_exchange();
                let (id, keeper) = (kept.id(), clock.clone());
                let server = tokio::spawn(async move { keeper.keep(Some(id), None).await });
                after(&clock, 100).await;
                drop(kept);
                server.abort();
                after(&clock, 200).await;
            })
            .expect("a runtime");
        assert_eq!(clock.now(), epoch().plus_ms(200));
        assert_eq!(clock.inner.lock().active, 0);
    }

    #[test]
    #[should_panic(
        expected = "deadlock: nothing happened for 100 ms of real time: at 2026-11-20T14:29:00.000Z, 0 timers"
    )]
    fn where_nothing_can_ever_run_again_it_panics_with_what_there_is() {
        let patience = Patience { idle: Duration::from_millis(100), active: Duration::from_secs(60) };
        let clock = VirtualClock::with_patience(epoch(), patience);
        clock.run(std::future::pending::<()>()).expect("a runtime");
    }

    #[test]
    #[should_panic(expected = "1 timers, 1 exchanges, 1 of them active")]
    fn where_an_exchange_never_ends_it_panics_with_what_there_is() {
        let patience = Patience { idle: Duration::from_secs(60), active: Duration::from_millis(100) };
        let clock = VirtualClock::with_patience(epoch(), patience);
        clock
            .run(async {
                let _exchange = clock.begin_exchange();
                after(&clock, 1_000).await;
            })
            .expect("a runtime");
    }
}
