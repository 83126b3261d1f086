//! Frozen quotes: which suspect rows were wrong, which stay, and which rows share a wrong one's trade.

use std::collections::BTreeSet;

use crate::coverage::MinuteSet;
use crate::gap::OpenReason;
use crate::minute::{Minute, Timestamp};
use crate::price::{Decision, Facts, Healed, decide};
use crate::quiet::{self, Proof};
use crate::quote::{Basis, Row};

/// What became of the rows looked at. A minute is in at most one of these.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdicts {
    /// The row was wrong, and this is the price.
    pub corrected: Vec<(Minute, Healed)>,
    /// The row was suspect and nothing had traded since: it stays.
    pub quiet: MinuteSet,
    /// The row is suspect, or shares a wrong one's trade, and no whole candle can tell: it stays, counted.
    pub undecidable: MinuteSet,
    /// Not known yet.
    pub waiting: Vec<(Minute, OpenReason)>,
    /// Whether some of them wait for the previous close.
    pub ask_previous: bool,
    /// Whether some of them wait for what the market did.
    pub ask_market: bool,
}

/// Judges the suspect rows among these minutes, then every other quote that shows the same trade as one found wrong.
pub fn judge(facts: &Facts<'_>, suspects: &MinuteSet) -> Verdicts {
    let mut verdicts = Verdicts::default();
    let mut frozen_at: BTreeSet<Timestamp> = BTreeSet::new();
    for (row, traded_at) in quotes(facts).filter(|(row, _)| row.is_suspect() && suspects.contains(row.minute)) {
        if judge_row(facts, row, traded_at, &mut verdicts) {
            frozen_at.insert(traded_at);
        }
    }
    for (row, traded_at) in quotes(facts).filter(|(_, traded_at)| frozen_at.contains(traded_at)) {
        if !suspects.contains(row.minute) || !row.is_suspect() {
            judge_row(facts, row, traded_at, &mut verdicts);
        }
    }
    verdicts
}

/// The session's current quotes that no correction has replaced, with the time of their trade.
fn quotes<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a Row, Timestamp)> {
    let current = facts.current.iter().map(|stored| &stored.row);
    current
        .filter(|row| row.basis == Basis::Quote && row.revision == 0)
        .filter_map(|row| Some((row, row.traded_at?)))
}

/// Judges one row; tells whether it was wrong.
fn judge_row(facts: &Facts<'_>, row: &Row, traded_at: Timestamp, verdicts: &mut Verdicts) -> bool {
    let minute = row.minute;
    if traded_after(facts, traded_at, minute) {
        match decide(facts, minute) {
            Decision::Heal(healed) => verdicts.corrected.push((minute, healed)),
            Decision::Wait(reason) => verdicts.waiting.push((minute, reason)),
            Decision::GiveUp(_) => drop(verdicts.undecidable.insert(minute)),
            Decision::AskPrevious => verdicts.ask_previous = true,
            Decision::AskMarket => verdicts.ask_market = true,
        }
        return true;
    }
    let run_from = traded_at.minute() + 1;
    if run_from >= minute {
        verdicts.undecidable.insert(minute);
    } else if facts.reads.iter().all(|read| read.complete_to < minute) {
        verdicts.waiting.push((minute, OpenReason::Waiting));
    } else {
        match quiet::proof(facts, run_from, minute, Some(run_from.start())) {
            Proof::Quiet => drop(verdicts.quiet.insert(minute)),
            Proof::Not(reason) => verdicts.waiting.push((minute, reason)),
            Proof::AskMarket => verdicts.ask_market = true,
        }
    }
    false
}

/// Whether a candle started after the trade and ended by the minute: then the row's price was not the last one.
fn traded_after(facts: &Facts<'_>, traded_at: Timestamp, minute: Minute) -> bool {
    let from = traded_at.plus_ms(1).minute_at_or_after().max(facts.session.open);
    facts.reads.iter().any(|read| read.newest(from, minute).is_some())
}

#[cfg(test)]
#[path = "frozen_tests.rs"]
mod tests;
