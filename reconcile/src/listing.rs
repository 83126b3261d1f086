//! What is open, as people look at it: maximal runs of one symbol with one reason.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::gap::{Gap, OpenReason};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::symbol::Symbol;
use mendlake_ports::error::Result;
use mendlake_ports::expectations::Expectations;
use mendlake_ports::gaps::Gaps;
use serde::{Deserialize, Serialize};

/// Adjacent minutes of one symbol that are open for one reason: `[from, to)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRun {
    /// The trading day.
    pub session: NaiveDate,
    /// The symbol.
    pub symbol: Symbol,
    /// The first minute.
    pub from: Minute,
    /// The minute after the last.
    pub to: Minute,
    /// How many there are.
    pub minutes: usize,
    /// Of these, minutes nobody asked for: the scheduler itself failed, or the minutes were backfilled.
    pub dark: usize,
    /// Why they are open.
    pub reason: OpenReason,
    /// When the oldest open minute of the symbol-session was first seen missing.
    pub since: Timestamp,
    /// Attempts without success since.
    pub attempts: u32,
    /// No attempt before this.
    pub next_attempt_at: Timestamp,
}

/// Everything that is open, by session, symbol and time.
pub async fn open_runs(ledger: &(impl Gaps + Expectations)) -> Result<Vec<OpenRun>> {
    let items = ledger.pending().await?;
    let mut asked: BTreeMap<NaiveDate, Asked> = BTreeMap::new();
    for (on, minutes) in open_by_day(items.iter().map(|item| &item.gap)) {
        asked.insert(on, Asked::read(ledger, &minutes).await?);
    }
    let mut runs = Vec::new();
    for gap in items.iter().map(|item| &item.gap) {
        if let Some(asked) = asked.get(&gap.on) {
            runs.extend(of(gap, asked));
        }
    }
    runs.sort_by_key(|run| (run.session, run.symbol.clone(), run.from));
    Ok(runs)
}

fn open_by_day<'a>(gaps: impl Iterator<Item = &'a Gap>) -> BTreeMap<NaiveDate, MinuteSet> {
    let mut days: BTreeMap<NaiveDate, MinuteSet> = BTreeMap::new();
    for gap in gaps.filter(|gap| !gap.open.is_empty()) {
        days.entry(gap.on).or_default().extend_set(&gap.open_minutes());
    }
    days
}

/// Which symbols were asked for in which minutes.
struct Asked(BTreeMap<Minute, BTreeSet<Symbol>>);

impl Asked {
    async fn read(ledger: &impl Expectations, minutes: &MinuteSet) -> Result<Self> {
        let (Some(first), Some(last)) = (minutes.first(), minutes.last()) else {
            return Ok(Self(BTreeMap::new()));
        };
        let expectations = ledger.expectations(first, last + 1).await?;
        let of_minute = expectations.into_iter().map(|e| (e.minute, e.symbols.into_iter().collect()));
        Ok(Self(of_minute.collect()))
    }

    fn has(&self, symbol: &Symbol, minute: Minute) -> bool {
        self.0.get(&minute).is_some_and(|symbols| symbols.contains(symbol))
    }
}

fn of(gap: &Gap, asked: &Asked) -> Vec<OpenRun> {
    let mut runs = Vec::new();
    for (reason, minutes) in &gap.open {
        for run in minutes.runs() {
            runs.push(OpenRun {
                session: gap.on,
                symbol: gap.symbol.clone(),
                from: run.from,
                to: run.to,
                minutes: run.len(),
                dark: run.from.until(run.to).filter(|minute| !asked.has(&gap.symbol, *minute)).count(),
                reason: *reason,
                // The item's oldest open minute may be older than this run.
                since: gap.first_seen_at.max(run.from.start()),
                attempts: gap.attempts,
                next_attempt_at: gap.next_attempt_at,
            });
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(text: &str) -> Minute {
        format!("2026-11-20T{text}:00Z").parse().expect("minute")
    }

    #[test]
    fn what_is_open_is_shown_as_maximal_runs_of_one_reason_with_the_minutes_nobody_asked_for() {
        let symbol: Symbol = "SPY".parse().expect("symbol");
        let mut gap = Gap::new(minute("15:00").date(), symbol.clone(), minute("15:10").start());
        gap.set_open(OpenReason::Waiting, &MinuteSet::between(minute("15:00"), minute("15:10")));
        gap.set_open(OpenReason::UnprovenQuiet, &MinuteSet::between(minute("15:04"), minute("15:06")));
        let asked = minute("15:00").until(minute("15:03")).map(|minute| (minute, BTreeSet::from([symbol.clone()])));
        let runs = of(&gap, &Asked(asked.collect()));
        let mut told: Vec<_> = runs.iter().map(|run| (run.from, run.minutes, run.dark, run.reason)).collect();
        told.sort_by_key(|(from, ..)| *from);
        assert_eq!(
            told,
            [
                (minute("15:00"), 4, 1, OpenReason::Waiting),
                (minute("15:04"), 2, 2, OpenReason::UnprovenQuiet),
                (minute("15:06"), 4, 4, OpenReason::Waiting),
            ]
        );
    }

    #[test]
    fn an_item_that_waits_for_nothing_but_a_re_read_is_not_open() {
        let mut gap = Gap::new(minute("15:00").date(), "SPY".parse().expect("symbol"), minute("15:10").start());
        gap.reread_at = Some(minute("15:20").start());
        assert!(open_by_day([&gap].into_iter()).is_empty());
        assert_eq!(of(&gap, &Asked(BTreeMap::new())), []);
    }
}
