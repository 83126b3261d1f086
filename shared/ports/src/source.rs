//! Where prices come from: quotes, candles, and what a vendor knows of the market.

use std::future::Future;

use chrono::NaiveDate;
use mendlake_domain::candle::Candle;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::overlay::Change;
use mendlake_domain::quote::{Quote, SourceName};
use mendlake_domain::symbol::Symbol;
use serde::{Deserialize, Serialize};

/// A vendor's rate limit, as its answer's headers had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Calls a window.
    pub limit: u32,
    /// Calls left in this window.
    pub remaining: u32,
    /// When the window ends.
    pub reset_at: Timestamp,
}

/// An answer: what it says, and the rate limit it came with.
#[derive(Debug)]
pub struct Reply<T> {
    /// What it says, or why it says nothing.
    pub outcome: Result<T, SourceError>,
    /// The limit, where the answer named one.
    pub rate: Option<RateLimit>,
}

/// Why a source gave no answer. The variant says what to do next; none holds a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The key is refused: the source stops until its key has a new version.
    #[error("the key is refused")]
    Denied,
    /// The key's plan does not include this: bench it, try the next source. Not an attempt.
    #[error("the plan of this key does not include it: {plan}")]
    NotEntitled {
        /// The plan that does, in the vendor's words.
        plan: String,
    },
    /// The range reaches into what the source does not give yet: end it earlier next time.
    #[error("the range is too recent for this key")]
    Recent,
    /// This symbol and endpoint only: count it and name it.
    #[error("the source rejects it, status {status}")]
    Rejected {
        /// The HTTP status.
        status: u16,
    },
    /// Too many calls: wait until the reset. Not an attempt.
    #[error("too many calls")]
    Throttled {
        /// When the window ends, where the answer told.
        reset_at: Option<Timestamp>,
    },
    /// Try again later.
    #[error("unavailable: {why}")]
    Unavailable {
        /// What happened: a status, a timeout, a broken connection.
        why: String,
    },
    /// The answer is not what it should be: set it aside with its body.
    #[error("corrupt: {why}")]
    Corrupt {
        /// What is wrong with it.
        why: String,
        /// The body, bounded in length, with every key taken out.
        body: String,
    },
}

impl SourceError {
    /// The class's name, as reports count it.
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::NotEntitled { .. } => "not_entitled",
            Self::Recent => "recent",
            Self::Rejected { .. } => "rejected",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable { .. } => "unavailable",
            Self::Corrupt { .. } => "corrupt",
        }
    }
}

/// The version of a key: changes when the key does, and tells nothing of it.
pub type KeyVersion = String;

/// A source of current prices.
///
/// - One call is one request to the vendor, never more, but for one repetition with a freshly read key after a 401.
/// - `Ok(None)` is the vendor's "no value now" (all zeros): no proof of a bad symbol.
/// - Whether a quote is accepted is not judged here.
pub trait QuoteSource: Send + Sync {
    /// The name its rows carry.
    fn name(&self) -> &SourceName;

    /// The version of the key in use.
    fn key_version(&self) -> impl Future<Output = KeyVersion> + Send;

    /// The current price of a symbol.
    fn quote(&self, symbol: &Symbol) -> impl Future<Output = Reply<Option<Quote>>> + Send;
}

/// A source of one-minute candles.
///
/// - Candles of `[from, to)` only, ascending, one a minute: what the vendor sends beyond is filtered.
/// - `Ok` with no candle is the vendor's "no data": no proof of absence.
/// - A vendor's pages are followed within one call, each page one request; the range is one session at most.
/// - `to` must not be later than now less `lateness_ms`.
pub trait CandleSource: Send + Sync {
    /// The name its rows carry.
    fn name(&self) -> &SourceName;

    /// How long after a minute's end its candle is whole, in milliseconds.
    fn lateness_ms(&self) -> i64;

    /// The version of the key in use.
    fn key_version(&self) -> impl Future<Output = KeyVersion> + Send;

    /// Requests the vendor allows in a window of 60 s, before any answer has told; and how many of them this source's
    /// live quotes may need is the caller's to know.
    fn configured_limit(&self) -> u32;

    /// The candles of a symbol in `[from, to)`.
    fn candles(&self, symbol: &Symbol, from: Minute, to: Minute) -> impl Future<Output = Reply<Vec<Candle>>> + Send;
}

/// A day a vendor knows to be short or closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holiday {
    /// The trading day.
    pub on: NaiveDate,
    /// What it says: closed, or closing at a time.
    pub change: Change,
    /// The event's name.
    pub name: String,
}

/// What a vendor knows of the market as a whole.
pub trait MarketFacts: Send + Sync {
    /// The name its facts carry.
    fn name(&self) -> &SourceName;

    /// Closures and early closes the vendor knows, past and coming.
    fn holidays(&self) -> impl Future<Output = Reply<Vec<Holiday>>> + Send;

    /// Whether the vendor's directory lists the symbol.
    fn lists(&self, symbol: &Symbol) -> impl Future<Output = Reply<bool>> + Send;
}
