//! What is missing of one symbol-session, why, and what is known of it: the ledger's gap item.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::candle::CandleRead;
use crate::coverage::MinuteSet;
use crate::minute::{Minute, Timestamp};
use crate::quote::SourceName;
use crate::symbol::Symbol;

/// How far two reads must be apart to count as two.
pub const READS_APART_MS: i64 = 3_600_000;

/// Reads closer together than this replace one another in what is kept.
const READS_KEPT_APART_MS: i64 = 900_000;

/// From so many reads of one source on, a contradiction is kept no longer than its time apart demands: an item has a
/// bounded size, whatever a provider answers.
const READS_KEPT: usize = 8;

/// Why a minute is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenReason {
    /// Not asked for yet: no source is past its lateness, or its turn has not come.
    Waiting,
    /// No provider budget was left.
    NoBudget,
    /// Every configured source says the key's plan does not include it.
    NotEntitled,
    /// A source refused the key.
    Denied,
    /// No source could be reached, or none answered sense.
    Unavailable,
    /// The source rejected this symbol.
    Rejected,
    /// No source had any candle of the session; not yet twice.
    Empty,
    /// The candle is missing and nothing yet proves that nothing traded.
    UnprovenQuiet,
    /// No liquid symbol has a candle there: a closure nobody announced, or a provider's hole.
    MarketAbsent,
}

impl OpenReason {
    /// The reason as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::NoBudget => "no_budget",
            Self::NotEntitled => "not_entitled",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::Rejected => "rejected",
            Self::Empty => "empty",
            Self::UnprovenQuiet => "unproven_quiet",
            Self::MarketAbsent => "market_absent",
        }
    }
}

/// Why a minute will never have a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unrecoverable {
    /// Every entitled source answered empty twice, an hour apart.
    NoData,
    /// The previous close is no price of this session: it opened more than 25 % away.
    PriceBreak,
    /// Three sessions of zeros and empty candles, and no directory lists it.
    UnknownSymbol,
}

impl Unrecoverable {
    /// The reason as it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoData => "no_data",
            Self::PriceBreak => "price_break",
            Self::UnknownSymbol => "unknown_symbol",
        }
    }
}

/// Why a suspect row stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Upheld {
    /// Nothing traded since: the old price was the price.
    Quiet,
    /// No whole candle lies between the trade and the minute, so nothing can tell.
    Undecidable,
}

/// What one read of a symbol-session showed: which minutes had a candle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Who answered.
    pub source: SourceName,
    /// When.
    pub read_at: Timestamp,
    /// Candles of minutes before this were whole; of later ones the read says nothing.
    pub complete_to: Minute,
    /// Minutes with a candle, those after the close included.
    pub candles: MinuteSet,
}

impl Evidence {
    /// The evidence of a read.
    pub fn of(read: &CandleRead) -> Self {
        let (source, candles) = (read.source.clone(), read.mask());
        Self { source, read_at: read.read_at, complete_to: read.complete_to, candles }
    }
}

/// All that is open, suspect or given up of one symbol-session. Identity is `(on, symbol)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Format version, 1.
    pub v: u32,
    /// The trading day.
    pub on: NaiveDate,
    /// The symbol.
    pub symbol: Symbol,
    /// Open minutes by why they are open. A minute has one reason.
    pub open: BTreeMap<OpenReason, MinuteSet>,
    /// Minutes whose row is suspect and not yet decided.
    pub suspect: MinuteSet,
    /// Minutes whose row was suspect and stays.
    pub upheld: BTreeMap<Upheld, MinuteSet>,
    /// Minutes given up, by why; a copy of the lake's verdicts.
    pub unrecoverable: BTreeMap<Unrecoverable, MinuteSet>,
    /// Attempts since the last one that healed something.
    pub attempts: u32,
    /// When the oldest open minute was first seen missing.
    pub first_seen_at: Timestamp,
    /// No attempt before this.
    pub next_attempt_at: Timestamp,
    /// When a replay last brought rows or decided on suspects, until a reconciliation has seen what came of it.
    pub replayed_at: Option<Timestamp>,
    /// When given-up minutes are read once more.
    pub reread_at: Option<Timestamp>,
    /// Reads, oldest first; enough to find two an hour apart, of each source.
    pub reads: Vec<Evidence>,
}

impl Gap {
    /// A gap item with nothing in it.
    pub fn new(on: NaiveDate, symbol: Symbol, now: Timestamp) -> Self {
        Self {
            v: 1,
            on,
            symbol,
            open: BTreeMap::new(),
            suspect: MinuteSet::new(),
            upheld: BTreeMap::new(),
            unrecoverable: BTreeMap::new(),
            attempts: 0,
            first_seen_at: now,
            next_attempt_at: now,
            replayed_at: None,
            reread_at: None,
            reads: Vec::new(),
        }
    }

    /// Every open minute.
    pub fn open_minutes(&self) -> MinuteSet {
        joined(&self.open)
    }

    /// Every minute given up.
    pub fn unrecoverable_minutes(&self) -> MinuteSet {
        joined(&self.unrecoverable)
    }

    /// Every minute whose suspect row stays.
    pub fn upheld_minutes(&self) -> MinuteSet {
        joined(&self.upheld)
    }

    /// Whether anything is left to do: open minutes, undecided suspects, a replay whose outcome nobody has looked at, or a
    /// re-read that is due one day.
    pub fn is_pending(&self) -> bool {
        let unseen = self.replayed_at.is_some() || self.reread_at.is_some();
        !self.open.is_empty() || !self.suspect.is_empty() || unseen
    }

    /// Whether something is open and all of it only because no plan includes it.
    pub fn is_barred(&self) -> bool {
        !self.open.is_empty() && self.open.keys().all(|reason| *reason == OpenReason::NotEntitled)
    }

    /// Whether a reconciliation has something to do about it now: an attempt or a re-read is due, or the outcome of a replay is
    /// to be looked at.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let attempt = (!self.open.is_empty() || !self.suspect.is_empty()) && self.next_attempt_at <= now;
        attempt || self.replayed_at.is_some() || self.reread_at.is_some_and(|at| at <= now)
    }

    /// Gives these minutes a reason for being open; minutes not named keep theirs.
    pub fn set_open(&mut self, reason: OpenReason, minutes: &MinuteSet) {
        self.close(minutes);
        if !minutes.is_empty() {
            self.open.entry(reason).or_default().extend_set(minutes);
        }
    }

    /// Takes minutes out of the open ones.
    pub fn close(&mut self, minutes: &MinuteSet) {
        self.open.retain(|_, set| {
            *set = set.difference(minutes);
            !set.is_empty()
        });
    }

    /// Gives minutes up.
    pub fn give_up(&mut self, reason: Unrecoverable, minutes: &MinuteSet) {
        self.close(minutes);
        if !minutes.is_empty() {
            self.unrecoverable.entry(reason).or_default().extend_set(minutes);
        }
    }

    /// Notes that these suspect rows stay.
    pub fn uphold(&mut self, why: Upheld, minutes: &MinuteSet) {
        self.suspect = self.suspect.difference(minutes);
        if !minutes.is_empty() {
            self.upheld.entry(why).or_default().extend_set(minutes);
        }
    }

    /// Keeps a read: of each source its newest, the newest an hour or more before that, and of those between the ones
    /// that may yet become it or that have a candle the newest has not. In any order, and as often as it comes.
    pub fn note_read(&mut self, read: Evidence) {
        let same = |kept: &Evidence| kept.source == read.source;
        let mut of_source: Vec<Evidence> = self.reads.extract_if(.., |kept| same(kept)).collect();
        of_source.retain(|kept| kept.read_at != read.read_at);
        of_source.push(read);
        of_source.sort_by_key(|r| r.read_at);
        self.reads.extend(thinned(of_source));
        self.reads.sort_by_key(|r| r.read_at);
    }
}

/// What is kept of one source's reads, which come oldest first.
fn thinned(mut reads: Vec<Evidence>) -> Vec<Evidence> {
    let Some(newest) = reads.pop() else { return reads };
    let oldest = reads.iter().rposition(|r| apart(r, &newest)).unwrap_or(0);
    let mut kept: Vec<Evidence> = Vec::new();
    for read in reads.into_iter().skip(oldest) {
        let spaced = |last: &Evidence| read.read_at.ms_since(last.read_at) >= READS_KEPT_APART_MS;
        // A candle from any read beats its absence in another: what contradicts the newest is not forgotten at once.
        let contradicts = kept.len() < READS_KEPT && !read.candles.is_subset(&newest.candles);
        if kept.last().is_none_or(spaced) || contradicts {
            kept.push(read);
        }
    }
    kept.push(newest);
    kept
}

/// Whether `earlier` was read an hour or more before `later`.
pub fn apart(earlier: &Evidence, later: &Evidence) -> bool {
    later.read_at.ms_since(earlier.read_at) >= READS_APART_MS
}

fn joined<K>(sets: &BTreeMap<K, MinuteSet>) -> MinuteSet {
    sets.values().fold(MinuteSet::new(), |all, set| all.union(set))
}

/// A verdict: minutes given up, with what it rests on. Stored append-only under `control/verdicts/`; the truth of which
/// the gap item is a copy. A row beats it: what is present is present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Format version, 1.
    pub v: u32,
    /// The trading day.
    pub on: NaiveDate,
    /// The symbol.
    pub symbol: Symbol,
    /// The minutes.
    pub minutes: MinuteSet,
    /// Why.
    pub reason: Unrecoverable,
    /// Who decided: a stage, or a person.
    pub who: String,
    /// When.
    pub decided_at: Timestamp,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(source: &str, minute: i64) -> Evidence {
        Evidence {
            source: source.parse().expect("source"),
            read_at: Timestamp::from_epoch_s(minute * 60),
            complete_to: Minute::from_index(minute),
            candles: MinuteSet::new(),
        }
    }

    fn gap() -> Gap {
        let on = "2026-11-20".parse().expect("day");
        Gap::new(on, "AAPL".parse().expect("symbol"), Timestamp::default())
    }

    fn minutes(from: i64, to: i64) -> MinuteSet {
        MinuteSet::between(Minute::from_index(from), Minute::from_index(to))
    }

    #[test]
    fn a_minute_has_one_reason_and_leaves_when_closed_or_given_up() {
        let mut gap = gap();
        gap.set_open(OpenReason::Waiting, &minutes(0, 10));
        gap.set_open(OpenReason::Empty, &minutes(5, 10));
        assert_eq!(gap.open[&OpenReason::Waiting].len(), 5);
        gap.close(&minutes(0, 5));
        assert!(!gap.open.contains_key(&OpenReason::Waiting));
        gap.give_up(Unrecoverable::NoData, &minutes(5, 10));
        assert!(gap.open_minutes().is_empty() && !gap.is_pending());
        assert_eq!(gap.unrecoverable_minutes().len(), 5);
    }

    fn with(source: &str, minute: i64, candles: MinuteSet) -> Evidence {
        Evidence { candles, ..read(source, minute) }
    }

    /// When the kept reads of a source were made, in minutes.
    fn kept(gap: &Gap, source: &str) -> Vec<i64> {
        let of_source = gap.reads.iter().filter(|r| r.source.as_str() == source);
        of_source.map(|r| r.read_at.epoch_s() / 60).collect()
    }

    fn noted(minutes: &[i64]) -> Vec<i64> {
        let mut gap = gap();
        minutes.iter().for_each(|m| gap.note_read(read("finnhub", *m)));
        kept(&gap, "finnhub")
    }

    #[test]
    fn an_hour_before_the_newest_is_sixty_minutes_and_not_fifty_nine() {
        assert_eq!(noted(&[0, 20, 79]), [0, 20, 79]);
        assert_eq!(noted(&[0, 20, 80]), [20, 80], "the one before is no longer needed");
    }

    #[test]
    fn reads_less_than_a_quarter_of_an_hour_after_a_kept_one_give_way_to_the_newest() {
        assert_eq!(noted(&[0, 14]), [0, 14]);
        assert_eq!(noted(&[0, 14, 30]), [0, 30]);
        assert_eq!(noted(&[0, 15, 30]), [0, 15, 30]);
    }

    #[test]
    fn a_read_noted_late_or_twice_does_not_push_the_newest_out() {
        assert_eq!(noted(&[0, 10, 5]), [0, 10]);
        assert_eq!(noted(&[70, 0]), [0, 70]);
        assert_eq!(noted(&[0, 70, 70, 0]), [0, 70]);
        assert_eq!(noted(&[0, 70, 5]), [5, 70], "the later of two an hour before");
    }

    #[test]
    fn a_read_with_a_candle_that_the_newest_lacks_is_kept_for_an_hour() {
        let mut gap = gap();
        gap.note_read(with("finnhub", 0, minutes(0, 3)));
        gap.note_read(with("finnhub", 5, minutes(0, 5)));
        gap.note_read(with("finnhub", 8, minutes(0, 4)));
        assert_eq!(kept(&gap, "finnhub"), [0, 5, 8], "candle 4 was there");
        gap.note_read(with("finnhub", 10, minutes(0, 6)));
        assert_eq!(kept(&gap, "finnhub"), [0, 10], "and is again");
        gap.note_read(with("finnhub", 12, minutes(0, 4)));
        gap.note_read(with("finnhub", 72, minutes(0, 4)));
        assert_eq!(kept(&gap, "finnhub"), [12, 72]);
    }

    #[test]
    fn a_provider_that_contradicts_itself_every_minute_leaves_a_bounded_item() {
        let mut gap = gap();
        for minute in 0..600 {
            gap.note_read(with("finnhub", minute, minutes(minute, minute + 1)));
            assert!(kept(&gap, "finnhub").len() <= READS_KEPT + 5);
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_is_small_and_enough(
            reads in prop::collection::vec((0_i64..300, 0_i64..40, prop::sample::select(vec!["a", "b"])), 1..60),
        ) {
            let mut gap = gap();
            for (minute, candle, source) in &reads {
                gap.note_read(with(source, *minute, minutes(*candle, candle + 1)));
            }
            for source in ["a", "b"] {
                let all: Vec<i64> = reads.iter().filter(|r| r.2 == source).map(|r| r.0).collect();
                let kept = kept(&gap, source);
                prop_assert!(kept.is_sorted() && kept.iter().all(|m| all.contains(m)));
                prop_assert!(kept.len() <= READS_KEPT + 6, "{kept:?}");
                prop_assert_eq!(kept.last(), all.iter().max());
            }
        }

        #[test]
        fn of_reads_in_order_one_an_hour_old_is_kept_wherever_two_were_far_enough_apart(
            mut at in prop::collection::vec(0_i64..600, 1..80),
        ) {
            at.sort_unstable();
            let kept = noted(&at);
            let (first, last) = (at[0], at[at.len() - 1]);
            if last - first >= 75 {
                let old = kept.iter().filter(|m| last - **m >= 60).max();
                prop_assert!(old.is_some(), "{kept:?}");
            }
        }
    }

    #[test]
    fn reads_every_five_minutes_leave_one_an_hour_old() {
        let mut gap = gap();
        for minute in (0..600).step_by(5) {
            gap.note_read(read("finnhub", minute));
            gap.note_read(read("alpaca:sip", minute));
            let newest = read("finnhub", minute);
            let kept: Vec<_> = gap.reads.iter().filter(|r| r.source == newest.source).collect();
            assert_eq!(kept.last().map(|r| r.read_at), Some(newest.read_at));
            assert!(kept.len() <= 7, "{}", kept.len());
            if minute >= 75 {
                let old = kept.iter().find(|r| apart(r, &newest)).expect("one an hour old");
                assert!(newest.read_at.ms_since(old.read_at) <= READS_APART_MS + READS_KEPT_APART_MS);
            }
        }
    }
}
