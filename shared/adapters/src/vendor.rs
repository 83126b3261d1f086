//! The vendors of candles as one type, so that a configured list of them is a list.

use mendlake_domain::candle::Candle;
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::SourceName;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::source::{CandleSource, KeyVersion, Reply};

/// One configured source of candles.
#[derive(Clone)]
pub enum Candles<F, A> {
    /// Finnhub, on a paid plan.
    Finnhub(F),
    /// Alpaca.
    Alpaca(A),
}

impl<F: CandleSource, A: CandleSource> CandleSource for Candles<F, A> {
    fn name(&self) -> &SourceName {
        match self {
            Self::Finnhub(source) => source.name(),
            Self::Alpaca(source) => source.name(),
        }
    }

    fn lateness_ms(&self) -> i64 {
        match self {
            Self::Finnhub(source) => source.lateness_ms(),
            Self::Alpaca(source) => source.lateness_ms(),
        }
    }

    async fn key_version(&self) -> KeyVersion {
        match self {
            Self::Finnhub(source) => source.key_version().await,
            Self::Alpaca(source) => source.key_version().await,
        }
    }

    fn configured_limit(&self) -> u32 {
        match self {
            Self::Finnhub(source) => source.configured_limit(),
            Self::Alpaca(source) => source.configured_limit(),
        }
    }

    async fn candles(&self, symbol: &Symbol, from: Minute, to: Minute) -> Reply<Vec<Candle>> {
        match self {
            Self::Finnhub(source) => source.candles(symbol, from, to).await,
            Self::Alpaca(source) => source.candles(symbol, from, to).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alpaca::AlpacaClient;
    use crate::finnhub::FinnhubClient;
    use crate::http::keyed::fakes::{Scripted, TwoKeys, response};

    #[tokio::test]
    async fn a_list_of_vendors_asks_each_in_its_own_words() {
        let keys = || TwoKeys { cached: "id:secret", stored: Ok("id:secret") };
        let no_data = Scripted::new([Ok(response(200, &[], r#"{"s":"no_data"}"#))]);
        let null = Scripted::new([Ok(response(200, &[], r#"{"bars":null,"next_page_token":null}"#))]);
        let sources = [
            Candles::Finnhub(FinnhubClient::new(no_data, keys(), 60)),
            Candles::Alpaca(AlpacaClient::new(null, keys(), 200)),
        ];
        let mut told = Vec::new();
        for source in &sources {
            let reply =
                source.candles(&"SPY".parse().expect("symbol"), Minute::from_index(0), Minute::from_index(1)).await;
            assert_eq!(reply.outcome, Ok(vec![]));
            assert_eq!(source.key_version().await, "version-of-9");
            told.push((source.name().to_string(), source.lateness_ms(), source.configured_limit()));
        }
        assert_eq!(told, [("finnhub".to_owned(), 300_000, 60), ("alpaca:sip".to_owned(), 1_020_000, 200)]);
    }
}
