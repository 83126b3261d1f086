//! Alpaca's requests and answers, as pure functions: no socket, no clock.

use std::collections::BTreeMap;
use std::fmt;

use mendlake_domain::candle::Candle;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::symbol::Symbol;
use mendlake_ports::source::{Reply, SourceError};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::keys::KeyPair;
use crate::http::answer::{Fault, Refused, percent_encoded, read};
use crate::http::bars::checked;
use crate::http::object::Object;
use crate::http::{Request, Response};

/// The most bars Alpaca puts on a page: 25 regular sessions.
const PAGE_LIMIT: u32 = 10_000;

/// One page of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Candles of the asked range, ascending, one a minute.
    pub candles: Vec<Candle>,
    /// What the next page is asked for with; `None` on the last.
    pub next: Option<String>,
}

/// Asks for the one-minute bars of `[from, to)`, from the beginning or from a page's token. The vendor's bounds are both
/// inclusive, and so the last is `to`'s predecessor. Raw prices of the consolidated tape: a live quote is unadjusted too,
/// and the free feed of one exchange alone has other bars.
pub fn bars_request(symbol: &Symbol, from: Minute, to: Minute, token: Option<&str>, keys: &KeyPair) -> Request {
    let [symbol, start, end] =
        [symbol.to_string(), from.to_string(), (to + -1).to_string()].map(|t| percent_encoded(&t));
    let token = token.map(|token| format!("&page_token={}", percent_encoded(token))).unwrap_or_default();
    Request {
        path_and_query: format!(
            "/v2/stocks/bars?symbols={symbol}&timeframe=1Min&start={start}&end={end}\
             &limit={PAGE_LIMIT}&adjustment=raw&feed=sip&sort=asc{token}"
        ),
        headers: vec![
            ("apca-api-key-id", keys.id.expose().to_owned()),
            ("apca-api-secret-key", keys.secret.expose().to_owned()),
        ],
    }
}

/// Reads an answer to [`bars_request`]: the candles of `[from, to)`. Null bars, and none of the symbol, are no candles.
///
/// Of two bars of one minute the later in the answer stands; bars of other symbols are not looked at.
pub fn read_page(response: &Response, symbol: &Symbol, from: Minute, to: Minute, keys: &KeyPair) -> Reply<Page> {
    read(response, &keys.hidden(), refusal, |body| page(body, symbol, from, to))
}

/// What Alpaca's 4xx mean. A wrong key and a plan's limits both come with a 403, so its words decide.
fn refusal(refused: Refused) -> SourceError {
    let Refused { status, .. } = refused;
    let recent = refused.says("querying recent") || refused.says("too late for subscription");
    match status {
        // Until 2022 the same came with a 422.
        403 | 422 if recent => SourceError::Recent,
        401 | 403 if refused.says("subscription") => SourceError::NotEntitled { plan: refused.words },
        401 | 403 => SourceError::Denied,
        _ => SourceError::Rejected { status },
    }
}

#[derive(Deserialize)]
struct Body {
    bars: Bars,
    symbol: Option<String>,
    next_page_token: Option<String>,
}

/// The bars of one symbol, or by symbol: the vendor's two endpoints differ.
enum Bars {
    OfOne(Vec<Object<Bar>>),
    BySymbol(BTreeMap<String, Option<Vec<Object<Bar>>>>),
}

#[derive(Deserialize)]
struct Bar {
    t: String,
    o: f64,
    h: f64,
    l: f64,
    c: f64,
    v: f64,
}

fn page(body: &[u8], symbol: &Symbol, from: Minute, to: Minute) -> Result<Page, Fault> {
    let Object::<Body>(body) = serde_json::from_slice(body)?;
    if body.symbol.is_some_and(|answered| answered != symbol.as_str()) {
        return Err(Fault::wrong("the bars are of another symbol"));
    }
    let bars = match body.bars {
        Bars::OfOne(bars) => bars,
        Bars::BySymbol(mut by_symbol) => by_symbol.remove(symbol.as_str()).flatten().unwrap_or_default(),
    };
    let mut by_minute = BTreeMap::new();
    for Object(bar) in bars {
        let minute = minute(&bar.t)?;
        if from <= minute && minute < to {
            let Bar { o: open, h: high, l: low, c: close, v: volume, .. } = bar;
            by_minute.insert(minute, checked(Candle { minute, open, high, low, close, volume })?);
        }
    }
    let next = body.next_page_token.filter(|token| !token.is_empty());
    Ok(Page { candles: by_minute.into_values().collect(), next })
}

fn minute(text: &str) -> Result<Minute, Fault> {
    let at: Timestamp = text.parse().map_err(|_| Fault::wrong(format!("`t` is not RFC 3339: `{text}`")))?;
    match at.minute().start() == at {
        true => Ok(at.minute()),
        false => Err(Fault::wrong(format!("`t` is not the start of a minute: `{text}`"))),
    }
}

impl<'de> Deserialize<'de> for Bars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BarsVisitor)
    }
}

/// By hand, since serde's untagged enums lose whether the body was cut off.
struct BarsVisitor;

impl<'de> Visitor<'de> for BarsVisitor {
    type Value = Bars;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bars, bars by symbol, or null")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Bars, E> {
        Ok(Bars::OfOne(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, bars: A) -> Result<Bars, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(bars)).map(Bars::OfOne)
    }

    fn visit_map<A: MapAccess<'de>>(self, bars: A) -> Result<Bars, A::Error> {
        BTreeMap::deserialize(MapAccessDeserializer::new(bars)).map(Bars::BySymbol)
    }
}

#[cfg(test)]
mod tests;
