//! `/stock/market-holiday` and `/stock/symbol`: what Finnhub knows of the US market.

use std::borrow::Cow;
use std::fmt;

use chrono::{NaiveDate, NaiveTime};
use mendlake_domain::calendar::Calendar;
use mendlake_domain::overlay::Change;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::secrets::Key;
use mendlake_ports::source::{Holiday, Reply, SourceError};
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::{read_answer, request};
use crate::http::answer::{Fault, Refused, read};
use crate::http::object::Object;
use crate::http::{Request, Response};

/// Neither endpoint is described as premium.
const PLAN: &str = "a plan with the US market's holidays and symbols";

/// The zone every hour of the US exchange is in.
const ZONE: &str = "America/New_York";

/// Asks for closures and early closes of the US exchanges.
pub fn holidays_request(key: &Key) -> Request {
    request("/stock/market-holiday?exchange=US".into(), key)
}

/// Asks for the directory of US symbols: some 30,000 entries, 7 MB, answered with a redirect to a signed file.
pub fn directory_request(key: &Key) -> Request {
    request("/stock/symbol?exchange=US".into(), key)
}

/// Reads an answer to [`holidays_request`], in the vendor's order. One row that cannot be read makes all of it corrupt:
/// a day that is left out silently would be expected and never come.
///
/// Of a day's hours only the close is taken: the overlay has no late opening.
pub fn read_holidays(response: &Response, key: &Key) -> Reply<Vec<Holiday>> {
    read_answer(response, key, PLAN, holidays)
}

/// Reads an answer to [`directory_request`] that holds the directory itself.
pub fn read_listed(response: &Response, symbol: &Symbol, key: &Key) -> Reply<bool> {
    read_answer(response, key, PLAN, |body| listed(body, symbol))
}

/// Where an answer to [`directory_request`] says the directory is kept.
pub fn redirect(response: &Response) -> Option<Request> {
    let location = match response.status {
        301 | 302 | 303 | 307 | 308 => response.header("location")?,
        _ => return None,
    };
    // Never the key's header: the file is another host's.
    Some(Request { path_and_query: location.to_owned(), headers: vec![] })
}

/// Reads the directory's file from the host it is kept on. That host knows no key, so whatever it refuses says nothing of
/// the key or its plan: the signature has expired, or it is down.
pub fn read_directory_file(response: &Response, symbol: &Symbol) -> Result<bool, SourceError> {
    let down =
        |refused: Refused| SourceError::Unavailable { why: format!("the directory's file, status {}", refused.status) };
    read(response, &[], down, |body| listed(body, symbol)).outcome
}

#[derive(Deserialize)]
struct Body {
    data: Vec<Object<Row>>,
    timezone: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    at_date: NaiveDate,
    event_name: String,
    trading_hour: String,
}

fn holidays(body: &[u8]) -> Result<Vec<Holiday>, Fault> {
    let Object::<Body>(body) = serde_json::from_slice(body)?;
    if body.timezone != ZONE {
        return Err(Fault::wrong(format!("the hours are not in `{ZONE}`: `{}`", body.timezone)));
    }
    body.data
        .into_iter()
        .map(|Object(row)| Ok(Holiday { on: row.at_date, change: change(&row)?, name: row.event_name }))
        .collect()
}

/// No hours is a whole day without trading; otherwise `09:30-13:00`.
fn change(row: &Row) -> Result<Change, Fault> {
    let hours = row.trading_hour.trim();
    if hours.is_empty() {
        return Ok(Change::Closed);
    }
    let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").ok();
    let span = hours.split_once('-').and_then(|(open, close)| Some((time(open)?, time(close)?)));
    match span {
        Some((open, close)) if open < close => {
            Ok(Change::ClosesAt { close: Calendar::Xnys.at_wall_time(row.at_date, close) })
        }
        _ => Err(Fault::wrong(format!("the hours of {} are not like `09:30-13:00`: `{hours}`", row.at_date))),
    }
}

fn listed(body: &[u8], symbol: &Symbol) -> Result<bool, Fault> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let count = json.deserialize_seq(Directory(symbol))?;
    json.end()?;
    match count {
        // A directory of nothing would make every symbol an unknown one.
        Count { all: 0, .. } => Err(Fault::wrong("the directory is empty")),
        Count { same, .. } => Ok(same > 0),
    }
}

/// Looks for a symbol while the directory is read, so that none of it is kept.
struct Directory<'a>(&'a Symbol);

struct Count {
    all: usize,
    same: usize,
}

#[derive(Deserialize)]
struct Listing<'a> {
    #[serde(borrow)]
    symbol: Cow<'a, str>,
}

impl<'de> Visitor<'de> for Directory<'_> {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of symbols")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut listings: A) -> Result<Count, A::Error> {
        let mut count = Count { all: 0, same: 0 };
        while let Some(listing) = listings.next_element::<Object<Listing<'de>>>()? {
            count.all += 1;
            count.same += usize::from(listing.0.symbol == self.0.as_str());
        }
        Ok(count)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, _: A) -> Result<Count, A::Error> {
        Err(de::Error::custom("an object instead of a list of symbols"))
    }
}
