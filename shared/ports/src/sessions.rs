//! The lake's table of session statuses.

use std::future::Future;

use chrono::NaiveDate;
use mendlake_domain::status::SessionStatus;

use crate::error::Result;

/// The table `sessions`.
///
/// - Statuses are appended, never changed; appending the same again is harmless. They survive power loss.
/// - The current status of a symbol-session is the one with the newest `as_of`.
pub trait Sessions: Send + Sync {
    /// Appends statuses, of any days.
    fn append(&self, statuses: &[SessionStatus]) -> impl Future<Output = Result<()>> + Send;

    /// The current status of every symbol-session of the days `[first, last]`, by day and symbol.
    fn current(&self, first: NaiveDate, last: NaiveDate) -> impl Future<Output = Result<Vec<SessionStatus>>> + Send;
}
