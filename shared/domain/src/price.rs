//! The basis rule: what the price of a missing minute is, and when it may be said.

use crate::calendar::Session;
use crate::candle::{Candle, CandleRead};
use crate::coverage::MinuteSet;
use crate::gap::{Evidence, OpenReason, Unrecoverable};
use crate::minute::{Minute, Timestamp};
use crate::quiet::{self, Proof};
use crate::quote::{Basis, Day, Price, Row, SourceName, StoredRow};
use crate::symbol::Symbol;

/// How far past the close candles are asked for: they prove that a tail was quiet and never price.
pub const ASKED_PAST_CLOSE_MIN: i64 = 60;

/// A session that opens further than this from the previous close had a split or worse: that close is no price of it.
const PRICE_BREAK: f64 = 0.25;

/// A quarter between two prices in cents is a quarter, though neither is exact in binary.
const ROUNDING: f64 = 1e-9;

/// How many sessions back a previous close is looked for.
pub const PREVIOUS_SESSIONS: usize = 5;

/// A session's last price, read for the session after it.
#[derive(Clone, Debug, PartialEq)]
pub struct PreviousClose {
    /// The close of its last regular candle.
    pub price: Price,
    /// Who answered.
    pub source: SourceName,
    /// When.
    pub read_at: Timestamp,
}

/// What is known of the trading of everything liquid in one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Market {
    /// Nobody was asked yet.
    #[default]
    NotAsked,
    /// Minutes before `complete_to` with a candle of any liquid symbol.
    Traded {
        /// Those minutes.
        minutes: MinuteSet,
        /// Of later minutes nothing is known.
        complete_to: Minute,
    },
    /// Neither a liquid symbol is watched nor has the reference symbol any candle of a session that others have.
    NoWitness,
}

/// Whether the previous close was looked for, and what was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Previous {
    /// Nobody was asked yet.
    #[default]
    NotAsked,
    /// It is known.
    Known(PreviousClose),
    /// No source has a candle of the sessions before.
    None,
}

/// Everything minutes of one symbol-session are judged by.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The symbol.
    pub symbol: &'a Symbol,
    /// Its session, after the overlay.
    pub session: Session,
    /// Answers in hand, in the configured order of their sources.
    pub reads: &'a [CandleRead],
    /// Earlier reads.
    pub earlier: &'a [Evidence],
    /// Sources that must agree before anything is given up: configured, and not known to be without entitlement.
    pub must_agree: &'a [SourceName],
    /// The symbol's current rows of this session, by minute.
    pub current: &'a [StoredRow],
    /// The longest run without candles that is quiet without further proof: at least 3.
    pub quiet_limit: i64,
    /// What the market did.
    pub market: Market,
    /// The close before.
    pub previous: Previous,
}

/// A price for a minute, before it is a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Healed {
    /// The price.
    pub price: Price,
    /// What it is.
    pub basis: Basis,
    /// Whose answer it comes from.
    pub source: SourceName,
    /// Upper bound of the trade's time; null for `open` and `previous_close`.
    pub traded_at: Option<Timestamp>,
    /// When the answer was received.
    pub observed_at: Timestamp,
}

impl Healed {
    /// The row of this price.
    pub fn row(self, symbol: &Symbol, minute: Minute, revision: i64) -> Row {
        let Self { price, basis, source, traded_at, observed_at } = self;
        let day = Day::default();
        Row { symbol: symbol.clone(), minute, price, basis, source, traded_at, day, observed_at, revision }
    }
}

/// What to do about a missing minute.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// This is its price.
    Heal(Healed),
    /// It stays open, for this reason.
    Wait(OpenReason),
    /// It has none, and never will.
    GiveUp(Unrecoverable),
    /// Ask for the close before, then decide again.
    AskPrevious,
    /// Ask what the market did, then decide again. Once asked, the same answer means that it is not known far enough:
    /// the minute waits.
    AskMarket,
}

/// Decides on a minute of the session. A minute outside it waits for ever: candles there never price.
pub fn decide(facts: &Facts<'_>, minute: Minute) -> Decision {
    if !facts.session.contains(minute) {
        return Decision::Wait(OpenReason::Waiting);
    }
    if let Some(healed) = direct(facts, minute) {
        return Decision::Heal(healed);
    }
    let speaks = |read: &CandleRead| read.complete_to >= minute && read.complete_to > facts.session.open;
    if !facts.reads.iter().any(speaks) {
        return Decision::Wait(OpenReason::Waiting);
    }
    if let Some(empty) = decide_empty(facts, minute) {
        return empty;
    }
    let newest = newest_before(facts, minute);
    let run_from = newest.map_or(facts.session.open, |(_, candle)| candle.minute + 1);
    match quiet::proof(facts, run_from, minute, newest.map(|(_, candle)| candle.end())) {
        Proof::AskMarket => Decision::AskMarket,
        Proof::Not(reason) => Decision::Wait(reason),
        Proof::Quiet => match newest {
            Some((read, candle)) => {
                close_of(read, candle).map_or(Decision::Wait(OpenReason::Unavailable), Decision::Heal)
            }
            None => previous_close(facts),
        },
    }
}

/// The price that needs no proof: the candle just before the minute, or at a session's first minute its own.
fn direct(facts: &Facts<'_>, minute: Minute) -> Option<Healed> {
    if minute == facts.session.open {
        return facts.reads.iter().find_map(|read| {
            let price = read.at(minute).and_then(|candle| Price::new(candle.open))?;
            let (source, observed_at) = (read.source.clone(), read.read_at);
            Some(Healed { price, basis: Basis::Open, source, traded_at: None, observed_at })
        });
    }
    facts.reads.iter().find_map(|read| close_of(read, read.at(minute + -1)?))
}

fn close_of(read: &CandleRead, candle: &Candle) -> Option<Healed> {
    let (source, observed_at) = (read.source.clone(), read.read_at);
    let price = Price::new(candle.close)?;
    Some(Healed { price, basis: Basis::Close, source, traded_at: Some(candle.end()), observed_at })
}

/// Whether any answer, in hand or earlier, has a candle of the session.
fn traded_at_all(facts: &Facts<'_>) -> bool {
    let Session { open, close, .. } = facts.session;
    facts.reads.iter().any(|read| read.newest(open, close).is_some())
        || facts.earlier.iter().any(|read| !read.candles.within(open, close).is_empty())
}

/// The newest candle of the session that ended by the minute; of one minute, the one of the source configured first.
fn newest_before<'a>(facts: &'a Facts<'_>, minute: Minute) -> Option<(&'a CandleRead, &'a Candle)> {
    let mut newest: Option<(&CandleRead, &Candle)> = None;
    for read in facts.reads {
        if let Some(candle) = read.newest(facts.session.open, minute)
            && newest.is_none_or(|(_, best)| candle.minute > best.minute)
        {
            newest = Some((read, candle));
        }
    }
    newest
}

/// What is said of a minute of a symbol-session without any candle; `None` where there is one.
///
/// Such a session is never healed. Its minutes are given up once every source that must agree has answered empty twice
/// after the close, an hour apart; not those in which the market as a whole was absent.
pub(crate) fn decide_empty(facts: &Facts<'_>, minute: Minute) -> Option<Decision> {
    if traded_at_all(facts) {
        return None;
    }
    let proved = |source: &SourceName| quiet::read_twice_after_close(facts, Some(source));
    if facts.must_agree.is_empty() || !facts.must_agree.iter().all(proved) {
        return Some(Decision::Wait(OpenReason::Empty));
    }
    Some(match quiet::market_absent(facts, minute, minute + 1) {
        None => Decision::AskMarket,
        Some(true) => Decision::Wait(OpenReason::MarketAbsent),
        Some(false) => Decision::GiveUp(Unrecoverable::NoData),
    })
}

/// The price of a minute before the session's first ended candle.
fn previous_close(facts: &Facts<'_>) -> Decision {
    let Some(opened) = first_open(facts) else {
        // Only an earlier answer had candles: whether the close before is a price of this session cannot be told.
        return Decision::Wait(OpenReason::UnprovenQuiet);
    };
    let known = match (quoted_close(facts), &facts.previous) {
        (Some(quoted), _) => quoted,
        (None, Previous::Known(known)) => known.clone(),
        (None, Previous::NotAsked) => return Decision::AskPrevious,
        (None, Previous::None) if quiet::read_twice_after_close(facts, None) => {
            return Decision::GiveUp(Unrecoverable::NoData);
        }
        (None, Previous::None) => return Decision::Wait(OpenReason::Empty),
    };
    let PreviousClose { price, source, read_at } = known;
    if (opened.get() / price.get() - 1.0).abs() > PRICE_BREAK + ROUNDING {
        return Decision::GiveUp(Unrecoverable::PriceBreak);
    }
    Decision::Heal(Healed { price, basis: Basis::PreviousClose, source, traded_at: None, observed_at: read_at })
}

/// The open of the session's first candle; of one minute, the one of the source configured first.
fn first_open(facts: &Facts<'_>) -> Option<Price> {
    let in_session = |candle: &&Candle| facts.session.contains(candle.minute);
    let first = facts.reads.iter().filter_map(|read| read.candles().iter().find(in_session));
    first.min_by_key(|candle| candle.minute).and_then(|candle| Price::new(candle.open))
}

/// The close before, as the session's first accepted quote that carries it has it.
fn quoted_close(facts: &Facts<'_>) -> Option<PreviousClose> {
    let rows = facts.current.iter().map(|stored| &stored.row);
    let mut accepted = rows.filter(|row| row.basis == Basis::Quote && !row.is_suspect());
    accepted.find_map(|row| {
        Some(PreviousClose { price: row.day.prev_close?, source: row.source.clone(), read_at: row.observed_at })
    })
}

#[cfg(test)]
#[path = "price_tests.rs"]
mod tests;
