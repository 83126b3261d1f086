//! What is expected, and what was given up: read from the lake at the start of every run.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use mendlake_domain::calendar::Session;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::gap::Unrecoverable;
use mendlake_domain::minute::Minute;
use mendlake_domain::overlay::Schedule;
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::watchlist::Watchlist;
use mendlake_ports::control::{self, Control};
use mendlake_ports::error::Result;
use mendlake_ports::sessions::Sessions;

/// How many sessions back a symbol's longest quiet run is looked for.
pub(crate) const HISTORY_SESSIONS: usize = 5;

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
        let schedule = Schedule {
            calendar: settings.calendar,
            overlay: control::overlay(lake).await?,
        };
        let watchlist = control::watchlist(lake).await?;
        let mut verdicts: BTreeMap<(NaiveDate, Symbol), GivenUp> = BTreeMap::new();
        for verdict in control::verdicts(lake).await? {
            let of = verdicts.entry((verdict.on, verdict.symbol)).or_default();
            // A later verdict on a minute replaces an earlier one: a minute is given up for one reason.
            of.values_mut().for_each(|set| *set = set.difference(&verdict.minutes));
            of.entry(verdict.reason).or_default().extend_set(&verdict.minutes);
        }
        Ok(Self {
            schedule,
            watchlist,
            verdicts,
        })
    }

    /// A context of these, without verdicts.
    #[cfg(test)]
    pub(crate) fn of(schedule: Schedule, watchlist: Watchlist) -> Self {
        Self {
            schedule,
            watchlist,
            verdicts: BTreeMap::new(),
        }
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

    /// The history of the last sessions before `on`.
    pub(crate) async fn before(lake: &impl Sessions, schedule: &Schedule, on: NaiveDate) -> Result<Self> {
        let sessions = schedule.sessions_before(on, HISTORY_SESSIONS);
        let (Some(newest), Some(oldest)) = (sessions.first(), sessions.last()) else {
            return Ok(Self::default());
        };
        let mut longest: BTreeMap<Symbol, i64> = BTreeMap::new();
        for status in lake.current(oldest.on, newest.on).await? {
            if let Some(run) = status.longest_quiet_run {
                let so_far = longest.entry(status.symbol).or_default();
                *so_far = (*so_far).max(i64::from(run));
            }
        }
        Ok(Self(longest))
    }

    /// The longest quiet run of a symbol, where anything is known.
    pub(crate) fn longest(&self, symbol: &Symbol) -> Option<i64> {
        self.0.get(symbol).copied()
    }
}
