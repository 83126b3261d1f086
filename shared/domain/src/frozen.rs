//! Frozen quotes: which suspect rows were wrong, which stay, and which rows share a wrong one's trade.

use std::collections::BTreeSet;

use crate::coverage::MinuteSet;
use crate::gap::OpenReason;
use crate::minute::{Minute, Timestamp};
use crate::price::{Decision, Facts, Healed, decide, decide_empty};
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

/// The session's current quotes that no correction has replaced, with the time of their trade. Rows of minutes that an
/// overlay took out of the session are left alone: no candle there is a price of it.
fn quotes<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (&'a Row, Timestamp)> {
    let current = facts.current.iter().map(|stored| &stored.row);
    current
        .filter(|row| row.basis == Basis::Quote && row.revision == 0 && facts.session.contains(row.minute))
        .filter_map(|row| Some((row, row.traded_at?)))
}

/// Judges one row; tells whether it was wrong: whether a candle started after its trade and ended by its minute.
fn judge_row(facts: &Facts<'_>, row: &Row, traded_at: Timestamp, verdicts: &mut Verdicts) -> bool {
    let minute = row.minute;
    let run_from = (traded_at.minute() + 1).max(facts.session.open);
    let wrong = facts.reads.iter().any(|read| read.newest(run_from, minute).is_some());
    if wrong {
        verdicts.note(minute, decide(facts, minute));
    } else if run_from >= minute {
        verdicts.undecidable.insert(minute);
    } else if facts.reads.iter().all(|read| read.complete_to < minute) {
        verdicts.waiting.push((minute, OpenReason::Waiting));
    } else if let Some(empty) = decide_empty(facts, minute) {
        verdicts.note(minute, empty);
    } else {
        // Quotes do not vouch for quotes of the same provider that may be frozen: candles decide.
        match quiet::proof(facts, run_from, minute, None) {
            Proof::Quiet => drop(verdicts.quiet.insert(minute)),
            Proof::Not(reason) => verdicts.waiting.push((minute, reason)),
            Proof::AskMarket => verdicts.ask_market = true,
        }
    }
    wrong
}

impl Verdicts {
    fn note(&mut self, minute: Minute, decision: Decision) {
        match decision {
            Decision::Heal(healed) => self.corrected.push((minute, healed)),
            Decision::Wait(reason) => self.waiting.push((minute, reason)),
            // A session without a candle heals nothing, and tells nothing of the quotes it has.
            Decision::GiveUp(_) => drop(self.undecidable.insert(minute)),
            Decision::AskPrevious => self.ask_previous = true,
            Decision::AskMarket => self.ask_market = true,
        }
    }
}

#[cfg(test)]
#[path = "frozen_tests.rs"]
mod tests;
