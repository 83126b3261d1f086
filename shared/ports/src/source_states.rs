//! The ledger's source items: what is known of a source's health, so that a cold start knows it too.

use std::collections::BTreeSet;
use std::future::Future;

use mendlake_domain::minute::Timestamp;
use mendlake_domain::quote::SourceName;
use mendlake_domain::symbol::Symbol;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::source::KeyVersion;

/// How a source stands with one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Nothing is known against it.
    #[default]
    Good,
    /// The key is refused.
    Denied,
    /// The plan does not include the endpoint.
    NotEntitled,
}

/// The most served symbols kept: enough to notice that one of them stops being served.
pub const MOST_SERVED: usize = 200;

/// What is known of a source's endpoint. All of it holds for one version of the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    /// How it stands.
    pub health: Health,
    /// Since when; of a refused key, when it was refused last.
    pub since: Option<Timestamp>,
    /// The key's version this holds for: a new version clears everything but the limit.
    pub key_version: KeyVersion,
    /// The plan the vendor asks for, where it is not entitled.
    pub plan: Option<String>,
    /// Symbols the plan does not include.
    pub benched: BTreeSet<Symbol>,
    /// Some symbols it has served, at most [`MOST_SERVED`].
    pub served: BTreeSet<Symbol>,
    /// The limit its headers named last.
    pub limit: Option<u32>,
}

/// How long a refused key is left alone: a vendor may refuse one by mistake, and a call an hour hammers nobody.
pub const DENIED_FOR_MS: i64 = 3_600_000;

impl SourceState {
    /// Whether the key was refused too lately to be tried again.
    pub fn is_denied(&self, now: Timestamp) -> bool {
        self.health == Health::Denied && self.since.is_none_or(|since| now.ms_since(since) < DENIED_FOR_MS)
    }
}

/// Source items by source and endpoint.
///
/// - A write replaces the item; the last one wins. Losing one costs a call, never a row.
pub trait SourceStates: Send + Sync {
    /// What is known; the default where nothing is.
    fn state(&self, source: &SourceName, endpoint: &str) -> impl Future<Output = Result<SourceState>> + Send;

    /// Stores what is known.
    fn set_state(
        &self,
        source: &SourceName,
        endpoint: &str,
        state: &SourceState,
    ) -> impl Future<Output = Result<()>> + Send;
}
