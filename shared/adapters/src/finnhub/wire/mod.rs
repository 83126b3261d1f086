//! Finnhub's requests and answers, as pure functions: no socket, no clock.

mod candle;
mod facts;
mod quote;
#[cfg(test)]
mod recorded;

pub use candle::{candle_request, read_candles};
pub use facts::{directory_request, holidays_request, read_directory_file, read_holidays, read_listed, redirect};
pub use quote::{quote_request, read_quote};

use mendlake_ports::secrets::Key;
use mendlake_ports::source::{Reply, SourceError};

use crate::http::answer::{Fault, Refused, read};
use crate::http::{Request, Response};

/// The header that carries the key. A query parameter would do too, and would put the key into every log of URLs.
pub const KEY_HEADER: &str = "x-finnhub-token";

fn request(path_and_query: String, key: &Key) -> Request {
    Request { path_and_query: format!("/api/v1{path_and_query}"), headers: vec![(KEY_HEADER, key.expose().to_owned())] }
}

fn read_answer<T>(
    response: &Response,
    key: &Key,
    plan: &str,
    body: impl FnOnce(&[u8]) -> Result<T, Fault>,
) -> Reply<T> {
    read(response, &[key.expose()], |refused| refusal(&refused, plan), body)
}

/// What Finnhub's 4xx mean. Its words decide where the status does not: until 2021 a plan's limits came with a 401.
fn refusal(refused: &Refused, plan: &str) -> SourceError {
    let rejected = SourceError::Rejected { status: refused.status };
    match refused.status {
        401 | 403 if refused.says("have access to this resource") => SourceError::NotEntitled { plan: plan.to_owned() },
        401 | 403 if refused.says("api key") => SourceError::Denied,
        // An index of another market: of this symbol alone, so that one symbol of a watchlist never stops the source.
        401 if refused.says("subscription required") => rejected,
        401 => SourceError::Denied,
        _ => rejected,
    }
}
