//! The ledger's expectations: what was about to be asked, written before anything is.

use std::future::Future;

use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::symbol::Symbol;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// The most symbols in one expectation item.
pub const SYMBOLS_AN_ITEM: usize = 500;

/// The symbols requested for a minute: evidence, never the definition of what is expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// The minute.
    pub minute: Minute,
    /// The symbols, sorted.
    pub symbols: Vec<Symbol>,
    /// When they were requested.
    pub requested_at: Timestamp,
}

/// Expectations by minute.
///
/// - An expectation of more than [`SYMBOLS_AN_ITEM`] symbols is kept in as many items as it takes and read back as one.
/// - Recording a minute again replaces it. What was recorded survives power loss.
pub trait Expectations: Send + Sync {
    /// Records what is requested for a minute.
    fn record(&self, expectation: &Expectation) -> impl Future<Output = Result<()>> + Send;

    /// The expectations of minutes in `[from, to)`, by minute. A minute without one was dark.
    fn expectations(&self, from: Minute, to: Minute) -> impl Future<Output = Result<Vec<Expectation>>> + Send;
}
