//! What a reconciliation does about one symbol-session: pure, and the same however often it is asked.

use std::collections::BTreeMap;

use crate::calendar::Session;
use crate::coverage::{Held, MinuteSet};
use crate::gap::{Gap, OpenReason, Unrecoverable};
use crate::minute::{Minute, Timestamp};
use crate::symbol::Symbol;

/// Minutes until the next attempt after the first, second, … attempt without success; the last one holds from then on.
const BACKOFF_MIN: [i64; 5] = [5, 10, 20, 40, 60];

/// How long a gap waits that nobody's plan includes: it is claimed at once where that changes, so this is for people to read.
const BARRED_FOR_MS: i64 = 24 * 3_600_000;

/// When given-up minutes are read once more.
pub const REREAD_AFTER_MS: i64 = 30 * 24 * 3_600_000;

/// How long after `attempts` attempts in a row without success the next one waits, in milliseconds.
pub fn backoff_ms(attempts: u32) -> i64 {
    let step = (attempts.max(1) as usize - 1).min(BACKOFF_MIN.len() - 1);
    BACKOFF_MIN[step] * 60_000
}

/// What a reconciliation knows of one symbol-session.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The reconciliation's *now*.
    pub now: Timestamp,
    /// The symbol.
    pub symbol: &'a Symbol,
    /// The session, after the overlay.
    pub session: &'a Session,
    /// Expected minutes of it that are past settling.
    pub expected: &'a MinuteSet,
    /// What the lake holds of the symbol.
    pub held: &'a Held,
    /// The lake's verdicts on it.
    pub verdicts: &'a BTreeMap<Unrecoverable, MinuteSet>,
    /// The ledger's item, where there is one.
    pub item: Option<&'a Gap>,
    /// Whether suspects are worth calls of their own: liquid symbols always, others in the morning.
    pub chase_suspects: bool,
    /// The least lateness of the configured sources, in milliseconds.
    pub lateness_ms: i64,
    /// How long a minute may be in flight, in milliseconds.
    pub settle_ms: i64,
    /// The arrival time up to which everything has landed.
    pub landed_through: Option<Timestamp>,
    /// Whether some source may be asked for the symbol: not where every plan is known to leave it out.
    pub is_askable: bool,
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The item as it should be; equal to the stored one where nothing changed, `None` where none is needed.
    pub item: Option<Gap>,
    /// Whether the item claims an attempt: after it is written, a task is to be sent.
    pub claimed: bool,
    /// Whether rows are on their way to the lake.
    pub in_flight: bool,
    /// Minutes that are open now and were not known to be.
    pub newly_open: MinuteSet,
}

/// Compares what should exist with what does, and decides.
pub fn reconcile(view: &View<'_>) -> Outcome {
    let open = open_minutes(view);
    let mut item = view.item.cloned().unwrap_or_else(|| Gap::new(view.session.on, view.symbol.clone(), view.now));
    let newly_open = open.difference(&item.open_minutes());
    let before = item.clone();
    let was_barred = item.is_barred();
    refresh(&mut item, view, &open, &newly_open);
    let in_flight = in_flight(&item, view);
    if !in_flight {
        // Until then the item is pending, however old its session: somebody must say that it is final.
        item.replayed_at = None;
    }
    if !view.is_askable {
        bar(&mut item, view.now);
    }
    let is_due = item.next_attempt_at <= view.now || was_barred;
    let claimed = view.is_askable && !in_flight && is_due && is_ready(&item, view);
    if claimed {
        // What was barred is tried now, and once: the next run finds what came of it.
        let barred = item.open.remove(&OpenReason::NotEntitled).unwrap_or_default();
        item.set_open(OpenReason::Waiting, &barred);
        item.attempts += 1;
        item.next_attempt_at = view.now.plus_ms(backoff_ms(item.attempts));
        item.reread_at = item.reread_at.filter(|at| *at > view.now);
    }
    let needed = view.item.is_some() || item.is_pending() || item != before;
    Outcome { item: needed.then_some(item), claimed, in_flight, newly_open }
}

/// Expected, not in the lake, and no verdict closes it.
fn open_minutes(view: &View<'_>) -> MinuteSet {
    let given_up = view.verdicts.values().fold(MinuteSet::new(), |all, set| all.union(set));
    view.expected.difference(&view.held.present()).difference(&given_up)
}

/// Brings the item in line with the lake.
fn refresh(item: &mut Gap, view: &View<'_>, open: &MinuteSet, newly_open: &MinuteSet) {
    let closed = item.open_minutes().difference(open);
    item.close(&closed);
    if item.open.is_empty() && !newly_open.is_empty() {
        item.first_seen_at = view.now;
        item.attempts = 0;
        item.next_attempt_at = view.now;
    } else if !newly_open.is_empty() {
        // New minutes need not wait out the backoff of old ones, but a failing provider is still left alone a while.
        item.next_attempt_at = item.next_attempt_at.min(view.now.plus_ms(backoff_ms(item.attempts.min(2))));
    }
    item.set_open(OpenReason::Waiting, newly_open);
    let gone = view.held.present();
    item.unrecoverable = view.verdicts.iter().map(|(why, set)| (*why, set.difference(&gone))).collect();
    item.unrecoverable.retain(|_, set| !set.is_empty());
    let suspects = view.held.unrevised_suspects().intersection(view.expected).difference(&item.upheld_minutes());
    let fresh = suspects.difference(&item.suspect);
    item.suspect = item.suspect.intersection(&suspects);
    if view.chase_suspects || !open.is_empty() {
        if item.open.is_empty() && item.suspect.is_empty() && !fresh.is_empty() {
            item.next_attempt_at = item.next_attempt_at.min(view.now);
        }
        item.suspect.extend_set(&fresh);
    }
}

/// Nobody can be asked: a task, and an attempt each hour, would find the same.
fn bar(item: &mut Gap, now: Timestamp) {
    let open = item.open_minutes();
    item.set_open(OpenReason::NotEntitled, &open);
    if item.next_attempt_at <= now {
        item.next_attempt_at = now.plus_ms(BARRED_FOR_MS);
    }
}

/// Whether rows replayed for the item may still be on their way: sent, not known to have landed, and not too long ago.
fn in_flight(item: &Gap, view: &View<'_>) -> bool {
    item.replayed_at.is_some_and(|replayed| {
        view.landed_through.is_none_or(|landed| landed < replayed) && view.now.ms_since(replayed) < view.settle_ms
    })
}

/// Whether a source could tell anything yet: a candle that ended by the minute is whole only after its lateness.
fn is_ready(item: &Gap, view: &View<'_>) -> bool {
    let whole = |minute: Minute| {
        let candle_end = if minute == view.session.open { minute.end() } else { minute.start() };
        view.now.ms_since(candle_end) >= view.lateness_ms
    };
    let chased = if view.chase_suspects { item.suspect.clone() } else { MinuteSet::new() };
    item.open_minutes().union(&chased).first().is_some_and(whole) || item.reread_at.is_some_and(|at| at <= view.now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quote::Basis;

    const NOW_MIN: i64 = 29_919_750 + 60;

    fn minute(i: i64) -> Minute {
        Minute::from_index(29_919_750 + i)
    }

    fn minutes(from: i64, to: i64) -> MinuteSet {
        MinuteSet::between(minute(from), minute(to))
    }

    struct Case {
        now: Timestamp,
        expected: MinuteSet,
        held: Held,
        verdicts: BTreeMap<Unrecoverable, MinuteSet>,
        chase_suspects: bool,
        landed_through: Option<Timestamp>,
        is_askable: bool,
    }

    impl Case {
        fn new(expected: MinuteSet, quoted: MinuteSet) -> Self {
            let held = Held { by_basis: [(Basis::Quote, quoted)].into(), ..Held::default() };
            let now = Minute::from_index(NOW_MIN).start();
            let verdicts = BTreeMap::new();
            Self { now, expected, held, verdicts, chase_suspects: true, landed_through: None, is_askable: true }
        }

        fn run(&self, item: Option<&Gap>) -> Outcome {
            let session = Session { on: minute(0).date(), open: minute(0), close: minute(390) };
            let view = View {
                now: self.now,
                symbol: &"AAPL".parse().expect("symbol"),
                session: &session,
                expected: &self.expected,
                held: &self.held,
                verdicts: &self.verdicts,
                item,
                chase_suspects: self.chase_suspects,
                lateness_ms: 300_000,
                settle_ms: 300_000,
                landed_through: self.landed_through,
                is_askable: self.is_askable,
            };
            reconcile(&view)
        }
    }

    #[test]
    fn a_whole_symbol_session_needs_no_item() {
        let outcome = Case::new(minutes(0, 55), minutes(0, 55)).run(None);
        assert_eq!((outcome.item, outcome.claimed), (None, false));
    }

    #[test]
    fn what_is_missing_is_open_and_claimed_once() {
        let case = Case::new(minutes(0, 55), minutes(0, 30));
        let first = case.run(None);
        let item = first.item.expect("an item");
        assert_eq!(item.open_minutes(), minutes(30, 55));
        assert!(first.claimed && item.attempts == 1 && item.next_attempt_at == case.now.plus_ms(300_000));
        let second = case.run(Some(&item));
        assert_eq!((second.item.as_ref(), second.claimed), (Some(&item), false), "running it twice is harmless");
        assert!(second.newly_open.is_empty());
    }

    #[test]
    fn what_the_lake_holds_or_a_verdict_closes_is_not_open() {
        let mut case = Case::new(minutes(0, 55), minutes(0, 30));
        let item = case.run(None).item.expect("an item");
        case.held.by_basis.insert(Basis::Close, minutes(30, 40));
        case.verdicts.insert(Unrecoverable::NoData, minutes(35, 55));
        let closed = case.run(Some(&item)).item.expect("the item stays for the record");
        assert!(closed.open.is_empty() && !closed.is_pending());
        assert_eq!(closed.unrecoverable_minutes(), minutes(40, 55), "a row beats a verdict");
    }

    #[test]
    fn a_minute_that_is_no_longer_expected_is_no_longer_open() {
        let mut case = Case::new(minutes(0, 55), minutes(0, 30));
        let item = case.run(None).item.expect("an item");
        case.expected = minutes(0, 30);
        assert!(case.run(Some(&item)).item.expect("the item").open.is_empty());
    }

    #[test]
    fn nothing_is_claimed_before_a_source_can_tell() {
        let mut case = Case::new(minutes(56, 57), MinuteSet::new());
        let item = case.run(None).item.expect("an item");
        assert!(!case.run(Some(&item)).claimed, "minute 56 began four minutes ago");
        case.now = case.now.plus_ms(60_000);
        assert!(case.run(Some(&item)).claimed);
        let mut open = Case::new(minutes(0, 1), MinuteSet::new());
        open.now = minute(5).start();
        assert!(!open.run(None).claimed, "the first minute needs its own candle");
        open.now = minute(6).start();
        assert!(open.run(None).claimed);
    }

    #[test]
    fn nothing_is_claimed_while_replayed_rows_are_in_flight() {
        let mut case = Case::new(minutes(0, 55), minutes(0, 30));
        let mut item = case.run(None).item.expect("an item");
        item.next_attempt_at = case.now;
        item.replayed_at = Some(case.now.plus_ms(-60_000));
        let flying = case.run(Some(&item));
        assert!(flying.in_flight && !flying.claimed);
        case.landed_through = item.replayed_at.map(|at| at.plus_ms(-1));
        assert!(case.run(Some(&item)).in_flight, "landed up to just before");
        case.landed_through = item.replayed_at;
        assert!(case.run(Some(&item)).claimed, "landed, and still missing");
        case.landed_through = None;
        item.replayed_at = Some(case.now.plus_ms(-300_000));
        assert!(case.run(Some(&item)).claimed, "the settle time has passed");
    }

    #[test]
    fn an_item_is_pending_until_what_was_replayed_for_it_has_been_looked_at() {
        let mut case = Case::new(minutes(0, 55), minutes(0, 55));
        let mut item = Gap::new(minute(0).date(), "AAPL".parse().expect("symbol"), case.now);
        item.replayed_at = Some(case.now.plus_ms(-60_000));
        let flying = case.run(Some(&item)).item.expect("the item");
        assert!(flying.is_pending(), "its rows may still be on their way");
        case.landed_through = item.replayed_at;
        let landed = case.run(Some(&item));
        assert!(!landed.in_flight && !landed.item.expect("the item").is_pending());
    }

    #[test]
    fn suspects_of_illiquid_symbols_wait_for_the_morning_or_for_a_gap() {
        let mut case = Case::new(minutes(0, 55), minutes(0, 55));
        case.held.suspect = minutes(10, 20);
        case.chase_suspects = false;
        assert_eq!(case.run(None).item, None);
        case.chase_suspects = true;
        let outcome = case.run(None);
        assert!(outcome.claimed);
        assert_eq!(outcome.item.expect("an item").suspect, minutes(10, 20));
        case.chase_suspects = false;
        case.held.by_basis.insert(Basis::Quote, minutes(0, 54));
        assert_eq!(case.run(None).item.expect("an item").suspect, minutes(10, 20), "a gap's read tells of them too");
    }

    #[test]
    fn a_suspect_that_was_revised_or_upheld_is_left_alone() {
        let mut case = Case::new(minutes(0, 55), minutes(0, 55));
        case.held.suspect = minutes(10, 20);
        let mut item = case.run(None).item.expect("an item");
        item.uphold(crate::gap::Upheld::Quiet, &minutes(10, 12));
        case.held.revised = minutes(12, 20);
        let outcome = case.run(Some(&item));
        assert!(!outcome.item.expect("the item").is_pending() && !outcome.claimed);
    }

    #[test]
    fn attempts_back_off_and_new_minutes_do_not_wait_them_out() {
        assert_eq!([0, 1, 2, 5, 99].map(backoff_ms), [5, 5, 10, 60, 60].map(|m: i64| m * 60_000));
        let mut case = Case::new(minutes(0, 50), minutes(0, 30));
        let mut item = case.run(None).item.expect("an item");
        item.attempts = 5;
        item.next_attempt_at = case.now.plus_ms(backoff_ms(5));
        case.expected = minutes(0, 51);
        assert_eq!(case.run(Some(&item)).item.expect("the item").next_attempt_at, case.now.plus_ms(600_000));
    }

    #[test]
    fn what_no_plan_includes_is_not_claimed_until_one_does_and_then_at_once() {
        let mut case = Case::new(minutes(0, 55), minutes(0, 30));
        case.is_askable = false;
        let first = case.run(None);
        let item = first.item.expect("an item");
        assert!(!first.claimed && item.is_barred() && !item.is_due(case.now), "{item:?}");
        case.now = case.now.plus_ms(3_600_000);
        assert_eq!(case.run(Some(&item)).item.as_ref(), Some(&item), "nothing is written again each hour");
        case.is_askable = true;
        let tried = case.run(Some(&item));
        let item = tried.item.expect("the item");
        assert!(tried.claimed && item.open.contains_key(&OpenReason::Waiting), "{item:?}");
        assert!(!case.run(Some(&item)).claimed, "once");
    }

    #[test]
    fn given_up_minutes_are_read_once_more_after_thirty_days() {
        let mut case = Case::new(minutes(0, 55), minutes(0, 30));
        case.verdicts.insert(Unrecoverable::NoData, minutes(30, 55));
        let mut item = Gap::new(minute(0).date(), "AAPL".parse().expect("symbol"), case.now);
        item.reread_at = Some(case.now.plus_ms(1));
        item.next_attempt_at = case.now;
        assert!(!case.run(Some(&item)).claimed);
        item.reread_at = Some(case.now);
        let outcome = case.run(Some(&item));
        assert!(outcome.claimed && outcome.item.expect("the item").reread_at.is_none());
    }
}
