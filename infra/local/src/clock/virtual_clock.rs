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
        let state = State {
            now: epoch,
            timers: Timers::default(),
            exchanges: BTreeMap::new(),
            active: 0,
            begun: 0,
            steps: 0,
        };
        Self {
            inner: Arc::new(Inner {
                state: Mutex::new(state),
            }),
        }
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
        Exchange {
            id,
            clock: self.inner.clone(),
        }
    }

    fn runtime(&self) -> io::Result<tokio::runtime::Runtime> {
        let inner = self.inner.clone();
        // tokio calls this when no task is runnable, and looks for runnable tasks again before it really parks.
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(move || inner.advance())
            .build()
    }

    /// Panics with what everybody waits for where nothing happens any more. A real timer, not one of this clock's.
    #[expect(
        clippy::disallowed_methods,
        reason = "a deadlock of virtual time can only be seen from real time"
    )]
    async fn watch(&self) -> std::convert::Infallible {
        let (mut seen, mut idle) = (0, Duration::ZERO);
        loop {
            let look_again = Duration::from_secs(1);
            tokio::time::sleep(look_again).await;
            let state = self.inner.lock();
            idle = if state.steps == seen {
                idle + look_again
            } else {
                Duration::ZERO
            };
            seen = state.steps;
            let patience = if state.active == 0 { DEADLOCK_AFTER } else { STUCK_AFTER };
            let waits = format!(
                "{} timers, {} exchanges, {} of them active",
                state.timers.len(),
                state.exchanges.len(),
                state.active
            );
            let now = state.now;
            drop(state);
            assert!(
                idle < patience,
                "deadlock at {now}: nothing happened for {} s of real time: {waits}",
                idle.as_secs()
            );
        }
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
        Sleep {
            clock: self.inner.clone(),
            at,
            timer: None,
        }
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
        if state.now >= self.at {
            return Poll::Ready(());
        }
        let waits = self
            .timer
            .is_some_and(|timer| state.timers.refresh(timer, context.waker()));
        if !waits {
            self.timer = Some(state.timers.set(self.at, context.waker().clone()));
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        // The waker is dropped after the lock is let go: dropping it may drop a task, which may drop another sleep.
        let _waker = self.timer.and_then(|timer| self.clock.lock().timers.remove(timer));
    }
}
