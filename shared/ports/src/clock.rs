//! Time, from outside.

use std::future::Future;
use std::pin::pin;

use futures_util::future::{Either, select};
use mendlake_domain::minute::Timestamp;

/// The clock of a place. Every deadline, delay and backoff is against it.
///
/// - `now` never runs backwards within one process, except where the machine's own clock is set back.
/// - `sleep_until` returns at once where the instant is not in the future, and never before it.
pub trait Clock: Send + Sync {
    /// The current instant.
    fn now(&self) -> Timestamp;

    /// Waits until the instant.
    fn sleep_until(&self, at: Timestamp) -> impl Future<Output = ()> + Send;
}

/// Runs work until a deadline: `None` where the deadline came first, and the work is then dropped.
///
/// Work that is ready is taken even where the deadline has come too.
pub async fn by<T>(clock: &impl Clock, deadline: Timestamp, work: impl Future<Output = T> + Send) -> Option<T> {
    match select(pin!(work), pin!(clock.sleep_until(deadline))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(((), _)) => None,
    }
}
