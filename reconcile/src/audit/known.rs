//! What was known at an instant of what is to be expected.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use mendlake_domain::calendar::Session;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::overlay::{Entry, Overlay, Schedule};
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::watchlist::{Version, Watchlist};
use mendlake_ports::control::{self, Control, Log};
use mendlake_ports::error::Result;

use crate::reconcile::out_of_range;

/// The lake's control logs, entry by entry.
pub(super) struct Logs {
    overlay: Vec<Entry>,
    watchlist: Vec<Version>,
    pub(super) given_up: BTreeMap<(NaiveDate, Symbol), MinuteSet>,
}

impl Logs {
    pub(super) async fn read(lake: &impl Control) -> Result<Self> {
        let mut given_up: BTreeMap<(NaiveDate, Symbol), MinuteSet> = BTreeMap::new();
        for verdict in control::verdicts(lake).await? {
            given_up.entry((verdict.on, verdict.symbol)).or_default().extend_set(&verdict.minutes);
        }
        let (overlay, watchlist) =
            (control::read(lake, Log::Overlay).await?, control::read(lake, Log::Watchlist).await?);
        Ok(Self { overlay, watchlist, given_up })
    }

    /// Every symbol that an entry of the watchlist names, whenever that was made.
    pub(super) fn named(&self) -> BTreeSet<Symbol> {
        Watchlist::new(&self.watchlist).ever()
    }

    /// What was known at an instant: a run knows nothing of what was entered after it.
    pub(super) fn at(&self, at: Timestamp, settings: &Settings) -> Known {
        let overlay = self.overlay.iter().filter(|entry| entry.learned_at <= at).cloned();
        let watchlist = self.watchlist.iter().filter(|version| version.made_at <= at);
        Known {
            schedule: Schedule { calendar: settings.calendar, overlay: Overlay::new(overlay) },
            watchlist: Watchlist::new(watchlist),
            horizon: settings.horizon(at),
        }
    }
}

/// What was known of what is to be expected.
pub(super) struct Known {
    pub(super) schedule: Schedule,
    pub(super) watchlist: Watchlist,
    horizon: Minute,
}

impl Known {
    /// The settled minutes expected of a symbol-session.
    pub(super) fn expected(&self, on: NaiveDate, symbol: &Symbol) -> Result<MinuteSet> {
        self.expected_before(on, symbol, Some(self.horizon))
    }

    /// The minutes expected of a symbol-session, settled or not.
    pub(super) fn whole(&self, on: NaiveDate, symbol: &Symbol) -> Result<MinuteSet> {
        self.expected_before(on, symbol, None)
    }

    /// Whether there is a session on this day of which every minute has settled.
    pub(super) fn is_over(&self, on: NaiveDate) -> Result<bool> {
        let session = self.schedule.session_on(on).map_err(out_of_range)?;
        Ok(session.is_some_and(|session| session.close <= self.horizon))
    }

    fn expected_before(&self, on: NaiveDate, symbol: &Symbol, end: Option<Minute>) -> Result<MinuteSet> {
        let session = self.schedule.session_on(on).map_err(out_of_range)?;
        let end = |session: &Session| end.map_or(session.close, |end| session.close.min(end));
        let watched = |session: Session| self.watchlist.watched(symbol, session.open, end(&session));
        Ok(session.map(watched).unwrap_or_default())
    }
}
