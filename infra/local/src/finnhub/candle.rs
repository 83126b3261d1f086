//! Finnhub's `/stock/candle`.

use std::fmt::Write;

use mendlake_domain::candle::Candle;
use mendlake_domain::minute::{Minute, Timestamp};

use crate::market::Market;

use super::answer::Answer;
use super::asked::Asked;
use super::faults::Active;
use super::script::What;

/// "Only 1 month of intraday will be returned at a time": of a longer range the newest part comes.
const LONGEST_RANGE_MINUTES: i64 = 31 * 24 * 60;

/// The minute candles of a range, both bounds inclusive, extended hours included, as far as they are out.
pub(super) fn answer(market: &Market, now: Timestamp, asked: &Asked, late_s: i64, active: &Active<'_>) -> Answer {
    let refusals = asked.provider.refusals();
    let number = |name: &str| asked.parameter(name).and_then(|text| text.parse::<i64>().ok());
    let (Some(symbol), Some(from), Some(to)) = (asked.symbol(), number("from"), number("to")) else {
        return refusals.malformed("Missing or wrong parameters: symbol, resolution, from and to are needed.");
    };
    if asked.parameter("resolution") != Some("1") {
        return refusals.malformed("This simulator has resolution 1 only.");
    }
    let out = out_at(now, late_s + active.candles_late_s());
    let to = (Timestamp::from_epoch_s(to).minute() + 1).min(out);
    let from = Timestamp::from_epoch_s(from).minute_at_or_after().max(to + -LONGEST_RANGE_MINUTES);
    let candles: Vec<Candle> = if active.has(What::NoData) || to <= from {
        Vec::new()
    } else {
        market.candles_lazily(symbol, from, to).filter_map(|candle| active.candle(candle)).collect()
    };
    if candles.is_empty() {
        return Answer::json(200, r#"{"s":"no_data"}"#);
    }
    Answer::json(200, body(&candles, active))
}

/// The minute after the last one whose candle is out: none is answered that still forms.
pub(super) fn out_at(now: Timestamp, late_s: i64) -> Minute {
    now.plus_s(-late_s.max(0)).minute()
}

fn body(candles: &[Candle], active: &Active<'_>) -> String {
    let shift = i64::from(active.has(What::OffMinute)) * 17;
    let mut text = String::with_capacity(candles.len() * 48);
    // Written by hand: whole numbers have no decimal point on this wire.
    let closes = &candles[..candles.len() - usize::from(active.has(What::Unequal))];
    list(&mut text, "{\"c\":[", closes, |candle| candle.close);
    list(&mut text, "],\"h\":[", candles, |candle| candle.high);
    list(&mut text, "],\"l\":[", candles, |candle| candle.low);
    list(&mut text, "],\"o\":[", candles, |candle| candle.open);
    list(&mut text, "],\"s\":\"ok\",\"t\":[", candles, |candle| candle.minute.epoch_s() + shift);
    list(&mut text, "],\"v\":[", candles, |candle| candle.volume);
    text.push_str("]}");
    text
}

fn list<T: std::fmt::Display>(text: &mut String, before: &str, candles: &[Candle], value: impl Fn(&Candle) -> T) {
    text.push_str(before);
    for (place, candle) in candles.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        write!(text, "{comma}{}", value(candle)).expect("a string takes everything");
    }
}
