//! Which symbols are watched from which minute on.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::calendar::{OutOfRange, Session};
use crate::coverage::MinuteSet;
use crate::minute::{Minute, Timestamp};
use crate::overlay::Schedule;
use crate::symbol::Symbol;

/// One version of the watchlist, stored append-only under `control/watchlist/`, numbered from 1 without holes.
///
/// A version is a difference: what is added and what is removed from a minute on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Format version, 1.
    pub v: u32,
    /// What it does.
    #[serde(flatten)]
    pub edit: Edit,
    /// Who made it.
    pub who: String,
    /// Why, in words.
    pub why: String,
    /// When it was made.
    pub made_at: Timestamp,
}

/// What a version does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "snake_case")]
pub enum Edit {
    /// Symbols come and go from a minute after it was made.
    Change {
        /// The first minute it holds for.
        from: Minute,
        /// Watched from then on.
        add: BTreeSet<Symbol>,
        /// Not watched from then on.
        remove: BTreeSet<Symbol>,
    },
    /// Past minutes become expected: `[from, to)`, said explicitly.
    Backfill {
        /// The first minute.
        from: Minute,
        /// The minute after the last.
        to: Minute,
        /// Whose minutes.
        symbols: BTreeSet<Symbol>,
    },
}

/// Why a version is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// A change that takes effect before it was made.
    #[error("a change takes effect at a later minute, {from} is not after {made_at}: use a backfill for the past")]
    Backdated {
        /// When it should have taken effect.
        from: Minute,
        /// When it was made.
        made_at: Timestamp,
    },
    /// A backfill that reaches past the minute it was made in.
    #[error("a backfill is of the past, {to} is after {made_at}: add the symbol for the future")]
    Ahead {
        /// Its end.
        to: Minute,
        /// When it was made.
        made_at: Timestamp,
    },
    /// A backfill whose end is not after its start.
    #[error("`from` must be before `to`: {from} .. {to}")]
    Reversed {
        /// Its start.
        from: Minute,
        /// Its end.
        to: Minute,
    },
    /// It names no symbol.
    #[error("no symbol is named: name at least one")]
    Empty,
    /// One symbol is both added and removed.
    #[error("`{0}` is both added and removed")]
    Both(Symbol),
}

impl Version {
    /// Checks what the types cannot say.
    pub fn check(&self) -> Result<(), EditError> {
        let made_at = self.made_at;
        match &self.edit {
            Edit::Change { from, .. } if from.start() <= made_at => Err(EditError::Backdated { from: *from, made_at }),
            Edit::Change { add, remove, .. } if add.is_empty() && remove.is_empty() => Err(EditError::Empty),
            Edit::Change { add, remove, .. } => match add.intersection(remove).next() {
                Some(both) => Err(EditError::Both(both.clone())),
                None => Ok(()),
            },
            Edit::Backfill { from, to, .. } if to <= from => Err(EditError::Reversed { from: *from, to: *to }),
            Edit::Backfill { to, .. } if to.start() > made_at => Err(EditError::Ahead { to: *to, made_at }),
            Edit::Backfill { symbols, .. } if symbols.is_empty() => Err(EditError::Empty),
            Edit::Backfill { .. } => Ok(()),
        }
    }
}

/// Every version, folded: for each symbol the spans in which it is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watchlist {
    versions: usize,
    /// For each symbol, from which minute on it is watched or not, by the newest version that speaks of that minute.
    switches: BTreeMap<Symbol, BTreeMap<Minute, bool>>,
    backfills: BTreeMap<Symbol, Vec<Span>>,
}

/// A backfilled span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: Minute,
    to: Minute,
    made_at: Timestamp,
}

impl Watchlist {
    /// The watchlist of these versions, oldest first. Of two changes of one symbol at one minute the later version holds.
    pub fn new<'a>(versions: impl IntoIterator<Item = &'a Version>) -> Self {
        let mut this = Self::default();
        for version in versions {
            this.versions += 1;
            match &version.edit {
                Edit::Change { from, add, remove } => {
                    for (symbols, watched) in [(add, true), (remove, false)] {
                        for symbol in symbols {
                            this.switches.entry(symbol.clone()).or_default().insert(*from, watched);
                        }
                    }
                }
                Edit::Backfill { from, to, symbols } => {
                    for symbol in symbols {
                        let span = Span { from: *from, to: *to, made_at: version.made_at };
                        this.backfills.entry(symbol.clone()).or_default().push(span);
                    }
                }
            }
        }
        this
    }

    /// How many versions there are; the number of the newest.
    pub fn versions(&self) -> usize {
        self.versions
    }

    /// Whether live collection watches the symbol in this minute. Backfills are of the past and do not count.
    pub fn watches(&self, symbol: &Symbol, minute: Minute) -> bool {
        let switches = self.switches.get(symbol);
        switches.and_then(|s| s.range(..=minute).next_back()).is_some_and(|(_, watched)| *watched)
    }

    /// The symbols live collection watches in this minute, sorted.
    pub fn at(&self, minute: Minute) -> Vec<Symbol> {
        self.switches.keys().filter(|symbol| self.watches(symbol, minute)).cloned().collect()
    }

    /// Every symbol that was ever watched or backfilled, sorted.
    pub fn ever(&self) -> BTreeSet<Symbol> {
        self.switches.keys().chain(self.backfills.keys()).cloned().collect()
    }

    /// The first minute anything is expected of, or `None` where nothing ever was.
    pub fn begins(&self) -> Option<Minute> {
        let watched = self.switches.values().filter_map(|s| s.first_key_value().map(|(from, _)| *from));
        let filled = self.backfills.values().flatten().map(|span| span.from);
        watched.chain(filled).min()
    }

    /// The first minute that a backfill made at or after this instant reaches back to.
    pub fn backfilled_since(&self, at: Timestamp) -> Option<Minute> {
        self.backfills.values().flatten().filter(|span| span.made_at >= at).map(|span| span.from).min()
    }

    /// The minutes of `[from, to)` in which the symbol is watched, backfills included; sessions are not looked at.
    pub fn watched(&self, symbol: &Symbol, from: Minute, to: Minute) -> MinuteSet {
        let mut set = MinuteSet::new();
        let mut since = self.watches(symbol, from).then_some(from);
        if from < to {
            for (minute, watched) in self.switches.get(symbol).into_iter().flat_map(|s| s.range(from..to)) {
                match (watched, since) {
                    (true, None) => since = Some(*minute),
                    (false, Some(begun)) => {
                        set.extend_set(&MinuteSet::between(begun, *minute));
                        since = None;
                    }
                    _ => {}
                }
            }
        }
        if let Some(begun) = since {
            set.extend_set(&MinuteSet::between(begun, to));
        }
        for span in self.backfills.get(symbol).into_iter().flatten() {
            set.extend_set(&MinuteSet::between(span.from.max(from), span.to.min(to)));
        }
        set
    }
}

/// Expected minutes by symbol: session minutes after the overlay, times the watchlist in force. Nothing else defines it.
///
/// Symbols without an expected minute in `[from, to)` are left out.
pub fn expected(
    schedule: &Schedule,
    watchlist: &Watchlist,
    from: Minute,
    to: Minute,
) -> Result<BTreeMap<Symbol, MinuteSet>, OutOfRange> {
    let mut session_minutes = MinuteSet::new();
    for session in schedule.sessions(from, to)? {
        session_minutes.extend_set(&session.minutes().within(from, to));
    }
    let of = |symbol: Symbol| {
        let minutes = watchlist.watched(&symbol, from, to).intersection(&session_minutes);
        (!minutes.is_empty()).then_some((symbol, minutes))
    };
    Ok(watchlist.ever().into_iter().filter_map(of).collect())
}

/// Sessions of `[from, to)`, ascending, each with those of the symbols that are watched in its part of the range. A session
/// in which none is watched is left out.
pub fn watched_sessions(
    schedule: &Schedule,
    watchlist: &Watchlist,
    symbols: &BTreeSet<Symbol>,
    from: Minute,
    to: Minute,
) -> Result<Vec<(Session, BTreeSet<Symbol>)>, OutOfRange> {
    let known: Vec<Symbol> = watchlist.ever().intersection(symbols).cloned().collect();
    let begins = watchlist.begins().unwrap_or(to);
    let of = |session: Session| {
        let (first, end) = (session.open.max(from), session.close.min(to));
        let is_watched = |symbol: &&Symbol| !watchlist.watched(symbol, first, end).is_empty();
        let watched: BTreeSet<Symbol> = known.iter().filter(is_watched).cloned().collect();
        (!watched.is_empty()).then_some((session, watched))
    };
    // Nobody looks for who was watched in the years before anything was.
    Ok(schedule.sessions(from, to)?.into_iter().filter(|session| session.close > begins).filter_map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Calendar;
    use crate::overlay::Overlay;

    fn minute(text: &str) -> Minute {
        format!("2026-11-20T{text}:00Z").parse().expect("a minute")
    }

    fn symbols(text: &str) -> BTreeSet<Symbol> {
        text.split_whitespace().map(|s| s.parse().expect("symbol")).collect()
    }

    fn version(edit: Edit) -> Version {
        let made_at = minute("14:00").start();
        Version { v: 1, edit, who: "test".into(), why: "test".into(), made_at }
    }

    fn change(from: &str, add: &str, remove: &str) -> Version {
        version(Edit::Change { from: minute(from), add: symbols(add), remove: symbols(remove) })
    }

    fn names(list: &Watchlist, at: &str) -> String {
        list.at(minute(at)).iter().map(Symbol::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_version_takes_effect_at_its_minute() {
        let list = Watchlist::new(&[change("15:00", "AAPL MSFT", ""), change("16:00", "SPY", "AAPL")]);
        assert_eq!(names(&list, "14:59"), "");
        assert_eq!(names(&list, "15:00"), "AAPL MSFT");
        assert_eq!(names(&list, "16:00"), "MSFT SPY");
    }

    #[test]
    fn an_earlier_change_made_later_leaves_a_later_change_of_another_symbol_alone() {
        let list = Watchlist::new(&[change("18:00", "SPY", ""), change("16:00", "MSFT", "")]);
        assert_eq!(names(&list, "17:00"), "MSFT");
        assert_eq!(names(&list, "18:00"), "MSFT SPY");
    }

    #[test]
    fn of_two_changes_at_one_minute_the_later_version_holds() {
        let list = Watchlist::new(&[change("16:00", "SPY", ""), change("16:00", "", "SPY")]);
        assert_eq!(names(&list, "16:00"), "");
    }

    #[test]
    fn expected_is_session_minutes_times_the_watchlist_in_force() {
        let schedule = Schedule { calendar: Calendar::Xnys, overlay: Overlay::default() };
        let backfill = Edit::Backfill { from: minute("14:00"), to: minute("14:40"), symbols: symbols("QQQ") };
        let versions =
            [change("20:00", "SPY", ""), change("20:30", "", "SPY"), change("20:50", "SPY", ""), version(backfill)];
        let expected =
            expected(&schedule, &Watchlist::new(&versions), minute("00:00"), minute("23:00")).expect("in range");
        assert_eq!(
            expected["SPY"].to_string(),
            "2026-11-20T20:00:00Z..2026-11-20T20:30:00Z, 2026-11-20T20:50:00Z..2026-11-20T21:00:00Z"
        );
        assert_eq!(
            expected["QQQ"].to_string(),
            "2026-11-20T14:30:00Z..2026-11-20T14:40:00Z",
            "the session's part of the backfill"
        );
    }

    #[test]
    fn of_a_range_of_years_only_the_sessions_are_named_in_which_something_is_watched() {
        let schedule = Schedule { calendar: Calendar::Xnys, overlay: Overlay::default() };
        let backfill = Edit::Backfill { from: minute("14:00"), to: minute("14:40"), symbols: symbols("QQQ") };
        let list = Watchlist::new(&[change("20:00", "SPY", ""), version(backfill)]);
        let of = |names: &str, from: &str, to: &str| -> Vec<String> {
            let (from, to) = (from.parse().expect("a minute"), to.parse().expect("a minute"));
            let found = watched_sessions(&schedule, &list, &symbols(names), from, to).expect("in range");
            let told = |(session, watched): &(Session, BTreeSet<Symbol>)| {
                format!("{} {}", session.on, watched.iter().map(Symbol::as_str).collect::<Vec<_>>().join(" "))
            };
            found.iter().map(told).collect()
        };
        let years = ("2001-01-02T00:00:00Z", "2026-11-24T00:00:00Z");
        assert_eq!(of("SPY QQQ NOPE", years.0, years.1), ["2026-11-20 QQQ SPY", "2026-11-23 SPY"]);
        assert_eq!(of("QQQ", "2026-11-20T14:39:00Z", years.1), ["2026-11-20 QQQ"]);
        assert_eq!(of("QQQ", "2026-11-20T14:40:00Z", years.1), [""; 0]);
        assert_eq!(of("SPY", years.0, "2026-11-20T20:00:00Z"), [""; 0], "not yet");
        assert_eq!(of("NOPE", years.0, years.1), [""; 0]);
    }

    #[test]
    fn a_version_that_cannot_be_meant_is_refused() {
        assert!(change("14:01", "SPY", "").check().is_ok());
        assert!(matches!(change("14:00", "SPY", "").check(), Err(EditError::Backdated { .. })));
        assert_eq!(change("15:00", "", "").check(), Err(EditError::Empty));
        assert!(matches!(change("15:00", "SPY", "SPY").check(), Err(EditError::Both(_))));
        let backfill =
            |from, to| version(Edit::Backfill { from: minute(from), to: minute(to), symbols: symbols("SPY") });
        assert!(backfill("13:00", "14:00").check().is_ok());
        assert!(matches!(backfill("13:00", "14:01").check(), Err(EditError::Ahead { .. })));
        assert!(matches!(backfill("13:00", "13:00").check(), Err(EditError::Reversed { .. })));
    }
}
