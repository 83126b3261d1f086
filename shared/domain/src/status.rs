//! The status of one symbol-session, as the table `sessions` holds it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::gap::Unrecoverable;
use crate::minute::{Minute, Timestamp};
use crate::quote::Basis;
use crate::symbol::Symbol;

/// Whether a symbol-session is whole. The newest `as_of` of a symbol-session is its current status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// The trading day.
    pub on: NaiveDate,
    /// The symbol.
    pub symbol: Symbol,
    /// The session's first minute.
    pub open: Minute,
    /// The minute after its last, after the overlay.
    pub close: Minute,
    /// Minutes expected of the symbol.
    pub expected: u32,
    /// Expected minutes by the basis of their current row; zero counts are left out.
    pub present: BTreeMap<Basis, u32>,
    /// The most whole minutes in a row known to be without a trade; null where nothing tells.
    pub longest_quiet_run: Option<u32>,
    /// Open minutes.
    pub gaps: u32,
    /// Minutes given up, by why; zero counts are left out.
    pub unrecoverable: BTreeMap<Unrecoverable, u32>,
    /// The age of the oldest current price at its minute, in seconds; null where no row has a time of trade.
    pub oldest_price_age_s: Option<i64>,
    /// Rows whose minute an overlay removed later: they stay in the lake and are no part of the session.
    pub outside: u32,
    /// Nothing is open and nothing is in flight: the session will not change unless somebody asks for it.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// When this was so.
    pub as_of: Timestamp,
}

impl SessionStatus {
    /// Whether the other status says the same, whenever it said it.
    pub fn says_the_same(&self, other: &Self) -> bool {
        Self {
            as_of: other.as_of,
            ..self.clone()
        } == *other
    }

    /// Minutes with a row.
    pub fn present_minutes(&self) -> u32 {
        self.present.values().sum()
    }
}
