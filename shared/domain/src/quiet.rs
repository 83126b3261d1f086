//! Quiet or absent: whether a run without candles means that nothing traded, or that the provider has a hole.

use crate::coverage::{MinuteSet, Run};
use crate::gap::{Evidence, OpenReason, apart};
use crate::minute::{Minute, Timestamp};
use crate::price::{Facts, Market};
use crate::quote::Basis;

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
    /// It depends on what the market did, and nobody was asked.
    AskMarket,
}

/// Judges the run of minutes without candles from `run_from` up to `minute`: is the price before it still the price at
/// `minute`? `priced_to` is the end of the candle that would price it, if any.
///
/// At a session's first minute the run is that minute itself.
pub fn proof(facts: &Facts<'_>, run_from: Minute, minute: Minute, priced_to: Option<Timestamp>) -> Proof {
    let witnesses = witnesses(facts);
    let run_to = minute.max(run_from + 1);
    let next = next_candle(&witnesses, run_to);
    let run = Run {
        from: run_from,
        to: next.unwrap_or(run_to),
    };
    if witnesses.iter().any(|w| !w.candles.within(run_from, run_to).is_empty()) {
        // An earlier answer had a candle here that no answer in hand has: it cannot price, and it denies the quiet.
        return Proof::Not(OpenReason::UnprovenQuiet);
    }
    let known_to = witnesses
        .iter()
        .map(|w| w.complete_to)
        .max()
        .unwrap_or(run_to)
        .min(facts.session.close);
    let reach = run.to.max(known_to.min(next.unwrap_or(known_to)));
    if reach.since(run.from) >= MARKET_ABSENT_MIN || facts.market != Market::NotAsked {
        match market_absent(facts, run.from, run_to) {
            None => return Proof::AskMarket,
            Some(true) => return Proof::Not(OpenReason::MarketAbsent),
            Some(false) => {}
        }
    }
    let quiet = later_quote(facts, minute, priced_to)
        || next.is_some_and(|_| short(facts, &run) || agree(&witnesses, run_to))
        || tail(facts, &witnesses, run_from, run_to);
    if quiet {
        Proof::Quiet
    } else {
        Proof::Not(OpenReason::UnprovenQuiet)
    }
}

/// Whether any minute of `[from, to)` lies in a stretch of ten minutes or more without a candle of anything liquid;
/// `None` where nobody was asked about all of it.
pub fn market_absent(facts: &Facts<'_>, from: Minute, to: Minute) -> Option<bool> {
    match &facts.market {
        Market::NotAsked => None,
        Market::NoWitness => Some(false),
        Market::Traded { complete_to, .. } if *complete_to < to.min(facts.session.close) => None,
        Market::Traded { minutes, complete_to } => {
            let known = MinuteSet::between(facts.session.open, facts.session.close.min(*complete_to));
            let absent = known.difference(minutes).runs();
            Some(
                absent
                    .iter()
                    .any(|run| run.to.since(run.from) >= MARKET_ABSENT_MIN && run.from < to && run.to > from),
            )
        }
    }
}

/// Every read as evidence: those in hand and earlier ones.
fn witnesses(facts: &Facts<'_>) -> Vec<Evidence> {
    facts
        .reads
        .iter()
        .map(Evidence::of)
        .chain(facts.earlier.iter().cloned())
        .collect()
}

fn next_candle(witnesses: &[Evidence], from: Minute) -> Option<Minute> {
    witnesses
        .iter()
        .filter_map(|w| w.candles.iter().find(|m| *m >= from))
        .min()
}

/// A later accepted quote that is no older than three minutes and still shows a trade from before the run.
fn later_quote(facts: &Facts<'_>, minute: Minute, priced_to: Option<Timestamp>) -> bool {
    let Some(priced_to) = priced_to else { return false };
    facts.current.iter().map(|stored| &stored.row).any(|row| {
        let fresh = row.basis == Basis::Quote && row.minute > minute && !row.is_suspect();
        fresh && row.traded_at.is_some_and(|traded| traded < priced_to)
    })
}

/// The whole run, up to the candle after it, is no longer than this symbol's quiet runs are.
fn short(facts: &Facts<'_>, run: &Run) -> bool {
    run.to.since(run.from) <= facts.quiet_limit.max(LIQUID_QUIET_RUN)
}

/// Two reads that hold a candle at or after the minute agree: of two sources, or an hour apart.
fn agree(witnesses: &[Evidence], run_to: Minute) -> bool {
    let holds = |w: &&Evidence| w.candles.last() >= Some(run_to);
    let holding: Vec<&Evidence> = witnesses.iter().filter(holds).collect();
    pair(&holding, |a, b| a.source != b.source || apart(a, b))
}

/// The session's tail: two reads after the close, an hour apart, hold other candles of the session.
fn tail(facts: &Facts<'_>, witnesses: &[Evidence], run_from: Minute, run_to: Minute) -> bool {
    let session = &facts.session;
    let holds = |w: &&Evidence| {
        let in_session = w.candles.within(session.open, session.close);
        w.complete_to >= session.close && !in_session.is_empty() && in_session.last() < Some(run_from)
    };
    let holding: Vec<&Evidence> = witnesses.iter().filter(holds).collect();
    run_to <= session.close && pair(&holding, apart)
}

/// Whether the session is over and was read twice since, an hour apart: what no answer has by then it will not have.
pub fn read_twice_after_close(facts: &Facts<'_>) -> bool {
    let witnesses = witnesses(facts);
    let after: Vec<&Evidence> = witnesses
        .iter()
        .filter(|w| w.complete_to >= facts.session.close)
        .collect();
    pair(&after, apart)
}

fn pair(reads: &[&Evidence], agree: impl Fn(&Evidence, &Evidence) -> bool) -> bool {
    reads.iter().any(|a| reads.iter().any(|b| agree(a, b)))
}
