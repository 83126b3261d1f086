//! What goes wrong between a client and its service, as data: on which operation, when, what.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mendlake_domain::minute::Timestamp;

use super::asked::{Asked, Service};

/// A fault that is to hit this often on average hits at all, but for one time in 400.
const LIKELY: f64 = 6.0;

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The service takes no more for now. Nothing is done.
    Throttled,
    /// Every second entry of a batch is refused, the first one included; the others are taken.
    HalfFailed,
    /// The service fails, with this status. Nothing is done.
    Down(u16),
    /// The connection breaks before the request arrives.
    Reset,
    /// It is done, and the answer is lost: the connection breaks.
    AnswerLost,
    /// It is done at once, and the answer takes so many milliseconds.
    Slow(i64),
    /// What was deleted comes back so many milliseconds later; what was read is read again from one read before.
    Redelivered(i64),
    /// The function that asked dies before it is done.
    KilledBefore,
    /// The function that asked dies when it is done.
    KilledAfter,
}

impl What {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::HalfFailed => "half failed",
            Self::Down(_) => "5xx",
            Self::Reset => "reset",
            Self::AnswerLost => "answer lost",
            Self::Slow(_) => "slow",
            Self::Redelivered(_) => "redelivered",
            Self::KilledBefore | Self::KilledAfter => "killed",
        }
    }
}

/// One of them: by default every call of the operation, for ever.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    service: Service,
    /// Empty for all.
    operation: &'static str,
    /// What the path has in it, for S3: part of a key.
    path: &'static str,
    /// The name of the function that asks begins so.
    function: &'static str,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    probability: f64,
    most: usize,
    what: What,
}

impl Fault {
    pub(crate) fn on(service: Service, operation: &'static str, what: What) -> Self {
        let (path, function, from, to) = ("", "", None, None);
        Self { service, operation, path, function, from, to, probability: 1.0, most: usize::MAX, what }
    }

    pub(crate) fn of(self, function: &'static str) -> Self {
        Self { function, ..self }
    }

    pub(crate) fn within(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    pub(crate) fn from(self, from: Timestamp) -> Self {
        Self { from: Some(from), ..self }
    }

    pub(crate) fn to(self, to: Timestamp) -> Self {
        Self { to: Some(to), ..self }
    }

    pub(crate) fn by_chance(self, probability: f64) -> Self {
        Self { probability, ..self }
    }

    pub(crate) fn most(self, most: usize) -> Self {
        Self { most, ..self }
    }

    fn is_of(&self, now: Timestamp, asked: &Asked, function: &str) -> bool {
        asked.service == self.service
            && (self.operation.is_empty() || asked.operation == self.operation)
            && asked.path.contains(self.path)
            && function.starts_with(self.function)
            && self.from.is_none_or(|from| from <= now)
            && self.to.is_none_or(|to| now < to)
    }
}

/// Faults to come, and how often each has hit.
#[derive(Debug)]
pub(crate) struct Faults {
    seed: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Each with the calls it was drawn for, and those it hit.
    faults: Vec<(Fault, u64, usize)>,
    entries: usize,
}

impl Faults {
    pub(crate) fn new(seed: u64, faults: Vec<Fault>) -> Self {
        let faults = faults.into_iter().map(|fault| (fault, 0, 0)).collect();
        Self { seed, state: Mutex::new(State { faults, entries: 0 }) }
    }

    /// What goes wrong with this call: the first that hits. What chance decides depends on the seed, the fault, and how
    /// many of its calls came before.
    pub(crate) fn hit(&self, now: Timestamp, asked: &Asked, function: &str) -> Option<What> {
        let mut state = self.lock();
        for (place, (fault, drawn, hits)) in state.faults.iter_mut().enumerate() {
            if *hits < fault.most && fault.is_of(now, asked, function) {
                *drawn += 1;
                if chance(self.seed ^ (place as u64) << 32 ^ *drawn) < fault.probability {
                    *hits += 1;
                    return Some(fault.what);
                }
            }
        }
        None
    }

    /// Whether the next entry of a half-failed batch is refused.
    pub(crate) fn refuses_entry(&self) -> bool {
        let mut state = self.lock();
        state.entries += 1;
        state.entries % 2 == 1
    }

    /// How often each kind has hit each service.
    pub(crate) fn hits(&self) -> BTreeMap<(&'static str, Service), usize> {
        let mut all = BTreeMap::new();
        for (fault, _, hits) in &self.lock().faults {
            *all.entry((fault.what.name(), fault.service)).or_default() += hits;
        }
        all
    }

    /// The faults that never hit, though they should have: a scenario that plans them shows less than it says.
    pub(crate) fn idle(&self) -> Vec<String> {
        let state = self.lock();
        let is_unlikely =
            |fault: &Fault, drawn: u64| fault.probability < 1.0 && fault.probability * (drawn as f64) < LIKELY;
        let idle = state.faults.iter().filter(|(fault, drawn, hits)| *hits == 0 && !is_unlikely(fault, *drawn));
        idle.map(|(fault, drawn, _)| format!("{fault:?} (of {drawn} calls)")).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number in `[0, 1)` that depends on the key alone (SplitMix64).
pub(crate) fn chance(key: u64) -> f64 {
    let mut mixed = key.wrapping_add(0x9E37_79B9_7F4A_7C15);
    for (shift, factor) in [(30, 0xBF58_476D_1CE4_E5B9_u64), (27, 0x94D0_49BB_1331_11EB)] {
        mixed = (mixed ^ mixed >> shift).wrapping_mul(factor);
    }
    ((mixed ^ mixed >> 31) >> 11) as f64 / (1_u64 << 53) as f64
}
