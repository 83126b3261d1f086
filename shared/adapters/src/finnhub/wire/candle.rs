//! `/stock/candle`: one-minute candles, unadjusted.

use std::collections::BTreeMap;

use mendlake_domain::candle::Candle;
use mendlake_domain::minute::Minute;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::secrets::Key;
use mendlake_ports::source::Reply;
use serde::Deserialize;

use super::{read_answer, request};
use crate::http::answer::{Fault, percent_encoded};
use crate::http::bars::checked;
use crate::http::object::Object;
use crate::http::{Request, Response};

/// Finnhub's description of the endpoint.
const PLAN: &str = "stock candles: `Premium Access Required`";

/// Asks for the one-minute candles of `[from, to)`. The vendor's bounds are both inclusive, so the last is `to`'s
/// predecessor: asking up to `to` would add the minute after the session, its closing print included.
pub fn candle_request(symbol: &Symbol, from: Minute, to: Minute, key: &Key) -> Request {
    let symbol = percent_encoded(symbol.as_str());
    let (from, to) = (from.epoch_s(), (to + -1).epoch_s());
    request(format!("/stock/candle?symbol={symbol}&resolution=1&from={from}&to={to}"), key)
}

/// Reads an answer to [`candle_request`]: the candles of `[from, to)`, ascending, one a minute.
///
/// Of two candles of one minute the later in the answer stands. `no_data` is an answer without candles.
pub fn read_candles(response: &Response, from: Minute, to: Minute, key: &Key) -> Reply<Vec<Candle>> {
    read_answer(response, key, PLAN, |body| candles(body, from, to))
}

/// Parallel arrays; absent where `s` is `no_data`.
#[derive(Deserialize)]
struct Body {
    s: String,
    t: Option<Vec<f64>>,
    o: Option<Vec<f64>>,
    h: Option<Vec<f64>>,
    l: Option<Vec<f64>>,
    c: Option<Vec<f64>>,
    v: Option<Vec<f64>>,
}

fn candles(body: &[u8], from: Minute, to: Minute) -> Result<Vec<Candle>, Fault> {
    let Object::<Body>(body) = serde_json::from_slice(body)?;
    match body.s.as_str() {
        "ok" => {}
        "no_data" => return Ok(Vec::new()),
        other => return Err(Fault::wrong(format!("`s` is neither `ok` nor `no_data`: `{other}`"))),
    }
    let (Some(t), Some(o), Some(h), Some(l), Some(c), Some(v)) = (body.t, body.o, body.h, body.l, body.c, body.v)
    else {
        return Err(Fault::wrong("an array is missing"));
    };
    if [&o, &h, &l, &c, &v].iter().any(|array| array.len() != t.len()) {
        return Err(Fault::wrong("the arrays are of unequal length"));
    }
    let mut by_minute = BTreeMap::new();
    for i in 0..t.len() {
        let minute = minute(t[i])?;
        // Servers have sent bars outside the range: they are nobody's question, whatever they hold.
        if from <= minute && minute < to {
            let candle = Candle { minute, open: o[i], high: h[i], low: l[i], close: c[i], volume: v[i] };
            by_minute.insert(minute, checked(candle)?);
        }
    }
    Ok(by_minute.into_values().collect())
}

fn minute(epoch_s: f64) -> Result<Minute, Fault> {
    const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;
    let whole = epoch_s.fract() == 0.0 && epoch_s.abs() < LARGEST_WHOLE;
    let minute = if whole { Minute::from_epoch_s(epoch_s as i64) } else { None };
    minute.ok_or_else(|| Fault::wrong(format!("`t` is not a multiple of 60: {epoch_s}")))
}
