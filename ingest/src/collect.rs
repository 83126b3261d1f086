//! `collect`: samples the symbols of one message and puts the accepted quotes into the stream.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use futures_util::lock::Mutex;
use mendlake_domain::calendar::Session;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::overlay::{Overlay, Schedule};
use mendlake_domain::quote::{Asked, Row, SAMPLE_WINDOW_MS, accept};
use mendlake_domain::record;
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::task::Sample;
use mendlake_ports::clock::{self, Clock};
use mendlake_ports::control::{self, Control};
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::place::Place;
use mendlake_ports::set_aside::{Rejected, SetAside};
use mendlake_ports::source::{QuoteSource, RateLimit, Reply, SourceError};
use mendlake_ports::source_states::{Health, SourceState, SourceStates};
use mendlake_ports::stream::{NewRecord, Stream};
use serde::{Deserialize, Serialize};

use crate::request::QUOTE_ENDPOINT;

/// A throttled call waits for a reset that comes before this, and is then made once more.
const RESET_BY_MS: i64 = 8_000;

/// A message this much ahead of its minute waits for it; one further ahead was sent by a clock that disagrees with ours.
const EARLY_WAIT_MS: i64 = 5_000;

/// How often a record the stream did not take is appended again.
const APPEND_TRIES: usize = 3;

/// What `collect` did with one message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectReport {
    /// The minute sampled; null where the message could not be read.
    pub minute: Option<Minute>,
    /// Symbols in the message.
    pub symbols: usize,
    /// Requests made.
    pub calls: usize,
    /// Quotes accepted and in the stream.
    pub accepted: usize,
    /// Symbols without an accepted quote, by why. They are left to the reconciler.
    pub missed: BTreeMap<String, usize>,
    /// The message was no message: it is in quarantine.
    pub poisoned: bool,
    /// How long after the minute began the work began, in milliseconds.
    pub lag_ms: i64,
}

/// The overlay as each minute's first message found it: a minute has many messages, and a lake is far away. What is
/// appended later in that minute counts from the next one on.
#[derive(Debug, Default)]
pub struct Overlays(Mutex<Option<(Minute, Overlay)>>);

impl Overlays {
    async fn of(&self, control: &impl Control, minute: Minute) -> Result<Overlay> {
        let mut read = self.0.lock().await;
        match &*read {
            Some((of, overlay)) if *of == minute => Ok(overlay.clone()),
            _ => {
                let overlay = control::overlay(control).await?;
                *read = Some((minute, overlay.clone()));
                Ok(overlay)
            }
        }
    }
}

/// Samples what a message asks for. `Ok` acknowledges the message, whatever was missed; `Err` leaves it to be delivered
/// again, which happens only where accepted quotes could not be made durable or the lake could not be read.
pub async fn collect(
    place: &impl Place,
    settings: &Settings,
    overlays: &Overlays,
    body: &str,
) -> Result<CollectReport> {
    let sample = match Sample::parse(body) {
        Ok(sample) => sample,
        Err(error) => {
            let reason = mendlake_ports::error::chain(&error);
            set_aside(place, "live-queue", &reason, body.as_bytes()).await?;
            return Ok(CollectReport { poisoned: true, ..CollectReport::default() });
        }
    };
    let now = place.clock().now();
    let mut report = CollectReport {
        minute: Some(sample.minute),
        symbols: sample.symbols.len(),
        lag_ms: now.ms_since(sample.minute.start()),
        ..CollectReport::default()
    };
    let Some(session) = session(place, settings, overlays, &sample, now, &mut report).await? else {
        return Ok(report);
    };
    let state = place.ledger().state(place.quotes().name(), QUOTE_ENDPOINT).await?;
    if state.is_denied(now) && state.key_version == place.quotes().key_version().await {
        return Ok(missed_all(report, "denied"));
    }
    place.clock().sleep_until(sample.minute.start()).await;
    let asked = join_all(sample.symbols.iter().map(|symbol| ask(place, symbol, sample.minute))).await;
    let rows = judge(place, &sample, &session, asked, state, &mut report).await?;
    append(place.stream(), &sample, &rows).await?;
    report.accepted = rows.len();
    Ok(report)
}

/// The session to sample in, or `None` where there is nothing left to sample: noted in the report.
async fn session(
    place: &impl Place,
    settings: &Settings,
    overlays: &Overlays,
    sample: &Sample,
    now: Timestamp,
    report: &mut CollectReport,
) -> Result<Option<Session>> {
    let into_ms = now.ms_since(sample.minute.start());
    let why = if into_ms >= SAMPLE_WINDOW_MS {
        "late"
    } else if into_ms < -EARLY_WAIT_MS {
        "early"
    } else {
        let overlay = overlays.of(place.lake(), sample.minute).await?;
        let schedule = Schedule { calendar: settings.calendar, overlay };
        match schedule.session_of(sample.minute) {
            Ok(Some(session)) => return Ok(Some(session)),
            Ok(None) => "no_session",
            Err(error) => return Err(PortError::caused(Kind::Rejected, "find session", error)),
        }
    };
    *report = missed_all(std::mem::take(report), why);
    Ok(None)
}

fn missed_all(mut report: CollectReport, why: &str) -> CollectReport {
    report.missed = BTreeMap::from([(why.to_owned(), report.symbols)]);
    report
}

/// One symbol's answer, or `None` where the sampling window closed first; and how many calls it took.
struct Answered<T> {
    asked: Asked,
    reply: Option<Reply<T>>,
    calls: usize,
}

/// Asks for one quote, once more after a throttle that ends in time.
async fn ask(place: &impl Place, symbol: &Symbol, minute: Minute) -> Answered<Option<mendlake_domain::quote::Quote>> {
    let deadline = minute.start().plus_ms(SAMPLE_WINDOW_MS);
    let mut calls = 0;
    loop {
        let at = place.clock().now();
        calls += 1;
        let reply = clock::by(place.clock(), deadline, place.quotes().quote(symbol)).await;
        let asked = Asked { at, answered_at: place.clock().now() };
        if calls == 1
            && let Some(Reply { outcome: Err(SourceError::Throttled { reset_at: Some(reset_at) }), .. }) = &reply
            && reset_at.ms_since(minute.start()) < RESET_BY_MS
        {
            place.clock().sleep_until(*reset_at).await;
            continue;
        }
        return Answered { asked, reply, calls };
    }
}

/// Judges every answer: accepted rows; everything else is counted, and corrupt answers are set aside.
async fn judge(
    place: &impl Place,
    sample: &Sample,
    session: &Session,
    answers: Vec<Answered<Option<mendlake_domain::quote::Quote>>>,
    state: SourceState,
    report: &mut CollectReport,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut learnt = Learnt::default();
    for (symbol, answer) in sample.symbols.iter().zip(answers) {
        report.calls += answer.calls;
        learnt.rate = answer.reply.as_ref().and_then(|reply| reply.rate).or(learnt.rate);
        let why = match answer.reply.map(|reply| reply.outcome) {
            None => "timed_out".to_owned(),
            Some(Ok(None)) => "no_value".to_owned(),
            Some(Ok(Some(quote))) => {
                match accept(symbol, sample.minute, session, place.quotes().name(), &quote, answer.asked) {
                    Ok(row) => {
                        rows.push(row);
                        continue;
                    }
                    Err(refusal) => serde_json::to_value(refusal)
                        .ok()
                        .and_then(|name| name.as_str().map(str::to_owned))
                        .expect("a refusal is stored as its name"),
                }
            }
            Some(Err(error)) => {
                learnt.denied |= error == SourceError::Denied;
                if let SourceError::Corrupt { why, body } = &error {
                    set_aside(place, "quote", &format!("`{symbol}`: {why}"), body.as_bytes()).await?;
                }
                error.class().to_owned()
            }
        };
        *report.missed.entry(why).or_default() += 1;
    }
    learnt.store(place, state).await?;
    Ok(rows)
}

/// What the answers told about the source.
#[derive(Default)]
struct Learnt {
    rate: Option<RateLimit>,
    denied: bool,
}

impl Learnt {
    /// Stores what is new, and nothing where nothing is.
    async fn store(self, place: &impl Place, state: SourceState) -> Result<()> {
        let limit = self.rate.map(|rate| rate.limit).or(state.limit);
        let health = if self.denied { Health::Denied } else { Health::Good };
        if !self.denied && (limit, health) == (state.limit, state.health) {
            return Ok(());
        }
        let key_version = place.quotes().key_version().await;
        let since = Some(place.clock().now());
        let state = SourceState { health, since, key_version, limit, ..state };
        place.ledger().set_state(place.quotes().name(), QUOTE_ENDPOINT, &state).await
    }
}

async fn set_aside(place: &impl Place, origin: &str, reason: &str, input: &[u8]) -> Result<()> {
    let rejected = Rejected {
        at: place.clock().now(),
        origin: origin.to_owned(),
        id: mendlake_domain::digest::short(input),
        reason: reason.to_owned(),
        input: input.to_vec(),
    };
    place.lake().quarantine(&rejected).await
}

/// Appends the rows as one record. What the stream may or may not have taken is appended again: a duplicate is one row
/// in the view, a lost record is none.
async fn append(stream: &impl Stream, sample: &Sample, rows: &[Row]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let partition_key = sample.symbols.first().map(Symbol::to_string).unwrap_or_default();
    let record = [NewRecord { partition_key, data: record::encode(rows) }];
    let mut last = None;
    for _ in 0..APPEND_TRIES {
        match stream.append(&record).await.and_then(|mut outcomes| outcomes.pop().unwrap_or(Ok(()))) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind == Kind::Rejected => return Err(error),
            Err(error) => last = Some(error),
        }
    }
    Err(PortError::caused(Kind::Unavailable, "append to stream", last.expect("there was at least one try")))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use mendlake_ports::control::{Appended, Log};

    use super::*;

    /// Logs without an entry that count how often they are read, and cannot be read at first.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Control for Counting {
        async fn append(&self, _: Log, _: usize, _: &[u8]) -> Result<Appended> {
            unreachable!("nobody appends")
        }

        async fn read(&self, _: Log, _: usize) -> Result<Vec<Vec<u8>>> {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => Err(PortError::new(Kind::Unavailable, "read")),
                _ => Ok(Vec::new()),
            }
        }

        fn place_of(&self, _: Log, _: usize) -> String {
            unreachable!("no entry is damaged")
        }
    }

    #[tokio::test]
    async fn the_overlay_is_read_once_for_a_minute_and_again_where_that_failed() {
        let (overlays, control) = (Overlays::default(), Counting::default());
        let minute: Minute = "2026-11-20T14:30:00Z".parse().expect("a minute");
        let read = || control.0.load(Ordering::Relaxed);
        assert!(overlays.of(&control, minute).await.is_err());
        let all = join_all((0..4).map(|_| overlays.of(&control, minute))).await;
        assert!(all.iter().all(Result::is_ok) && read() == 2, "{}", read());
        overlays.of(&control, minute + 1).await.expect("read");
        assert_eq!(read(), 3);
    }
}
