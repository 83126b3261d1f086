//! Adapters in memory: real ones, that lose races, refuse preconditions and deliver again, and forget all at the end.
//!
//! The simulation stands on them: they are deterministic, never wait, and hold no lock across an `await`.

pub mod clock;
pub mod lake;
pub mod ledger;
pub mod queue;
pub mod stream;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. A panic elsewhere leaves no half change behind: every change here is made of steps that do not panic.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
