//! Finnhub behind the ports.

use mendlake_domain::candle::Candle;
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::{Quote, SourceName};
use mendlake_domain::symbol::Symbol;
use mendlake_ports::secrets::{Key, Secrets};
use mendlake_ports::source::{CandleSource, Holiday, KeyVersion, MarketFacts, QuoteSource, Reply};

use super::wire;
use crate::http::answer::no_answer;
use crate::http::keyed::{version, with_key};
use crate::http::{Request, Response, Transport};

/// The name of Finnhub's rows, and of its key.
pub const NAME: &str = "finnhub";

/// Calls a minute before any header has told: the free plan's.
pub const FREE_LIMIT: u32 = 60;

/// A minute's candle is usually served about three minutes later; some come later, and the last may still change.
const LATENESS_MS: i64 = 5 * 60_000;

/// Finnhub's quotes, candles and facts, over any transport.
///
/// A redirect is followed for the directory of symbols alone, once, and without the key.
#[derive(Clone)]
pub struct FinnhubClient<T, S> {
    transport: T,
    secrets: S,
    limit: u32,
    name: SourceName,
}

impl<T: Transport, S: Secrets> FinnhubClient<T, S> {
    /// A client that reads the key `finnhub` from `secrets`. `limit` is the calls a minute to assume until an answer names
    /// the limit: [`FREE_LIMIT`] unless configured.
    pub fn new(transport: T, secrets: S, limit: u32) -> Self {
        Self { transport, secrets, limit, name: NAME.parse().expect("the name is one") }
    }

    async fn get<V: Send>(
        &self,
        request: impl Fn(&Key) -> Request + Send + Sync,
        read: impl Fn(&Response, &Key) -> Reply<V> + Send + Sync,
    ) -> Reply<V> {
        let (request, read) = (&request, &read);
        let call = |key: Key| async move {
            match self.transport.get(&request(&key)).await {
                Ok(response) => read(&response, &key),
                Err(error) => no_answer(&error),
            }
        };
        with_key(&self.secrets, NAME, |secret| call(secret.key)).await
    }

    /// Reads the directory where it is kept, or where the vendor's answer held it, from there.
    async fn follow(&self, answer: Directory, symbol: &Symbol) -> Reply<bool> {
        match answer {
            Directory::Here(listed) => Reply { outcome: Ok(listed), rate: None },
            Directory::There(request) => match self.transport.get(&request).await {
                Ok(file) => Reply { outcome: wire::read_directory_file(&file, symbol), rate: None },
                Err(error) => no_answer(&error),
            },
        }
    }
}

/// The vendor's answer to a question for its directory.
enum Directory {
    /// It held the directory; whether the symbol is in it.
    Here(bool),
    /// It named the place.
    There(Request),
}

impl<T: Transport, S: Secrets> QuoteSource for FinnhubClient<T, S> {
    fn name(&self) -> &SourceName {
        &self.name
    }

    async fn key_version(&self) -> KeyVersion {
        version(&self.secrets, NAME).await
    }

    async fn quote(&self, symbol: &Symbol) -> Reply<Option<Quote>> {
        self.get(|key| wire::quote_request(symbol, key), wire::read_quote).await
    }
}

impl<T: Transport, S: Secrets> CandleSource for FinnhubClient<T, S> {
    fn name(&self) -> &SourceName {
        &self.name
    }

    fn lateness_ms(&self) -> i64 {
        LATENESS_MS
    }

    async fn key_version(&self) -> KeyVersion {
        version(&self.secrets, NAME).await
    }

    fn configured_limit(&self) -> u32 {
        self.limit
    }

    async fn candles(&self, symbol: &Symbol, from: Minute, to: Minute) -> Reply<Vec<Candle>> {
        let request = |key: &Key| wire::candle_request(symbol, from, to, key);
        self.get(request, |response, key| wire::read_candles(response, from, to, key)).await
    }
}

impl<T: Transport, S: Secrets> MarketFacts for FinnhubClient<T, S> {
    fn name(&self) -> &SourceName {
        &self.name
    }

    async fn holidays(&self) -> Reply<Vec<Holiday>> {
        self.get(wire::holidays_request, wire::read_holidays).await
    }

    async fn lists(&self, symbol: &Symbol) -> Reply<bool> {
        let read = |response: &Response, key: &Key| match wire::redirect(response) {
            Some(there) => {
                Reply { outcome: Ok(Directory::There(there)), rate: crate::http::answer::rate_limit(response) }
            }
            None => {
                let Reply { outcome, rate } = wire::read_listed(response, symbol, key);
                Reply { outcome: outcome.map(Directory::Here), rate }
            }
        };
        let Reply { outcome, rate } = self.get(wire::directory_request, read).await;
        match outcome {
            Ok(answer) => Reply { rate, ..self.follow(answer, symbol).await },
            Err(error) => Reply { outcome: Err(error), rate },
        }
    }
}

#[cfg(test)]
mod tests {
    use mendlake_ports::Kind;
    use mendlake_ports::source::{RateLimit, SourceError};

    use super::*;
    use crate::http::TransportError;
    use crate::http::keyed::fakes::{Scripted, TwoKeys, response};

    const QUOTE: &str = r#"{"c":308.82,"h":311.4,"l":305.84,"o":306.12,"pc":304.99,"t":1779480000}"#;

    fn client(
        answers: impl IntoIterator<Item = Result<Response, TransportError>>,
        stored: Result<&'static str, Kind>,
    ) -> FinnhubClient<Scripted, TwoKeys> {
        FinnhubClient::new(Scripted::new(answers), TwoKeys { cached: "old", stored }, FREE_LIMIT)
    }

    fn spy() -> Symbol {
        "SPY".parse().expect("symbol")
    }

    fn keys_used(client: &FinnhubClient<Scripted, TwoKeys>) -> Vec<Option<String>> {
        let asked = client.transport.asked();
        asked.into_iter().map(|request| request.headers.into_iter().next().map(|(_, value)| value)).collect()
    }

    fn used(keys: &[&str]) -> Vec<Option<String>> {
        keys.iter().map(|key| Some((*key).to_owned())).collect()
    }

    #[tokio::test]
    async fn one_call_is_one_request() {
        let client = client([Ok(response(200, &[], QUOTE))], Ok("newer"));
        assert_eq!(client.quote(&spy()).await.outcome.expect("read").map(|quote| quote.price), Some(308.82));
        assert_eq!(keys_used(&client), used(&["old"]));
    }

    #[tokio::test]
    async fn a_refused_key_is_read_fresh_and_the_call_repeated_once_if_it_is_newer() {
        let refused = || Ok(response(401, &[], r#"{"error":"Invalid API key."}"#));
        let rotated = client([refused(), Ok(response(200, &[], QUOTE))], Ok("newer"));
        assert!(rotated.quote(&spy()).await.outcome.is_ok());
        assert_eq!(keys_used(&rotated), used(&["old", "newer"]));
        let both_wrong = client([refused(), refused()], Ok("newer"));
        assert_eq!(both_wrong.quote(&spy()).await.outcome, Err(SourceError::Denied));
        let same = client([refused()], Ok("old"));
        assert_eq!(same.quote(&spy()).await.outcome, Err(SourceError::Denied));
        assert_eq!(keys_used(&same), used(&["old"]));
    }

    #[tokio::test]
    async fn only_a_refused_key_is_tried_again() {
        for (status, body) in
            [(403, r#"{"error":"You don't have access to this resource."}"#), (429, ""), (500, ""), (404, "")]
        {
            let client = client([Ok(response(status, &[], body))], Ok("newer"));
            assert!(client.quote(&spy()).await.outcome.is_err());
            assert_eq!(keys_used(&client), used(&["old"]), "{status}");
        }
    }

    #[tokio::test]
    async fn a_call_without_an_answer_is_unavailable_and_one_without_an_end_corrupt() {
        let (from, to) = (Minute::from_index(0), Minute::from_index(1));
        for (error, class) in [
            (TransportError::TimedOut, "unavailable"),
            (TransportError::Broken("connection reset".into()), "unavailable"),
            (TransportError::TooLong(7), "corrupt"),
        ] {
            let client = client([Err(error)], Ok("old"));
            let reply = client.candles(&spy(), from, to).await;
            assert_eq!((reply.outcome.expect_err("no answer").class(), reply.rate), (class, None));
        }
    }

    #[tokio::test]
    async fn candles_and_holidays_are_asked_for_and_read() {
        let bars = r#"{"s":"ok","t":[60],"o":[1],"h":[1],"l":[1],"c":[1],"v":[1]}"#;
        let days = r#"{"data":[],"timezone":"America/New_York"}"#;
        let client = client([Ok(response(200, &[], bars)), Ok(response(200, &[], days))], Ok("old"));
        let candles = client.candles(&spy(), Minute::from_index(1), Minute::from_index(2)).await;
        assert_eq!(candles.outcome.expect("read").len(), 1);
        assert_eq!(client.holidays().await.outcome, Ok(vec![]));
        let paths: Vec<_> = client.transport.asked().into_iter().map(|request| request.path_and_query).collect();
        let expected =
            ["/api/v1/stock/candle?symbol=SPY&resolution=1&from=60&to=60", "/api/v1/stock/market-holiday?exchange=US"];
        assert_eq!(paths, expected);
    }

    #[tokio::test]
    async fn the_directory_is_read_where_the_answer_says_without_the_key_and_with_the_vendors_rate() {
        let rate = [("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "7"), ("x-ratelimit-reset", "1619234930")];
        let there = [("location", "https://files.example/us?signature=s")];
        let headers = [rate.as_slice(), &there].concat();
        let client = client(
            [Ok(response(302, &headers, "")), Ok(response(200, &[], r#"[{"symbol":"QQQ"},{"symbol":"SPY"}]"#))],
            Ok("newer"),
        );
        let Reply { outcome, rate } = client.lists(&spy()).await;
        assert_eq!(outcome, Ok(true));
        assert!(matches!(rate, Some(RateLimit { remaining: 7, .. })));
        assert_eq!(keys_used(&client), [Some("old".to_owned()), None]);
        assert_eq!(client.transport.asked()[1].path_and_query, "https://files.example/us?signature=s");
    }

    #[tokio::test]
    async fn the_directory_may_be_in_the_answer_itself_and_a_second_redirect_is_not_followed() {
        let here = client([Ok(response(200, &[], r#"[{"symbol":"QQQ"}]"#))], Ok("old"));
        assert_eq!(here.lists(&spy()).await.outcome, Ok(false));
        let on = || Ok(response(302, &[("location", "https://files.example/")], ""));
        let further = client([on(), on()], Ok("old"));
        assert_eq!(further.lists(&spy()).await.outcome.expect_err("not followed").class(), "unavailable");
        assert_eq!(further.transport.asked().len(), 2);
        let lost = client([on(), Err(TransportError::TimedOut)], Ok("old"));
        assert_eq!(lost.lists(&spy()).await.outcome.expect_err("no file").class(), "unavailable");
        let refused = client([Ok(response(401, &[], ""))], Ok("old"));
        assert_eq!(refused.lists(&spy()).await.outcome, Err(SourceError::Denied));
    }

    #[tokio::test]
    async fn no_other_answers_redirect_is_followed() {
        let client = client([Ok(response(302, &[("location", "https://files.example/")], ""))], Ok("old"));
        assert_eq!(client.quote(&spy()).await.outcome.expect_err("not followed").class(), "unavailable");
    }

    #[tokio::test]
    async fn it_tells_its_name_lateness_limit_and_key_version() {
        let client = client([], Ok("newer"));
        assert_eq!((QuoteSource::name(&client).as_str(), CandleSource::name(&client).as_str()), (NAME, NAME));
        assert_eq!(MarketFacts::name(&client).as_str(), NAME);
        assert_eq!((client.lateness_ms(), client.configured_limit()), (300_000, 60));
        assert_eq!(QuoteSource::key_version(&client).await, "version-of-3");
        assert_eq!(CandleSource::key_version(&client).await, "version-of-3");
    }
}
