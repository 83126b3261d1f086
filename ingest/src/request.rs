//! `request`: in minute M−1, announces minute M and sends the messages that will sample it.

use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::overlay::Schedule;
use mendlake_domain::settings::{Settings, most_symbols};
use mendlake_domain::symbol::Symbol;
use mendlake_domain::task::{self, SYMBOLS_A_SAMPLE, Sample};
use mendlake_ports::budget::{Budget, Reservation};
use mendlake_ports::clock::Clock;
use mendlake_ports::control;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::expectations::{Expectation, Expectations};
use mendlake_ports::place::Place;
use mendlake_ports::queue::{MAX_DELAY_MS, Message, Queue, failures};
use mendlake_ports::source::QuoteSource;
use mendlake_ports::source_states::SourceStates;
use serde::{Deserialize, Serialize};

/// The first messages become visible this long after the minute begins; the n-th, n seconds later: 25 calls a second.
const FIRST_VISIBLE_MS: i64 = 1_000;

/// A tick whose messages could not become visible by then is late and does nothing.
const LATE_AFTER_MS: i64 = 5_000;

/// A tick that comes longer than this before its minute is early and does nothing: a queue could not delay the minute's
/// messages, of which the last becomes visible seconds after it began. No scheduler does that whose clock is right.
const EARLY_BEFORE_MS: i64 = MAX_DELAY_MS - 60_000;

/// How often messages that were refused one by one are sent again.
const SEND_TRIES: usize = 3;

/// The endpoint's name in the ledger's source items.
pub const QUOTE_ENDPOINT: &str = "quote";

/// What came of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestOutcome {
    /// Messages were sent.
    Requested,
    /// The minute lies in no session.
    NoSession,
    /// Nothing is watched in this minute.
    NothingWatched,
    /// Too late: nothing was written, reserved or sent.
    Late,
    /// Too early, by a clock that is ahead: nothing was written, reserved or sent. A tick in time finds the minute as if this
    /// one had not come; without one it is dark, and open for the reconciler once it has settled.
    Early,
    /// Another tick of this minute came first: nothing was sent.
    Duplicate,
}

/// What `request` did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestReport {
    /// The minute.
    pub minute: Minute,
    /// What came of it.
    pub outcome: RequestOutcome,
    /// Symbols requested.
    pub symbols: usize,
    /// Watched symbols that the provider's limit leaves no room for: a person must act.
    pub left_out: usize,
    /// Messages accepted by the queue.
    pub messages: usize,
    /// Messages the queue did not accept; their symbols are left to the reconciler.
    pub unsent: usize,
    /// How long after its earliest instant, the start of minute M−1, the tick ran, in milliseconds; below 0 where it ran
    /// before that.
    pub lag_ms: i64,
}

/// Requests the samples of `minute`. Duplicate, late and early ticks are harmless.
pub async fn request(place: &impl Place, settings: &Settings, minute: Minute) -> Result<RequestReport> {
    let now = place.clock().now();
    let report = |outcome| RequestReport {
        minute,
        outcome,
        symbols: 0,
        left_out: 0,
        messages: 0,
        unsent: 0,
        lag_ms: now.ms_since((minute + -1).start()),
    };
    if now.ms_since(minute.start()) > LATE_AFTER_MS {
        return Ok(report(RequestOutcome::Late));
    }
    if minute.start().ms_since(now) > EARLY_BEFORE_MS {
        return Ok(report(RequestOutcome::Early));
    }
    let overlay = control::overlay(place.lake()).await?;
    let schedule = Schedule { calendar: settings.calendar, overlay };
    let in_session = schedule.session_of(minute).map_err(|e| PortError::caused(Kind::Rejected, "find session", e))?;
    if in_session.is_none() {
        return Ok(report(RequestOutcome::NoSession));
    }
    let mut symbols = control::watchlist(place.lake()).await?.at(minute);
    if symbols.is_empty() {
        return Ok(report(RequestOutcome::NothingWatched));
    }
    let left_out = leave_out(place, settings, &mut symbols).await?;
    let calls = u32::try_from(symbols.len()).expect("a watchlist is bounded by the rate limit");
    if place.ledger().reserve_live(place.quotes().name(), minute, calls).await? == Reservation::AlreadyReserved {
        return Ok(report(RequestOutcome::Duplicate));
    }
    let expectation = Expectation { minute, symbols, requested_at: now };
    place.ledger().record(&expectation).await?;
    let messages = messages(&expectation, now);
    let unsent = send(place.live_queue(), &messages).await?;
    let symbols = expectation.symbols.len();
    let messages = messages.len() - unsent;
    Ok(RequestReport { symbols, left_out, messages, unsent, ..report(RequestOutcome::Requested) })
}

/// Cuts the list to what the provider's limit, as last learnt, has room for; gives how many were cut.
///
/// Editing the watchlist refuses what is too large. A limit that falls later must not lose the symbols that still fit.
async fn leave_out(place: &impl Place, settings: &Settings, symbols: &mut Vec<Symbol>) -> Result<usize> {
    let state = place.ledger().state(place.quotes().name(), QUOTE_ENDPOINT).await?;
    let most = most_symbols(state.limit.unwrap_or(settings.rate_limit));
    let left_out = symbols.len().saturating_sub(most);
    symbols.truncate(most);
    Ok(left_out)
}

fn messages(expectation: &Expectation, now: Timestamp) -> Vec<Message> {
    let chunk = |(index, symbols): (usize, &[Symbol])| {
        let sample = Sample { v: task::VERSION, minute: expectation.minute, symbols: symbols.to_vec() };
        let stagger_ms = FIRST_VISIBLE_MS * (1 + i64::try_from(index).expect("a list has few chunks"));
        Message {
            body: serde_json::to_string(&sample).expect("a sample is JSON: its keys are text"),
            visible_at: expectation.minute.start().plus_ms(stagger_ms).max(now),
        }
    };
    expectation.symbols.chunks(SYMBOLS_A_SAMPLE).enumerate().map(chunk).collect()
}

/// Sends messages, those refused again; gives how many were refused to the end. A call of which nothing is known is not
/// repeated: its messages may have been sent, and the calls they cost are reserved once.
async fn send(queue: &impl Queue, messages: &[Message]) -> Result<usize> {
    let mut left = messages.to_vec();
    let mut why = String::new();
    for _ in 0..SEND_TRIES {
        let outcomes = queue.send(&left).await?;
        let (1.., Some(error)) = failures(&outcomes) else { return Ok(0) };
        why = error.chain();
        let refused = left.into_iter().zip(outcomes).filter(|(_, outcome)| outcome.is_err());
        left = refused.map(|(message, _)| message).collect();
    }
    tracing::warn!(stage = "request", unsent = left.len(), "messages are not sent, their minutes are healed: {why}");
    Ok(left.len())
}
