//! What goes wrong at the ports: faults and deaths, decided by the seed call by call, and the trace of all calls.

use std::collections::BTreeSet;
use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use mendlake_adapters::faulty::{Call, Fault, Faults, Text};
use mendlake_adapters::memory::clock::ManualClock;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::Kind;

use crate::dice::Dice;
use crate::executor::TaskId;
use crate::trace::Trace;

/// How likely each fault is at each call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// The call fails before it does anything.
    pub fail_before: f64,
    /// The call is done and its answer lost.
    pub fail_after: f64,
    /// Some items of a call with items of their own are refused.
    pub partial: f64,
    /// The process dies just before a writing call.
    pub die_before: f64,
    /// The process dies just after a writing call.
    pub die_after: f64,
}

/// A death at a chosen writing call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// Which writing call, from 0.
    pub at_write: u64,
    /// Just after it, else just before.
    pub after: bool,
}

/// Decides the faults of one world.
#[derive(Clone, Debug)]
pub struct SimFaults {
    state: Arc<Mutex<State>>,
    clock: ManualClock,
}

#[derive(Debug)]
struct State {
    dice: Dice,
    weather: Weather,
    death: Option<Death>,
    writes: u64,
    calls: u64,
    running: TaskId,
    doomed: BTreeSet<TaskId>,
    trace: Trace,
}

impl SimFaults {
    /// No faults yet.
    pub fn new(dice: Dice, trace: Trace, clock: ManualClock, death: Option<Death>) -> Self {
        let state = State {
            dice,
            weather: Weather::default(),
            death,
            writes: 0,
            calls: 0,
            running: 0,
            doomed: BTreeSet::new(),
            trace,
        };
        let state = Arc::new(Mutex::new(state));
        Self { state, clock }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the weather.
    pub fn set_weather(&self, weather: Weather) {
        self.state().weather = weather;
    }

    /// Says which task is about to run.
    pub fn runs(&self, task: TaskId) {
        self.state().running = task;
    }

    /// The tasks that died since this was asked last.
    pub fn take_doomed(&self) -> BTreeSet<TaskId> {
        std::mem::take(&mut self.state().doomed)
    }

    /// Throws the world's dice.
    pub fn throw<T>(&self, throw: impl FnOnce(&mut Dice) -> T) -> T {
        throw(&mut self.state().dice)
    }

    /// Adds a line to the trace.
    pub fn trace(&self, text: std::fmt::Arguments<'_>) {
        let now = self.clock.now();
        self.state().trace.line(now, text);
    }

    /// How many calls were made so far, and how many of them write.
    pub fn calls(&self) -> (u64, u64) {
        let state = self.state();
        (state.calls, state.writes)
    }

    /// The trace so far.
    pub fn take_trace(&self) -> Trace {
        let mut state = self.state();
        let empty = Trace::new(crate::trace::Keep::Nothing);
        std::mem::replace(&mut state.trace, empty)
    }
}

/// What is decided before a call.
enum Fate {
    Call(Fault),
    Die,
}

impl State {
    fn before(&mut self, call: Call<'_>) -> Fate {
        self.calls += 1;
        let weather = self.weather;
        if call.writes {
            let number = self.writes;
            self.writes += 1;
            let chosen = self.death == Some(Death { at_write: number, after: false });
            if chosen || self.dice.chance(weather.die_before) {
                return Fate::Die;
            }
        }
        let faults = [weather.fail_before, weather.fail_after, weather.partial];
        if faults == [0.0; 3] {
            return Fate::Call(Fault::None);
        }
        let kind = if self.dice.chance(0.2) { Kind::Throttled } else { Kind::Unavailable };
        if self.dice.chance(weather.fail_before) {
            Fate::Call(Fault::FailBefore(kind))
        } else if self.dice.chance(weather.fail_after) {
            Fate::Call(Fault::FailAfter(kind))
        } else if self.dice.chance(weather.partial) {
            Fate::Call(Fault::Partial(self.dice.bits()))
        } else {
            Fate::Call(Fault::None)
        }
    }

    fn dies_after(&mut self, call: Call<'_>) -> bool {
        if !call.writes {
            return false;
        }
        // Adapters in memory never wait, so the newest writing call is this one.
        let chosen = self.death.is_some_and(|death| death.after && death.at_write + 1 == self.writes);
        if chosen {
            self.death = None;
        }
        chosen || self.dice.chance(self.weather.die_after)
    }
}

impl Faults for SimFaults {
    async fn before(&self, call: Call<'_>) -> Fault {
        yield_once().await;
        let now = self.clock.now();
        let fate = {
            let mut state = self.state();
            let task = state.running;
            let fate = state.before(call);
            let (name, arguments) = (call.name, call.arguments);
            match &fate {
                Fate::Die => {
                    state.doomed.insert(task);
                    state.trace.line(now, format_args!("{task} dies before {name} {arguments}"));
                }
                Fate::Call(Fault::None) => state.trace.line(now, format_args!("{task} {name} {arguments}")),
                Fate::Call(fault) => state.trace.line(now, format_args!("{task} {fault:?} {name} {arguments}")),
            }
            fate
        };
        match fate {
            Fate::Call(fault) => fault,
            Fate::Die => pending().await,
        }
    }

    async fn after(&self, call: Call<'_>, answer: Text<'_>) {
        let now = self.clock.now();
        let dies = {
            let mut state = self.state();
            let task = state.running;
            state.trace.line(now, format_args!("{task} {} = {answer}", call.name));
            let dies = state.dies_after(call);
            if dies {
                state.doomed.insert(task);
                state.trace.line(now, format_args!("{task} dies after {}", call.name));
            }
            dies
        };
        if dies {
            pending().await
        }
    }
}

/// Lets every other task run before this one goes on.
pub async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
