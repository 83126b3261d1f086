//! What a request asks for: vendor, endpoint, parameters, key.

use mendlake_adapters::http::Request;
use serde::{Deserialize, Serialize};

/// A vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// `/api/v1/…`
    Finnhub,
    /// `/v2/stocks/…`
    Alpaca,
}

/// An endpoint of one of the vendors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// Finnhub's `/quote`.
    Quote,
    /// Finnhub's `/stock/candle`.
    Candle,
    /// Finnhub's `/stock/market-holiday`.
    Holiday,
    /// Finnhub's `/stock/market-status`.
    Status,
    /// Finnhub's `/stock/symbol`, which redirects.
    Symbol,
    /// The file it redirects to.
    SymbolFile,
    /// Alpaca's `/v2/stocks/bars` and `/v2/stocks/{symbol}/bars`.
    Bars,
}

/// Where the directory's file is.
pub(super) const SYMBOL_FILE: &str = "/static/symbols/US.json";

/// A request that was understood.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) provider: Provider,
    pub(super) endpoint: Endpoint,
    /// The symbols asked for, as they were spelt.
    pub(super) symbols: Vec<String>,
    /// Whether the symbol stands in the path, as Alpaca's single form has it.
    pub(super) single: bool,
    pub(super) key: Option<String>,
    pub(super) key_in_url: bool,
    pub(super) host: Option<String>,
    query: Vec<(String, String)>,
}

impl Asked {
    /// Reads a request; `None` where no vendor has such an endpoint.
    pub(super) fn read(request: &Request) -> Option<Self> {
        let (path, query) = request.path_and_query.split_once('?').unwrap_or((&request.path_and_query, ""));
        let query: Vec<(String, String)> = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
        let parameter = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        let header = |name: &str| request.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone());
        let list = |name: &str| {
            let text = parameter(name).unwrap_or_default();
            text.split(',').filter(|symbol| !symbol.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        let (endpoint, symbols, single) = match path {
            "/api/v1/quote" => (Endpoint::Quote, parameter("symbol").into_iter().collect(), true),
            "/api/v1/stock/candle" => (Endpoint::Candle, parameter("symbol").into_iter().collect(), true),
            "/api/v1/stock/market-holiday" => (Endpoint::Holiday, vec![], true),
            "/api/v1/stock/market-status" => (Endpoint::Status, vec![], true),
            "/api/v1/stock/symbol" => (Endpoint::Symbol, vec![], true),
            SYMBOL_FILE => (Endpoint::SymbolFile, vec![], true),
            "/v2/stocks/bars" => (Endpoint::Bars, list("symbols"), false),
            _ => (Endpoint::Bars, vec![decoded(path.strip_prefix("/v2/stocks/")?.strip_suffix("/bars")?)], true),
        };
        let in_url = parameter("token").filter(|_| endpoint != Endpoint::Bars);
        let (provider, key) = match endpoint {
            Endpoint::Bars => {
                let key = header("apca-api-key-id").zip(header("apca-api-secret-key"));
                (Provider::Alpaca, key.map(|(id, secret)| format!("{id}:{secret}")))
            }
            _ => (Provider::Finnhub, header("x-finnhub-token").or_else(|| in_url.clone())),
        };
        let (host, key_in_url) = (header("host"), in_url.is_some());
        Some(Self { provider, endpoint, symbols, single, key, key_in_url, host, query })
    }

    /// The symbol, or the first of several.
    pub(super) fn symbol(&self) -> Option<&str> {
        self.symbols.first().map(String::as_str)
    }

    /// The value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (decoded(name), decoded(value))
}

/// Takes the percent-encoding of a query off; what is none stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (byte, hex) {
            (b'%', Some(decoded)) => {
                out.push(decoded);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(path: &str, headers: &[(&'static str, &str)]) -> Option<Asked> {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Asked::read(&Request { path_and_query: path.to_owned(), headers })
    }

    #[test]
    fn queries_are_decoded_and_symbols_found_wherever_a_vendor_has_them() {
        let quote = asked("/api/v1/quote?symbol=BRK%2EB&x=a%2Bb+c%", &[]).expect("a request");
        assert_eq!((quote.endpoint, quote.symbol()), (Endpoint::Quote, Some("BRK.B")));
        assert_eq!(quote.parameter("x"), Some("a+b c%"));
        let many = asked("/v2/stocks/bars?symbols=A%2CB,C&timeframe=1Min", &[]).expect("a request");
        assert_eq!(
            (many.provider, many.symbols.as_slice()),
            (Provider::Alpaca, ["A", "B", "C"].map(String::from).as_slice())
        );
        let one = asked("/v2/stocks/BRK.B/bars?timeframe=1Min", &[]).expect("a request");
        assert!(one.single && one.symbol() == Some("BRK.B"));
    }

    #[test]
    fn the_key_is_read_from_the_header_or_the_query_and_the_latter_is_noted() {
        let header = asked("/api/v1/quote?symbol=A", &[("x-finnhub-token", "k")]).expect("a request");
        assert_eq!((header.key.as_deref(), header.key_in_url), (Some("k"), false));
        let query = asked("/api/v1/quote?symbol=A&token=k", &[]).expect("a request");
        assert_eq!((query.key.as_deref(), query.key_in_url), (Some("k"), true));
        let pair = [("apca-api-key-id", "i"), ("apca-api-secret-key", "s")];
        assert_eq!(asked("/v2/stocks/A/bars", &pair).expect("a request").key.as_deref(), Some("i:s"));
        assert_eq!(asked("/v2/stocks/A/bars", &pair[..1]).expect("a request").key, None);
    }

    #[test]
    fn what_no_vendor_has_is_no_request() {
        for path in ["/", "/api/v1/news", "/v2/stocks/A/trades", "/api/v1/quote/"] {
            assert!(asked(path, &[]).is_none(), "{path}");
        }
    }
}
