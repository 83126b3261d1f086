//! `/quote`: the current price.

use mendlake_domain::minute::Timestamp;
use mendlake_domain::quote::{Day, Price, Quote};
use mendlake_domain::symbol::Symbol;
use mendlake_ports::secrets::Key;
use mendlake_ports::source::Reply;
use serde::Deserialize;

use super::{read_answer, request};
use crate::http::answer::{Fault, percent_encoded};
use crate::http::object::Object;
use crate::http::{Request, Response};

/// The free plan has US listings; a listing elsewhere is refused by plan.
const PLAN: &str = "a plan with the market data of this symbol's exchange";

/// Asks for the current price of a symbol.
pub fn quote_request(symbol: &Symbol, key: &Key) -> Request {
    request(format!("/quote?symbol={}", percent_encoded(symbol.as_str())), key)
}

/// Reads an answer to [`quote_request`]: `None` where all of it is zero, the vendor's "no value now".
///
/// A day's figure that is zero, null, absent or below zero is null. Whether the quote is accepted is not judged here.
pub fn read_quote(response: &Response, key: &Key) -> Reply<Option<Quote>> {
    read_answer(response, key, PLAN, quote)
}

/// `d` and `dp`, the change since the previous close, are derived and left out.
#[derive(Deserialize)]
struct Body {
    c: f64,
    h: Option<f64>,
    l: Option<f64>,
    o: Option<f64>,
    pc: Option<f64>,
    t: f64,
}

fn quote(body: &[u8]) -> Result<Option<Quote>, Fault> {
    let Object(Body { c, h, l, o, pc, t }) = serde_json::from_slice(body)?;
    if [Some(c), h, l, o, pc, Some(t)].into_iter().flatten().all(|figure| figure == 0.0) {
        return Ok(None);
    }
    let price = |figure: Option<f64>| figure.and_then(Price::new);
    let day = Day { open: price(o), high: price(h), low: price(l), prev_close: price(pc) };
    Ok(Some(Quote { price: c, traded_at: instant(t)?, day }))
}

/// Seconds, whole in every answer seen. JSON has no infinity, so what is outside is a number no clock shows.
fn instant(epoch_s: f64) -> Result<Timestamp, Fault> {
    const YEAR_10000: f64 = 253_402_300_800.0;
    if epoch_s.abs() >= YEAR_10000 {
        return Err(Fault::wrong("`t` is no epoch second"));
    }
    Ok(Timestamp::from_epoch_ms((epoch_s * 1000.0).floor() as i64))
}
