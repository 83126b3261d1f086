//! Alpaca's `/v2/stocks/bars` and `/v2/stocks/{symbol}/bars`.

use std::fmt::Write;

use chrono::{NaiveDate, NaiveTime};
use mendlake_domain::candle::Candle;
use mendlake_domain::minute::{Minute, Timestamp};

use crate::market::Market;

use super::Plan;
use super::answer::Answer;
use super::asked::Asked;
use super::candle::out_at;
use super::faults::Active;
use super::script::What;

/// A bar is out that long after its minute.
const LATE_S: i64 = 1;

/// What a free key may not ask for.
const RECENT_S: i64 = 15 * 60;

/// The most bars of a page, and how many a page has where nothing is said.
const MOST: usize = 10_000;
const USUAL: usize = 1_000;

/// What was asked, understood.
struct Range {
    start: Timestamp,
    end: Timestamp,
    limit: usize,
    newest_first: bool,
    /// Where the page begins: a symbol and the first minute of it that no earlier page had.
    after: Option<(String, Minute)>,
}

/// One-minute bars, both bounds inclusive, symbol by symbol, a page at a time. Trade counts and averages are made up
/// (`n`, `vw`): the market keeps none.
pub(super) fn answer(market: &Market, now: Timestamp, asked: &Asked, plan: Plan, active: &Active<'_>) -> Answer {
    let range = match range(now, asked, plan) {
        Ok(range) => range,
        Err(why) => return asked.provider.refusals().malformed(&why),
    };
    if plan == Plan::Free && now.ms_since(range.end) < RECENT_S * 1000 {
        return Answer::json(403, r#"{"message":"subscription does not permit querying recent SIP data"}"#);
    }
    let (page, next) = page(market, now, asked, &range, active);
    Answer::json(200, body(asked, &page, next.as_deref(), active))
}

fn range(now: Timestamp, asked: &Asked, plan: Plan) -> Result<Range, String> {
    if asked.symbols.is_empty() {
        return Err("symbols is required".into());
    }
    let only = |name: &str, allowed: &[&str], missing: bool| match asked.parameter(name) {
        Some(value) if !allowed.contains(&value) => Err(format!("invalid {name}: {value}")),
        None if !missing => Err(format!("{name} is required")),
        _ => Ok(()),
    };
    only("timeframe", &["1Min", "1T"], false)?;
    only("feed", &["sip"], true)?;
    only("adjustment", &["raw"], true)?;
    only("sort", &["asc", "desc"], true)?;
    let instant = |name: &str| asked.parameter(name).map(|text| instant(text).ok_or(format!("invalid {name}: {text}")));
    let newest = if plan == Plan::Free { now.plus_s(-RECENT_S) } else { now };
    let end = instant("end").transpose()?.unwrap_or(newest);
    let today = now.date().and_time(NaiveTime::MIN).and_utc().timestamp();
    let start = instant("start").transpose()?.unwrap_or(Timestamp::from_epoch_s(today));
    if end < start {
        return Err("end should not be before start".into());
    }
    let limit = asked.parameter("limit").map_or(Some(USUAL), |text| text.parse().ok());
    let limit = limit.filter(|limit| (1..=MOST).contains(limit)).ok_or("invalid limit: it is 1 to 10000")?;
    let token = asked.parameter("page_token").filter(|token| !token.is_empty());
    let after = token.map(|token| read_token(token).ok_or("invalid page_token")).transpose()?;
    Ok(Range { start, end, limit, newest_first: asked.parameter("sort") == Some("desc"), after })
}

/// RFC 3339, or a date for its midnight in UTC.
fn instant(text: &str) -> Option<Timestamp> {
    let date =
        |text: &str| text.parse::<NaiveDate>().ok().map(|day| day.and_time(NaiveTime::MIN).and_utc().timestamp());
    text.parse().ok().or_else(|| date(text).map(Timestamp::from_epoch_s))
}

type Bars = Vec<(String, Vec<Candle>)>;

/// The page's bars by symbol, and the token of the next page.
fn page(market: &Market, now: Timestamp, asked: &Asked, range: &Range, active: &Active<'_>) -> (Bars, Option<String>) {
    let out = out_at(now, LATE_S + active.candles_late_s());
    let (from, to) = (range.start.minute_at_or_after(), (range.end.minute() + 1).min(out));
    let mut symbols = asked.symbols.clone();
    symbols.sort();
    symbols.dedup();
    let mut page = Bars::new();
    let mut left = range.limit;
    for symbol in symbols {
        let (mut from, mut to) = (from, to);
        match &range.after {
            Some((reached, _)) if symbol < *reached => continue,
            Some((reached, minute)) if symbol == *reached && range.newest_first => to = to.min(*minute + 1),
            Some((reached, minute)) if symbol == *reached => from = from.max(*minute),
            _ => {}
        }
        let mut bars = bars(market, &symbol, (from, to), range.newest_first, left + 1, active);
        if bars.len() > left {
            let next = token(&symbol, bars[left].minute);
            bars.truncate(left);
            page.push((symbol, bars));
            return (page, Some(next));
        }
        left -= bars.len();
        page.push((symbol, bars));
    }
    (page, None)
}

fn bars(
    market: &Market,
    symbol: &str,
    (from, to): (Minute, Minute),
    newest_first: bool,
    most: usize,
    active: &Active<'_>,
) -> Vec<Candle> {
    if active.has(What::NoData) || to <= from {
        return Vec::new();
    }
    let bars = market.candles_lazily(symbol, from, to).filter_map(|candle| active.candle(candle));
    if newest_first {
        let mut all: Vec<Candle> = bars.collect();
        all.reverse();
        all.truncate(most);
        all
    } else {
        bars.take(most).collect()
    }
}

/// Opaque to the caller, and of characters that must be encoded in a URL.
fn token(symbol: &str, minute: Minute) -> String {
    format!("{symbol}|M|{minute}=")
}

fn read_token(token: &str) -> Option<(String, Minute)> {
    let (symbol, minute) = token.strip_suffix('=')?.split_once("|M|")?;
    Some((symbol.to_owned(), minute.parse().ok()?))
}

fn body(asked: &Asked, page: &Bars, next: Option<&str>, active: &Active<'_>) -> String {
    let next = next.map_or("null".to_owned(), |token| format!("\"{token}\""));
    let lists = page.iter().map(|(symbol, bars)| (symbol, list(bars, active)));
    if asked.single {
        let symbol = asked.symbol().unwrap_or_default().replace(['"', '\\'], "");
        let bars = lists.map(|(_, list)| list).find(|list| list != "[]").unwrap_or("null".to_owned());
        return format!(r#"{{"bars":{bars},"next_page_token":{next},"symbol":"{symbol}"}}"#);
    }
    let bars: Vec<String> = lists.filter(|(_, list)| list != "[]").map(|(s, list)| format!("\"{s}\":{list}")).collect();
    format!(r#"{{"bars":{{{}}},"next_page_token":{next}}}"#, bars.join(","))
}

fn list(bars: &[Candle], active: &Active<'_>) -> String {
    let shift = i64::from(active.has(What::OffMinute)) * 17;
    let mut text = String::from("[");
    for (place, bar) in bars.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let lacks_close = active.has(What::Unequal) && place + 1 == bars.len();
        let close = if lacks_close { String::new() } else { format!("\"c\":{},", bar.close) };
        let at = chrono::DateTime::from_timestamp(bar.minute.epoch_s() + shift, 0).unwrap_or_default();
        let (Candle { open, high, low, volume, .. }, t) = (bar, at.format("%Y-%m-%dT%H:%M:%SZ"));
        let average = ((bar.high + bar.low + bar.close) / 3.0 * 10_000.0).round() / 10_000.0;
        let trades = (volume / 100.0).ceil().max(1.0);
        write!(
            text,
            r#"{comma}{{{close}"h":{high},"l":{low},"n":{trades},"o":{open},"t":"{t}","v":{volume},"vw":{average}}}"#
        )
        .expect("a string takes everything");
    }
    text.push(']');
    text
}
