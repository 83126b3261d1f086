//! What is expected, and what was given up: read from the lake at the start of every run.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use futures_util::future::join_all;
use mendlake_domain::calendar::Session;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::gap::Unrecoverable;
use mendlake_domain::minute::Minute;
use mendlake_domain::overlay::Schedule;
use mendlake_domain::settings::Settings;
use mendlake_domain::status::SessionStatus;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::watchlist::Watchlist;
use mendlake_ports::control::{self, Control};
use mendlake_ports::error::{Kind, Result};
use mendlake_ports::sessions::Sessions;

/// How many sessions back a symbol's longest quiet run is looked for.
pub(crate) const HISTORY_SESSIONS: usize = 5;

/// Rows of a session that it takes to tell how a symbol trades: a backfill of three busy minutes has no quiet run, and
/// makes no liquid symbol.
const TELLING_MINUTES: u32 = 60;

/// Minutes given up of a symbol-session, by why.
pub(crate) type GivenUp = BTreeMap<Unrecoverable, MinuteSet>;

/// The lake's control logs, folded.
pub(crate) struct Context {
    pub(crate) schedule: Schedule,
    pub(crate) watchlist: Watchlist,
    verdicts: BTreeMap<(NaiveDate, Symbol), GivenUp>,
}

impl Context {
    pub(crate) async fn load(lake: &impl Control, settings: &Settings) -> Result<Self> {
        let schedule = Schedule { calendar: settings.calendar, overlay: control::overlay(lake).await? };
        let watchlist = control::watchlist(lake).await?;
        let mut verdicts: BTreeMap<(NaiveDate, Symbol), GivenUp> = BTreeMap::new();
        for verdict in control::verdicts(lake).await? {
            let of = verdicts.entry((verdict.on, verdict.symbol)).or_default();
            // A later verdict on a minute replaces an earlier one: a minute is given up for one reason.
            of.values_mut().for_each(|set| *set = set.difference(&verdict.minutes));
            of.entry(verdict.reason).or_default().extend_set(&verdict.minutes);
        }
        Ok(Self { schedule, watchlist, verdicts })
    }

    /// A context of these, without verdicts.
    #[cfg(test)]
    pub(crate) fn of(schedule: Schedule, watchlist: Watchlist) -> Self {
        Self { schedule, watchlist, verdicts: BTreeMap::new() }
    }

    /// Expected minutes of a symbol-session before the horizon.
    pub(crate) fn expected(&self, session: &Session, symbol: &Symbol, horizon: Minute) -> MinuteSet {
        self.watchlist.watched(symbol, session.open, session.close.min(horizon))
    }

    /// The lake's verdicts on a symbol-session.
    pub(crate) fn verdicts(&self, on: NaiveDate, symbol: &Symbol) -> GivenUp {
        self.verdicts.get(&(on, symbol.clone())).cloned().unwrap_or_default()
    }
}

/// Longest confirmed quiet runs of the sessions before some session, by symbol. A symbol without history is not in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct History(BTreeMap<Symbol, i64>);

impl History {
    /// The history in which these are the longest quiet runs.
    #[cfg(test)]
    pub(crate) fn of(longest: impl IntoIterator<Item = (Symbol, i64)>) -> Self {
        Self(longest.into_iter().collect())
    }

    /// The history of the last sessions before `on`. One whose statuses are damaged tells nothing; its own reconciliation
    /// says that they are.
    pub(crate) async fn before(lake: &impl Sessions, schedule: &Schedule, on: NaiveDate) -> Result<Self> {
        let sessions = schedule.sessions_before(on, HISTORY_SESSIONS);
        let mut told = Vec::new();
        for current in join_all(sessions.iter().map(|session| lake.current(session.on, session.on))).await {
            match current {
                Ok(statuses) => told.extend(statuses),
                Err(error) if error.kind == Kind::Corrupt => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self::told(told))
    }

    /// What these statuses tell.
    fn told(statuses: Vec<SessionStatus>) -> Self {
        let mut longest: BTreeMap<Symbol, i64> = BTreeMap::new();
        for status in statuses {
            let tells = status.present_minutes() >= TELLING_MINUTES;
            if let Some(run) = status.longest_quiet_run.filter(|_| tells) {
                let so_far = longest.entry(status.symbol).or_default();
                *so_far = (*so_far).max(i64::from(run));
            }
        }
        Self(longest)
    }

    /// The longest quiet run of a symbol, where anything is known.
    pub(crate) fn longest(&self, symbol: &Symbol) -> Option<i64> {
        self.0.get(symbol).copied()
    }
}

#[cfg(test)]
mod tests {
    use mendlake_domain::quote::Basis;

    use super::*;

    fn status(symbol: &str, present: u32, run: u32) -> SessionStatus {
        let minute = Minute::from_index(29_919_750);
        SessionStatus {
            on: minute.date(),
            symbol: symbol.parse().expect("a symbol"),
            open: minute,
            close: minute + 390,
            expected: present,
            present: [(Basis::Quote, present)].into(),
            longest_quiet_run: Some(run),
            gaps: 0,
            unrecoverable: BTreeMap::new(),
            oldest_price_age_s: None,
            outside: 0,
            is_final: true,
            as_of: minute.start(),
        }
    }

    #[test]
    fn the_longest_run_of_sessions_that_tell_enough_is_the_history() {
        let history = History::told(vec![status("FXY", 390, 12), status("FXY", 390, 40), status("DBB", 3, 0)]);
        let longest = |text: &str| history.longest(&text.parse().expect("a symbol"));
        assert_eq!(longest("FXY"), Some(40));
        assert_eq!(longest("DBB"), None, "three minutes tell nothing of how it trades");
    }
}
