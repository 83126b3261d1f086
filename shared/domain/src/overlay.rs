//! What was learned of the calendar after it was released: closures and early closes, with their provenance.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::calendar::{Calendar, OutOfRange, Session, days};
use crate::coverage::MinuteSet;
use crate::minute::{Minute, Timestamp};
use crate::quote::Row;

/// How far inside removed minutes a trade may lie before the removal is contradicted.
pub const CONTRADICTED_AFTER_MS: i64 = 10 * 60_000;

/// How far ahead a session is looked for: no market was ever closed so long.
const LOOK_AHEAD_DAYS: usize = 31;

/// What an entry says of its day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// No session at all.
    Closed,
    /// The session ends at `close`, which is before the calendar's close.
    ClosesAt {
        /// The minute after the last.
        close: Minute,
    },
    /// Earlier entries of the day no longer hold: the calendar does.
    Withdrawn,
}

/// One overlay entry, stored append-only under `control/overlay/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Format version, 1.
    pub v: u32,
    /// The trading day it is about.
    pub on: NaiveDate,
    /// What it says.
    #[serde(flatten)]
    pub change: Change,
    /// Where it was learned: a source's name, or `manual`.
    pub source: String,
    /// Who entered it.
    pub who: String,
    /// Why, in words: the event's name.
    pub why: String,
    /// When it was learned.
    pub learned_at: Timestamp,
}

/// Every entry, in the order in which they were learned; for each day the newest holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    newest: BTreeMap<NaiveDate, Entry>,
}

impl Overlay {
    /// The overlay of these entries, oldest first.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        Self { newest: entries.into_iter().map(|entry| (entry.on, entry)).collect() }
    }

    /// The entry in force for a day.
    pub fn entry(&self, on: NaiveDate) -> Option<&Entry> {
        self.newest.get(&on)
    }

    /// Days with an entry learnt at or after this instant.
    pub fn learned_since(&self, at: Timestamp) -> impl Iterator<Item = NaiveDate> {
        self.newest.values().filter(move |entry| entry.learned_at >= at).map(|entry| entry.on)
    }

    fn apply(&self, session: Session) -> Option<Session> {
        match self.entry(session.on).map(|entry| entry.change) {
            None | Some(Change::Withdrawn) => Some(session),
            Some(Change::Closed) => None,
            Some(Change::ClosesAt { close }) => {
                let cut = Session { close: close.min(session.close), ..session };
                (!cut.is_empty()).then_some(cut)
            }
        }
    }
}

/// Sessions as they are: the calendar with the overlay over it.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The calendar beneath.
    pub calendar: Calendar,
    /// What was learned since.
    pub overlay: Overlay,
}

impl Schedule {
    /// The session of a trading day, or `None` on a day without one.
    pub fn session_on(&self, on: NaiveDate) -> Result<Option<Session>, OutOfRange> {
        Ok(self.calendar.session_on(on)?.and_then(|session| self.overlay.apply(session)))
    }

    /// The session a minute lies in, or `None` where it lies in none.
    pub fn session_of(&self, minute: Minute) -> Result<Option<Session>, OutOfRange> {
        Ok(self.session_on(self.calendar.day_of(minute))?.filter(|session| session.contains(minute)))
    }

    /// Every session with a minute in `[from, to)`, ascending; empty where `to` is not after `from`.
    pub fn sessions(&self, from: Minute, to: Minute) -> Result<Vec<Session>, OutOfRange> {
        if to <= from {
            return Ok(Vec::new());
        }
        let mut sessions = Vec::new();
        for day in days(self.calendar.day_of(from), self.calendar.day_of(to + -1)) {
            sessions.extend(self.session_on(day)?.filter(|s| s.open < to && s.close > from));
        }
        Ok(sessions)
    }

    /// The last `n` sessions that closed before `session` opened, newest first. Fewer where the calendar begins.
    pub fn sessions_before(&self, on: NaiveDate, n: usize) -> Vec<Session> {
        // A fortnight holds ten weekdays; no market was ever closed so long that `n` sessions take more.
        let reach = n.saturating_mul(3).saturating_add(14);
        on.iter_days().rev().skip(1).take(reach).map_while(|day| self.session_on(day).ok()).flatten().take(n).collect()
    }

    /// The first session that closes after this minute, looking at most a month ahead. Outside the calendar's range only
    /// where it has no such session before its end.
    pub fn session_after(&self, minute: Minute) -> Result<Option<Session>, OutOfRange> {
        for day in self.calendar.day_of(minute).iter_days().take(LOOK_AHEAD_DAYS) {
            if let Some(session) = self.session_on(day)?.filter(|session| session.close > minute) {
                return Ok(Some(session));
            }
        }
        Ok(None)
    }

    /// Minutes of the calendar's session of this day that the overlay took away.
    pub fn removed(&self, on: NaiveDate) -> Result<MinuteSet, OutOfRange> {
        let before = self.calendar.session_on(on)?.map(|s| s.minutes()).unwrap_or_default();
        let after = self.session_on(on)?.map(|s| s.minutes()).unwrap_or_default();
        Ok(before.difference(&after))
    }
}

/// Why an entry is not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// Something traded well inside what the entry removes.
    #[error("`{symbol}` traded at {traded_at}, more than 10 min inside what the overlay removes from {on}")]
    Traded {
        /// The day of the entry.
        on: NaiveDate,
        /// What traded.
        symbol: String,
        /// When.
        traded_at: Timestamp,
    },
    /// The source says there is a session, or a longer one, where the calendar has none.
    #[error("the source has a session on {on} that calendar `{calendar}` has not")]
    Longer {
        /// The day of the entry.
        on: NaiveDate,
        /// The calendar it contradicts.
        calendar: Calendar,
    },
}

/// Judges an entry against the calendar and against rows of the days around it: the first contradiction, if any.
pub fn contradiction<'a>(
    calendar: Calendar,
    entry: &Entry,
    rows: impl IntoIterator<Item = &'a Row>,
) -> Result<Option<Contradiction>, OutOfRange> {
    let Some(session) = calendar.session_on(entry.on)? else {
        let longer = !matches!(entry.change, Change::Closed | Change::Withdrawn);
        return Ok(longer.then_some(Contradiction::Longer { on: entry.on, calendar }));
    };
    let removed_from = match entry.change {
        Change::Withdrawn => return Ok(None),
        Change::Closed => session.open,
        Change::ClosesAt { close } if close > session.close => {
            return Ok(Some(Contradiction::Longer { on: entry.on, calendar }));
        }
        Change::ClosesAt { close } => close,
    };
    let inside = |traded: Timestamp| {
        traded.ms_since(removed_from.start()) > CONTRADICTED_AFTER_MS && traded < session.close.start()
    };
    let traded = rows.into_iter().find_map(|row| row.traded_at.filter(|t| inside(*t)).map(|t| (row, t)));
    Ok(traded.map(|(row, traded_at)| Contradiction::Traded { on: entry.on, symbol: row.symbol.to_string(), traded_at }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quote::{Basis, Day, Price};

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn minute(text: &str) -> Minute {
        text.parse().expect("a minute")
    }

    fn entry(on: &str, change: Change) -> Entry {
        let text = String::new;
        Entry { v: 1, on: day(on), change, source: text(), who: text(), why: text(), learned_at: Timestamp::default() }
    }

    fn schedule(entries: Vec<Entry>) -> Schedule {
        Schedule { calendar: Calendar::Xnys, overlay: Overlay::new(entries) }
    }

    fn traded(at: &str) -> Row {
        Row {
            symbol: "SPY".parse().expect("symbol"),
            minute: minute("2026-11-20T18:00:00Z"),
            price: Price::new(1.0).expect("price"),
            basis: Basis::Quote,
            source: "finnhub".parse().expect("source"),
            traded_at: Some(at.parse().expect("instant")),
            day: Day::default(),
            observed_at: Timestamp::default(),
            revision: 0,
        }
    }

    #[test]
    fn the_newest_entry_of_a_day_holds_and_can_be_withdrawn() {
        let close = minute("2026-11-20T18:00:00Z");
        let mut entries = vec![entry("2026-11-20", Change::Closed)];
        assert_eq!(schedule(entries.clone()).session_on(day("2026-11-20")), Ok(None));
        entries.push(entry("2026-11-20", Change::ClosesAt { close }));
        let cut = schedule(entries.clone());
        assert_eq!(cut.session_on(day("2026-11-20")).expect("in range").map(|s| s.len()), Some(210));
        assert_eq!(cut.removed(day("2026-11-20")).map(|m| m.len()), Ok(180));
        entries.push(entry("2026-11-20", Change::Withdrawn));
        assert_eq!(schedule(entries).removed(day("2026-11-20")).map(|m| m.len()), Ok(0));
    }

    #[test]
    fn a_range_names_the_sessions_it_touches() {
        let week = schedule(vec![]);
        let on = |from, to| {
            let sessions = week.sessions(minute(from), minute(to)).expect("in range");
            sessions.iter().map(|s| s.on.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(on("2026-11-20T21:00:00Z", "2026-11-23T14:30:00Z"), Vec::<String>::new(), "a weekend");
        assert_eq!(on("2026-11-20T20:59:00Z", "2026-11-23T14:31:00Z"), ["2026-11-20", "2026-11-23"]);
        assert_eq!(on("2026-11-23T14:31:00Z", "2026-11-20T20:59:00Z"), Vec::<String>::new(), "reversed");
        let before = week.sessions_before(day("2026-11-30"), 3);
        assert_eq!(
            before.iter().map(|s| s.on.to_string()).collect::<Vec<_>>(),
            ["2026-11-27", "2026-11-25", "2026-11-24"]
        );
        assert_eq!(week.sessions_before(day("2000-01-04"), 5).len(), 1, "the calendar begins on 2000-01-01");
    }

    #[test]
    fn the_last_session_of_the_calendar_is_found_and_nothing_after_it() {
        let known = schedule(vec![]);
        let after = |at| known.session_after(minute(at));
        assert_eq!(
            after("2026-11-20T21:00:00Z").map(|s| s.map(|s| s.on)),
            Ok(Some(day("2026-11-23"))),
            "over a weekend"
        );
        assert_eq!(after("2027-12-31T20:59:00Z").map(|s| s.map(|s| s.on)), Ok(Some(day("2027-12-31"))));
        assert!(after("2027-12-31T21:00:00Z").is_err(), "the calendar ends, and says so");
    }

    #[test]
    fn a_trade_well_inside_what_is_removed_contradicts_it() {
        let one_pm = entry("2026-11-20", Change::ClosesAt { close: minute("2026-11-20T18:00:00Z") });
        let judge = |at: &str| contradiction(Calendar::Xnys, &one_pm, &[traded(at)]).expect("in range").is_some();
        assert!(!judge("2026-11-20T17:59:59Z"));
        assert!(!judge("2026-11-20T18:10:00Z"), "ten minutes is late printing, not trading");
        assert!(judge("2026-11-20T18:10:00.001Z"));
        assert!(!judge("2026-11-20T21:00:00Z"), "after the calendar's own close nothing was removed");
    }

    #[test]
    fn a_session_the_calendar_has_not_is_an_alarm_and_never_applied() {
        let on_sunday = entry("2026-11-22", Change::ClosesAt { close: minute("2026-11-22T18:00:00Z") });
        assert!(matches!(contradiction(Calendar::Xnys, &on_sunday, &[]), Ok(Some(Contradiction::Longer { .. }))));
        let later = entry("2026-11-27", Change::ClosesAt { close: minute("2026-11-27T21:00:00Z") });
        assert!(matches!(contradiction(Calendar::Xnys, &later, &[]), Ok(Some(Contradiction::Longer { .. }))));
        assert_eq!(schedule(vec![later]).session_on(day("2026-11-27")).expect("in range").map(|s| s.len()), Some(210));
    }
}
