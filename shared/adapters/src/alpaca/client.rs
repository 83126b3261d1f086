//! Alpaca behind the port of candles.

use std::collections::BTreeMap;

use mendlake_domain::candle::Candle;
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::SourceName;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::secrets::{Secret, Secrets};
use mendlake_ports::source::{CandleSource, KeyVersion, Reply, SourceError};

use super::keys::KeyPair;
use super::wire::{Page, bars_request, read_page};
use crate::http::Transport;
use crate::http::answer::no_answer;
use crate::http::keyed::{version, with_key};

/// The name of Alpaca's rows: the feed is part of it, since another feed has other bars.
pub const NAME: &str = "alpaca:sip";

/// The name of Alpaca's key.
pub const SECRET_NAME: &str = "alpaca";

/// Calls a minute before any header has told: the free plan's.
pub const FREE_LIMIT: u32 = 200;

/// The free plan refuses what is younger than 15 minutes; and a bar is recalculated half a minute after it ends.
const LATENESS_MS: i64 = 17 * 60_000;

/// The most pages followed in one call. A session is one page, the longest there are (1,440 minutes) included; servers may
/// cut pages shorter, and one that never ends its pages must not hold a worker or eat the minute's calls.
pub const MAX_PAGES: usize = 5;

/// Alpaca's bars, over any transport.
#[derive(Clone)]
pub struct AlpacaClient<T, S> {
    transport: T,
    secrets: S,
    limit: u32,
    name: SourceName,
}

impl<T: Transport, S: Secrets> AlpacaClient<T, S> {
    /// A client that reads the key `alpaca` from `secrets`. `limit` is the calls a minute to assume until an answer names
    /// the limit: [`FREE_LIMIT`] unless configured.
    pub fn new(transport: T, secrets: S, limit: u32) -> Self {
        Self { transport, secrets, limit, name: NAME.parse().expect("the name is one") }
    }

    /// Follows the pages of one range with one key. All of them or none: a part would prove absence falsely.
    async fn pages(&self, symbol: &Symbol, from: Minute, to: Minute, secret: Secret) -> Reply<Vec<Candle>> {
        // A secret that is no pair is no key: it is refused before the vendor could.
        let Ok(keys) = KeyPair::read(&secret.key) else {
            return Reply { outcome: Err(SourceError::Denied), rate: None };
        };
        let (mut by_minute, mut rate, mut token) = (BTreeMap::new(), None, None);
        for _ in 0..MAX_PAGES {
            let Reply { outcome, rate: newer } = self.page(symbol, from, to, token.as_deref(), &keys).await;
            rate = newer.or(rate);
            match outcome {
                Ok(Page { candles, next }) => {
                    by_minute.extend(candles.into_iter().map(|candle| (candle.minute, candle)));
                    token = next;
                }
                Err(error) => {
                    return Reply { outcome: Err(error), rate };
                }
            }
            if token.is_none() {
                return Reply { outcome: Ok(by_minute.into_values().collect()), rate };
            }
        }
        let why = format!("a session takes more than {MAX_PAGES} pages");
        Reply { outcome: Err(SourceError::Corrupt { why, body: String::new() }), rate }
    }

    async fn page(
        &self,
        symbol: &Symbol,
        from: Minute,
        to: Minute,
        token: Option<&str>,
        keys: &KeyPair,
    ) -> Reply<Page> {
        let request = bars_request(symbol, from, to, token, keys);
        let answer: Result<_, _> = self.transport.get(&request).await;
        answer.map_or_else(|error| no_answer(&error), |response| read_page(&response, symbol, from, to, keys))
    }
}

impl<T: Transport, S: Secrets> CandleSource for AlpacaClient<T, S> {
    fn name(&self) -> &SourceName {
        &self.name
    }

    fn lateness_ms(&self) -> i64 {
        LATENESS_MS
    }

    async fn key_version(&self) -> KeyVersion {
        version(&self.secrets, SECRET_NAME).await
    }

    fn configured_limit(&self) -> u32 {
        self.limit
    }

    async fn candles(&self, symbol: &Symbol, from: Minute, to: Minute) -> Reply<Vec<Candle>> {
        with_key(&self.secrets, SECRET_NAME, |secret| self.pages(symbol, from, to, secret)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::TransportError;
    use crate::http::keyed::fakes::{Scripted, TwoKeys, response};

    /// 2021-02-01T14:30:00Z.
    const FROM: i64 = 26_869_830;

    fn keys() -> TwoKeys {
        TwoKeys { cached: "PKID:sesame", stored: Ok("PKID:sesame") }
    }

    fn symbol() -> Symbol {
        "SPY".parse().expect("symbol")
    }

    fn page(index: i64, next: &str) -> String {
        let t = Minute::from_index(FROM + index);
        format!(
            r#"{{"bars":{{"SPY":[{{"t":"{t}","o":1,"h":2,"l":1,"c":2,"v":9,"n":1,"vw":1.5}}]}},"next_page_token":{next}}}"#
        )
    }

    async fn ask(answers: Vec<Result<crate::http::Response, TransportError>>) -> (Reply<Vec<Candle>>, Scripted) {
        let client = AlpacaClient::new(Scripted::new(answers), keys(), FREE_LIMIT);
        let reply = client.candles(&symbol(), Minute::from_index(FROM), Minute::from_index(FROM + 390)).await;
        (reply, client.transport)
    }

    #[tokio::test]
    async fn pages_are_followed_within_one_call_and_the_last_limit_counts() {
        let limit =
            |left| [("x-ratelimit-limit", "200"), ("x-ratelimit-remaining", left), ("x-ratelimit-reset", "1612195200")];
        let first = response(200, &limit("150"), &page(0, r#""a+b/c=""#));
        let last = response(200, &limit("149"), &page(1, "null"));
        let (reply, transport) = ask(vec![Ok(first), Ok(last)]).await;
        assert_eq!(
            reply.outcome.expect("candles").iter().map(|c| c.minute.index()).collect::<Vec<_>>(),
            [FROM, FROM + 1]
        );
        assert_eq!(reply.rate.map(|r| r.remaining), Some(149));
        let asked = transport.asked();
        assert!(!asked[0].path_and_query.contains("page_token"));
        assert!(asked[1].path_and_query.ends_with("&page_token=a%2Bb%2Fc%3D"), "{}", asked[1].path_and_query);
    }

    #[tokio::test]
    async fn a_page_that_fails_fails_the_call() {
        let (reply, _) = ask(vec![Ok(response(200, &[], &page(0, r#""n""#))), Err(TransportError::TimedOut)]).await;
        assert_eq!(reply.outcome.expect_err("no part of an answer").class(), "unavailable");
        let (reply, _) = ask(vec![Ok(response(200, &[], &page(0, r#""n""#))), Ok(response(429, &[], ""))]).await;
        assert_eq!(reply.outcome.expect_err("no part of an answer").class(), "throttled");
    }

    #[tokio::test]
    async fn pages_without_end_are_given_up() {
        let endless = (0..MAX_PAGES as i64).map(|i| Ok(response(200, &[], &page(i, r#""again""#)))).collect();
        let (reply, transport) = ask(endless).await;
        assert_eq!(reply.outcome.expect_err("given up").class(), "corrupt");
        assert_eq!(transport.asked().len(), MAX_PAGES);
    }

    #[tokio::test]
    async fn a_secret_that_is_no_pair_is_denied_without_a_call() {
        let keys = TwoKeys { cached: "no-pair", stored: Ok("no-pair") };
        let client = AlpacaClient::new(Scripted::new([]), keys, FREE_LIMIT);
        let reply = client.candles(&symbol(), Minute::from_index(0), Minute::from_index(1)).await;
        assert_eq!(reply.outcome, Err(SourceError::Denied));
        assert_eq!((client.name().as_str(), client.configured_limit(), client.lateness_ms()), (NAME, 200, 1_020_000));
        assert_eq!(client.key_version().await, "version-of-7");
    }

    #[tokio::test]
    async fn a_refused_pair_is_replaced_by_a_newer_one() {
        let keys = TwoKeys { cached: "PKID:old", stored: Ok("PKID:newer") };
        let answers = [Ok(response(403, &[], r#"{"message":"forbidden."}"#)), Ok(response(200, &[], &page(0, "null")))];
        let client = AlpacaClient::new(Scripted::new(answers), keys, FREE_LIMIT);
        let reply = client.candles(&symbol(), Minute::from_index(FROM), Minute::from_index(FROM + 1)).await;
        assert_eq!(reply.outcome.expect("candles").len(), 1);
        let used: Vec<_> = client.transport.asked().iter().map(|r| r.headers[1].1.clone()).collect();
        assert_eq!(used, ["old", "newer"]);
    }
}
