//! What the vendors told, as the clients read it, and what they were asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mendlake_domain::candle::Candle;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::{Quote, SourceName};
use mendlake_domain::symbol::Symbol;

/// A quote as it was answered.
#[derive(Clone, Copy, Debug)]
pub struct ServedQuote {
    /// When its answer arrived, on the pipeline's clock.
    pub answered_at: Timestamp,
    /// What it said.
    pub quote: Quote,
}

/// An answer with candles.
#[derive(Clone, Debug)]
pub struct ServedCandles {
    /// When it arrived, on the pipeline's clock.
    pub answered_at: Timestamp,
    /// Whose it is.
    pub source: SourceName,
    /// The minutes it had a candle of.
    pub told: MinuteSet,
    /// The minutes of its range whose true candle it lacked.
    pub lacked: MinuteSet,
}

/// A request that reached a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When, on the pipeline's clock.
    pub at: Timestamp,
    /// Whether it asked the live provider for candles.
    pub live_providers_candles: bool,
    /// The status it was answered with.
    pub status: u16,
}

/// Everything served, for whoever judges prices.
#[derive(Debug, Default)]
pub struct Served(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    quotes: BTreeMap<Symbol, Vec<ServedQuote>>,
    candles: BTreeMap<Symbol, BTreeMap<Minute, Vec<Candle>>>,
    answers: BTreeMap<Symbol, Vec<ServedCandles>>,
    asked: Vec<Asked>,
}

impl Served {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a quote.
    pub fn quote(&self, symbol: &Symbol, served: ServedQuote) {
        self.state().quotes.entry(symbol.clone()).or_default().push(served);
    }

    /// Notes an answer with candles, beside the true ones of its range.
    pub fn candles(&self, symbol: &Symbol, answered_at: Timestamp, source: &SourceName, of: (&[Candle], &[Candle])) {
        let (answered, truth) = of;
        let mut state = self.state();
        let kept = state.candles.entry(symbol.clone()).or_default();
        for candle in answered {
            let told = kept.entry(candle.minute).or_default();
            if !told.contains(candle) {
                told.push(*candle);
            }
        }
        let told: MinuteSet = answered.iter().map(|candle| candle.minute).collect();
        let lacked = truth.iter().map(|candle| candle.minute).filter(|minute| !told.contains(*minute)).collect();
        let source = source.clone();
        let answer = ServedCandles { answered_at, source, told, lacked };
        state.answers.entry(symbol.clone()).or_default().push(answer);
    }

    /// Notes a request.
    pub fn asked(&self, asked: Asked) {
        self.state().asked.push(asked);
    }

    /// The requests since the first `skip` of them.
    pub fn requests(&self, skip: usize) -> Vec<Asked> {
        self.state().asked.iter().skip(skip).copied().collect()
    }

    /// Whether any answer for the symbol held this price.
    pub fn has_price(&self, symbol: &Symbol, price: f64) -> bool {
        let state = self.state();
        let of_quote = |served: &ServedQuote| {
            served.quote.price == price || served.quote.day.prev_close.is_some_and(|close| close.get() == price)
        };
        let of_candle = |candle: &Candle| candle.close == price || candle.open == price;
        state.quotes.get(symbol).is_some_and(|quotes| quotes.iter().any(of_quote))
            || state.candles.get(symbol).is_some_and(|by| by.values().flatten().any(of_candle))
    }

    /// The quotes of a symbol answered in `[from, to)`.
    pub fn quotes_between(&self, symbol: &Symbol, from: Timestamp, to: Timestamp) -> Vec<ServedQuote> {
        let state = self.state();
        let quotes = state.quotes.get(symbol).into_iter().flatten();
        quotes.filter(|served| from <= served.answered_at && served.answered_at < to).copied().collect()
    }

    /// Every closing price that quotes of the symbol named as that of the session before.
    pub fn quoted_closes(&self, symbol: &Symbol) -> Vec<f64> {
        let state = self.state();
        let quotes = state.quotes.get(symbol).into_iter().flatten();
        quotes.filter_map(|served| served.quote.day.prev_close).map(|price| price.get()).collect()
    }

    /// What was told of one candle.
    pub fn told(&self, symbol: &Symbol, minute: Minute) -> Vec<Candle> {
        let state = self.state();
        state.candles.get(symbol).and_then(|by| by.get(&minute)).cloned().unwrap_or_default()
    }

    /// Every answer with candles of the symbol, in the order of arrival.
    pub fn answers(&self, symbol: &Symbol) -> Vec<ServedCandles> {
        self.state().answers.get(symbol).cloned().unwrap_or_default()
    }
}
