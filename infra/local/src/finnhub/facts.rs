//! Finnhub's `/stock/market-status` and `/stock/symbol`.

use chrono::NaiveTime;
use mendlake_domain::calendar::Calendar;
use mendlake_domain::minute::Timestamp;

use crate::market::Market;

use super::answer::Answer;
use super::asked::{Asked, SYMBOL_FILE};
use super::chance::drawn;
use super::holidays::event;

/// How long a signed address is good.
const SIGNED_FOR_S: i64 = 300;

/// Whether the exchange is open, and which part of the day it is. As the calendar has it: an unannounced close is not
/// announced here either.
pub(super) fn status(calendar: Calendar, now: Timestamp) -> Answer {
    let day = calendar.day_of(now.minute());
    let session = calendar.session_on(day).ok().flatten();
    let at = |hour| NaiveTime::from_hms_opt(hour, 0, 0).map(|time| calendar.at_wall_time(day, time));
    let minute = now.minute();
    let part = session.and_then(|session| {
        let after = if session.len() < 390 { at(17) } else { at(20) };
        match () {
            () if session.contains(minute) => Some("regular"),
            () if minute < session.open && at(4).is_some_and(|from| minute >= from) => Some("pre-market"),
            () if minute >= session.close && after.is_some_and(|to| minute < to) => Some("post-market"),
            () => None,
        }
    });
    let holiday = event(calendar, day).filter(|_| session.is_none()).map_or("null".to_owned(), |e| format!("\"{e}\""));
    let (open, t) = (part == Some("regular"), now.epoch_s());
    let part = part.map_or("null".to_owned(), |part| format!("\"{part}\""));
    Answer::json(
        200,
        format!(
            r#"{{"exchange":"US","holiday":{holiday},"isOpen":{open},"session":{part},"t":{t},"timezone":"America/New_York"}}"#
        ),
    )
}

/// The directory is a file elsewhere: an address that is signed, good for a while, and needs no key. A whole address where
/// the request named its host, so that clients must go there by themselves as they must to the real one.
pub(super) fn symbol_redirect(seed: u64, now: Timestamp, asked: &Asked) -> Answer {
    match asked.parameter("exchange") {
        Some("US") => {}
        Some(_) => return asked.provider.refusals().not_entitled(),
        None => return asked.provider.refusals().malformed("Missing parameter exchange."),
    }
    let expires = now.epoch_s() + SIGNED_FOR_S;
    let host = asked.host.as_deref().map(|host| format!("http://{host}")).unwrap_or_default();
    let location = format!("{host}{SYMBOL_FILE}?expires={expires}&signature={}", signature(seed, expires));
    Answer::json(302, "").with("location", location)
}

/// The directory's file, where the address is signed and not too old.
pub(super) fn symbol_file(market: &Market, seed: u64, now: Timestamp, asked: &Asked) -> Answer {
    let expires = asked.parameter("expires").and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
    let signed = asked.parameter("signature") == Some(signature(seed, expires).as_str());
    if !signed || now.epoch_s() > expires {
        let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code></Error>";
        return Answer { headers: vec![("content-type", "application/xml".into())], ..Answer::json(403, xml) };
    }
    let row = |listing: &crate::market::Listing| {
        serde_json::json!({
            "currency": "USD", "description": listing.description, "displaySymbol": listing.symbol, "figi": "",
            "isin": null, "mic": "XNYS", "shareClassFIGI": "", "symbol": listing.symbol, "symbol2": "",
            "type": "Common Stock",
        })
    };
    Answer::json(200, serde_json::Value::Array(market.listings().iter().map(row).collect()).to_string())
}

fn signature(seed: u64, expires: i64) -> String {
    format!("{:016x}", drawn(seed, SYMBOL_FILE, &[expires.cast_unsigned()]))
}
