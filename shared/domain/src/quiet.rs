//! Quiet or absent: whether a run without candles means that nothing traded, or that the provider has a hole.

use std::borrow::Cow;

use crate::calendar::Session;
use crate::coverage::{MinuteSet, Run};
use crate::gap::{Evidence, OpenReason, apart};
use crate::minute::{Minute, Timestamp};
use crate::price::{ASKED_PAST_CLOSE_MIN, Facts, Market};
use crate::quote::{Basis, Row, SourceName};

/// A run this long that no liquid symbol traded in is no quiet run but a closure or a provider's hole.
pub const MARKET_ABSENT_MIN: i64 = 10;

/// A run this short is quiet wherever a candle follows it; also what no history counts as. The longest true runs of
/// liquid symbols are 0 to 3.
pub const LIQUID_QUIET_RUN: i64 = 3;

/// Whether a run is proved quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Nothing traded.
    Quiet,
    /// Not proved, and why.
    Not(OpenReason),
    /// It depends on what the market did, and that is not known, or not far enough.
    AskMarket,
}

/// Judges the run of minutes without candles from `run_from` up to `minute`: is the price before it still the price at
/// `minute`? `priced_to` is the end of the candle that would price it, if any.
///
/// At a session's first minute the run is that minute itself.
pub fn proof(facts: &Facts<'_>, run_from: Minute, minute: Minute, priced_to: Option<Timestamp>) -> Proof {
    let witnesses: Vec<Cow<'_, Evidence>> = witnesses(facts).collect();
    let run = Run { from: run_from, to: minute.max(run_from + 1) };
    if witnesses.iter().any(|w| !w.candles.within(run.from, run.to).is_empty()) {
        // An earlier answer had a candle here that no answer in hand has: it cannot price, and it denies the quiet.
        return Proof::Not(OpenReason::UnprovenQuiet);
    }
    let quiet = later_quote(facts, minute, priced_to)
        || witnesses.iter().any(|w| short(facts, w, run.to))
        || agree(&facts.session, &witnesses, run.to)
        || tail(&facts.session, &witnesses, run.from);
    match market_absent(facts, run.from, run.to) {
        Some(true) => Proof::Not(OpenReason::MarketAbsent),
        None if reach(&facts.session, &witnesses, run, quiet).since(run.from) >= MARKET_ABSENT_MIN => Proof::AskMarket,
        _ if quiet => Proof::Quiet,
        _ => Proof::Not(OpenReason::UnprovenQuiet),
    }
}

/// Whether any minute of `[from, to)` lies in a stretch of ten minutes or more without a candle of anything liquid.
///
/// `None` where that is not known: nobody was asked about all of it, or it ends in a stretch that is shorter so far but
/// lasts as far as anyone was asked.
pub fn market_absent(facts: &Facts<'_>, from: Minute, to: Minute) -> Option<bool> {
    let (minutes, complete_to) = match &facts.market {
        Market::NotAsked => return None,
        Market::NoWitness => return Some(false),
        Market::Traded { minutes, complete_to } => (minutes, *complete_to),
    };
    let Session { open, close, .. } = facts.session;
    let known_to = close.min(complete_to);
    let without = MinuteSet::between(open, known_to).difference(minutes).runs();
    let mut touching = without.iter().filter(|run| run.from < to && run.to > from);
    if touching.any(|run| run.to.since(run.from) >= MARKET_ABSENT_MIN) {
        return Some(true);
    }
    let lasting = without.last().is_some_and(|run| run.to == known_to && run.from < to);
    let undecided = known_to < close && (known_to < to || lasting);
    (!undecided).then_some(false)
}

/// Whether the session is over and was read twice since, an hour apart, by this source or by any: what no answer has by
/// then it will not have.
pub fn read_twice_after_close(facts: &Facts<'_>, by: Option<&SourceName>) -> bool {
    let after = witnesses(facts).filter(|w| w.complete_to >= facts.session.close);
    pair(after.filter(|w| by.is_none_or(|by| *by == w.source)), apart)
}

/// Every read as evidence: those in hand and earlier ones.
fn witnesses<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = Cow<'a, Evidence>> {
    let in_hand = facts.reads.iter().map(|read| Cow::Owned(Evidence::of(read)));
    in_hand.chain(facts.earlier.iter().map(Cow::Borrowed))
}

/// A later accepted quote that is no older than three minutes still shows a trade from before the run, and no suspect
/// quote shows the same trade: a frozen provider's first quotes are not old enough to be suspect themselves.
fn later_quote(facts: &Facts<'_>, minute: Minute, priced_to: Option<Timestamp>) -> bool {
    let quotes = || facts.current.iter().map(|stored| &stored.row).filter(|row| row.basis == Basis::Quote);
    let before_run = |traded: &Timestamp| priced_to.is_some_and(|priced_to| *traded < priced_to);
    let vouched = |row: &Row| row.traded_at.filter(before_run);
    let mut later = quotes().filter(|row| row.minute > minute).filter_map(vouched);
    later.any(|traded| !quotes().any(|row| row.is_suspect() && row.traded_at == Some(traded)))
}

/// One answer holds a candle at or after the minute, and its own whole run without candles is no longer than this
/// symbol's quiet runs are.
///
/// Its own run, not that of all answers together: where a late answer ends with a candle inside another's hole, the
/// rest of that hole would otherwise look short.
fn short(facts: &Facts<'_>, witness: &Evidence, run_to: Minute) -> bool {
    let open = facts.session.open;
    let from = witness.candles.within(open, run_to).last().map_or(open, |last| last + 1);
    let next = next_candle(&facts.session, witness, run_to);
    next.is_some_and(|next| next.since(from) <= facts.quiet_limit.max(LIQUID_QUIET_RUN))
}

/// Two reads that hold a candle at or after the minute agree: of two sources, or an hour apart.
fn agree(session: &Session, witnesses: &[Cow<'_, Evidence>], run_to: Minute) -> bool {
    let holding = witnesses.iter().filter(|w| next_candle(session, w, run_to).is_some());
    pair(holding.cloned(), |a, b| a.source != b.source || apart(a, b))
}

/// The session's tail: two reads after the close, an hour apart, hold other candles of the session.
fn tail(session: &Session, witnesses: &[Cow<'_, Evidence>], run_from: Minute) -> bool {
    let holding = witnesses.iter().filter(|w| {
        let last = w.candles.within(session.open, session.close).last();
        w.complete_to >= session.close && last.is_some_and(|last| last < run_from)
    });
    pair(holding.cloned(), apart)
}

/// How far in the session the run without candles may reach: to the next candle; without one to the end of what the
/// answers speak of, and where they do not matter, since something else says that it is quiet, to the close.
fn reach(session: &Session, witnesses: &[Cow<'_, Evidence>], run: Run, quiet: bool) -> Minute {
    let next = witnesses.iter().filter_map(|w| next_candle(session, w, run.to)).min();
    let spoken_of = || witnesses.iter().map(|w| w.complete_to).max().unwrap_or(run.to);
    let reach = match next {
        Some(next) => next,
        None if quiet => session.close,
        None => spoken_of(),
    };
    reach.min(session.close)
}

/// The answer's first candle from this minute on, those after the close included.
fn next_candle(session: &Session, witness: &Evidence, from: Minute) -> Option<Minute> {
    let asked_to = session.close + ASKED_PAST_CLOSE_MIN;
    witness.candles.within(from, asked_to).first()
}

fn pair<'a>(reads: impl Iterator<Item = Cow<'a, Evidence>>, agree: impl Fn(&Evidence, &Evidence) -> bool) -> bool {
    let reads: Vec<Cow<'a, Evidence>> = reads.collect();
    reads.iter().any(|a| reads.iter().any(|b| agree(a, b)))
}

#[cfg(test)]
#[path = "quiet_tests.rs"]
mod tests;
