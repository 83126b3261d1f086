//! Finnhub's `/quote`.

use mendlake_domain::minute::Timestamp;

use crate::market::{Market, Standing};

use super::answer::Answer;
use super::asked::Asked;
use super::faults::Active;
use super::script::What;

/// The last regular trade and its day's figures. Off hours those of the last session; zeros for an unknown symbol, with
/// status 200, and for one that has not traded for two weeks.
pub(super) fn answer(market: &Market, now: Timestamp, asked: &Asked, active: &Active<'_>) -> Answer {
    let Some(symbol) = asked.symbol().filter(|symbol| !symbol.is_empty()) else {
        return asked.provider.refusals().malformed("Missing parameter symbol.");
    };
    let standing = market.standing(symbol, seen_at(market, now, active)).filter(|_| !active.has(What::Zeros));
    Answer::json(
        200,
        match standing {
            Some(standing) if active.has(What::PartialZeros) => {
                body(Standing { open: 0.0, high: 0.0, low: 0.0, previous_close: None, ..standing })
            }
            Some(standing) => body(standing),
            None => r#"{"c":0,"d":null,"dp":null,"h":0,"l":0,"o":0,"pc":0,"t":0}"#.to_owned(),
        },
    )
}

/// The instant the quote is of.
fn seen_at(market: &Market, now: Timestamp, active: &Active<'_>) -> Timestamp {
    if active.has(What::Stale) {
        let today = market.calendar().day_of(now.minute());
        let midnight = market.calendar().at_wall_time(today, chrono::NaiveTime::MIN);
        return midnight.start().plus_ms(-1);
    }
    active.frozen_at().unwrap_or(now)
}

fn body(Standing { last, open, high, low, previous_close }: Standing) -> String {
    // Written by hand: whole numbers have no decimal point on this wire.
    let change = previous_close.filter(|close| *close > 0.0).map(|close| (last.price - close, close));
    let text = |number: Option<f64>| number.map_or("null".to_owned(), |n| rounded(n).to_string());
    let (d, dp) = (text(change.map(|(d, _)| d)), text(change.map(|(d, close)| d / close * 100.0)));
    let (c, pc, t) = (last.price, previous_close.unwrap_or(0.0), last.traded_at.epoch_s());
    format!(r#"{{"c":{c},"d":{d},"dp":{dp},"h":{high},"l":{low},"o":{open},"pc":{pc},"t":{t}}}"#)
}

/// To four decimals, as the vendor's.
fn rounded(number: f64) -> f64 {
    let rounded = (number * 10_000.0).round() / 10_000.0;
    if rounded == 0.0 { 0.0 } else { rounded }
}
