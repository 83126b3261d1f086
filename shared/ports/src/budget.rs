//! The provider's rate, shared between live collection and replay.

use std::future::Future;

use mendlake_domain::minute::Minute;
use mendlake_domain::quote::SourceName;

use crate::error::Result;

/// What reserving did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// The calls are this caller's.
    Reserved,
    /// The minute was reserved before: this tick is a duplicate and does nothing.
    AlreadyReserved,
}

/// The ledger's budget items.
///
/// - `reserve_live` succeeds once for each provider and minute, however many try at once.
/// - The leases of a minute never add up to more than the smallest `share` asked with, however many try at once. A
///   smaller share that comes late takes nothing back; it ends the leases.
/// - A lease is never given back: calls not made are lost, never made twice.
pub trait Budget: Send + Sync {
    /// Reserves the live calls of a minute.
    fn reserve_live(
        &self,
        provider: &SourceName,
        minute: Minute,
        calls: u32,
    ) -> impl Future<Output = Result<Reservation>> + Send;

    /// Leases up to `calls` calls to replay in this minute, of the `share` that replay has of it; gives how many.
    fn lease_replay(
        &self,
        provider: &SourceName,
        minute: Minute,
        calls: u32,
        share: u32,
    ) -> impl Future<Output = Result<u32>> + Send;
}
