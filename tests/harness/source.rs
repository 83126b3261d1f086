//! A vendor's client, listened to.

use std::sync::Arc;

use mendlake_adapters::memory::clock::ManualClock;
use mendlake_domain::candle::Candle;
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::{Quote, SourceName};
use mendlake_domain::symbol::Symbol;
use mendlake_ports::clock::Clock;
use mendlake_ports::source::{CandleSource, Holiday, KeyVersion, MarketFacts, QuoteSource, Reply};

use crate::broken::Sabotage;
use crate::served::{Served, ServedQuote};
use crate::truth::Truth;

/// How far a sabotaged price is off, as a factor. No trade is that far from another.
const INVENTED: f64 = 1.031_7;

/// A client whose answers are noted as they are read, and then, where a law's protection is broken, altered.
#[derive(Clone)]
pub struct Source<C> {
    /// The client.
    pub client: C,
    /// Where answers are noted.
    pub served: Arc<Served>,
    /// What they are compared with.
    pub truth: Truth,
    /// The pipeline's clock.
    pub clock: ManualClock,
    /// What is broken.
    pub sabotage: Option<Sabotage>,
}

impl<C: QuoteSource> QuoteSource for Source<C> {
    fn name(&self) -> &SourceName {
        self.client.name()
    }

    async fn key_version(&self) -> KeyVersion {
        self.client.key_version().await
    }

    async fn quote(&self, symbol: &Symbol) -> Reply<Option<Quote>> {
        let mut reply = self.client.quote(symbol).await;
        if let Ok(Some(quote)) = &mut reply.outcome {
            let answered_at = self.clock.now();
            self.served.quote(symbol, ServedQuote { answered_at, quote: *quote });
            if self.sabotage == Some(Sabotage::PricesInvented) {
                quote.price *= INVENTED;
            }
        }
        reply
    }
}

impl<C: CandleSource> CandleSource for Source<C> {
    fn name(&self) -> &SourceName {
        self.client.name()
    }

    fn lateness_ms(&self) -> i64 {
        self.client.lateness_ms()
    }

    async fn key_version(&self) -> KeyVersion {
        self.client.key_version().await
    }

    fn configured_limit(&self) -> u32 {
        self.client.configured_limit()
    }

    async fn candles(&self, symbol: &Symbol, from: Minute, to: Minute) -> Reply<Vec<Candle>> {
        let mut reply = self.client.candles(symbol, from, to).await;
        if self.sabotage == Some(Sabotage::BudgetUnlimited) {
            // What is left of the provider's window protects live collection too.
            reply.rate = None;
        }
        if let Ok(candles) = &mut reply.outcome {
            let session = self.truth.session(self.truth.calendar().day_of(from));
            let truth = session.map(|session| self.truth.candles(symbol, &session)).unwrap_or_default();
            let asked: Vec<Candle> = truth.into_iter().filter(|c| from <= c.minute && c.minute < to).collect();
            self.served.candles(symbol, self.clock.now(), self.client.name(), (candles, &asked));
            match self.sabotage {
                Some(Sabotage::PricesInvented) => candles.iter_mut().for_each(|candle| candle.close *= INVENTED),
                Some(Sabotage::CandlesEarly) => {
                    candles.iter_mut().for_each(|candle| candle.minute = candle.minute + -1)
                }
                _ => {}
            }
        }
        reply
    }
}

impl<C: MarketFacts> MarketFacts for Source<C> {
    fn name(&self) -> &SourceName {
        self.client.name()
    }

    async fn holidays(&self) -> Reply<Vec<Holiday>> {
        self.client.holidays().await
    }

    async fn lists(&self, symbol: &Symbol) -> Reply<bool> {
        self.client.lists(symbol).await
    }
}
