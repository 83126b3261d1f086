//! The ledger's gap items.

use std::future::Future;

use chrono::NaiveDate;
use mendlake_domain::gap::Gap;
use mendlake_domain::symbol::Symbol;

use crate::error::Result;

/// A gap item and the version it was read at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionedGap {
    /// The item.
    pub gap: Gap,
    /// Rises with every write; 0 for an item that is not stored yet.
    pub version: u64,
}

/// What a conditional write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// It is stored, with this version.
    Stored(u64),
    /// Somebody wrote since it was read: read again and decide again.
    Conflict,
}

/// Gap items by `(on, symbol)`.
///
/// - `write` stores the item if and only if its stored version is the one given (0: there is none). Of several at once,
///   one wins.
/// - `pending` has every item for which [`Gap::is_pending`] holds, `of_session` every item of a trading day; both by day
///   and symbol, and both have what was written before they were called.
pub trait Gaps: Send + Sync {
    /// One item.
    fn gap(&self, on: NaiveDate, symbol: &Symbol) -> impl Future<Output = Result<Option<VersionedGap>>> + Send;

    /// Every item with something left to do.
    fn pending(&self) -> impl Future<Output = Result<Vec<VersionedGap>>> + Send;

    /// Every item of a trading day.
    fn of_session(&self, on: NaiveDate) -> impl Future<Output = Result<Vec<VersionedGap>>> + Send;

    /// Stores an item if its version still is `version`.
    fn write(&self, gap: &Gap, version: u64) -> impl Future<Output = Result<Write>> + Send;
}
