//! What the lake must hold in the end, said as simply as possible and from the market's truth alone.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use mendlake_domain::calendar::{Calendar, Session, days};
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::overlay::Overlay;
use mendlake_domain::quote::{Basis, StoredRow};
use mendlake_domain::symbol::Symbol;
use mendlake_domain::watchlist::{Edit, Version};
use mendlake_ports::control;

use crate::place::{SimPlace, now};

/// What the people of this lake asked for, and when its sessions were.
pub struct Model {
    versions: Vec<Version>,
    overlay: Overlay,
}

impl Model {
    /// As the lake's control logs have it now.
    pub fn of(place: &SimPlace) -> Self {
        let lake = place.true_lake();
        let versions = now(control::read(lake, control::Log::Watchlist));
        let overlay = now(control::overlay(lake));
        Self { versions, overlay }
    }

    /// Only what was asked for by then.
    pub fn asked_before(mut self, at: Timestamp) -> Self {
        self.versions.retain(|version| version.made_at < at);
        self
    }

    /// Whether anybody wants this minute of the symbol, live or afterwards.
    fn wants(&self, symbol: &Symbol, minute: Minute) -> bool {
        self.watches(symbol, minute)
            || self.versions.iter().any(|version| match &version.edit {
                Edit::Backfill { from, to, symbols } => symbols.contains(symbol) && *from <= minute && minute < *to,
                Edit::Change { .. } => false,
            })
    }

    /// Whether it is watched live: the change that took effect last decides, of two at once the one made later.
    pub fn watches(&self, symbol: &Symbol, minute: Minute) -> bool {
        let mut newest: Option<(Minute, bool)> = None;
        for version in &self.versions {
            let Edit::Change { from, add, remove } = &version.edit else {
                continue;
            };
            let speaks = add.contains(symbol) || remove.contains(symbol);
            if speaks && *from <= minute && newest.is_none_or(|(at, _)| at <= *from) {
                newest = Some((*from, add.contains(symbol)));
            }
        }
        newest.is_some_and(|(_, watched)| watched)
    }

    /// Every symbol anybody ever named.
    pub fn symbols(&self) -> BTreeSet<Symbol> {
        let named = |version: &Version| match &version.edit {
            Edit::Change { add, remove, .. } => add.union(remove).cloned().collect::<Vec<_>>(),
            Edit::Backfill { symbols, .. } => symbols.iter().cloned().collect(),
        };
        self.versions.iter().flat_map(named).collect()
    }

    /// The sessions anything may be wanted of.
    pub fn sessions(&self) -> Vec<Session> {
        let mut first: Option<Minute> = None;
        let mut last: Option<Minute> = None;
        for version in &self.versions {
            let (from, to) = match &version.edit {
                Edit::Change { from, .. } => (*from, *from),
                Edit::Backfill { from, to, .. } => (*from, *to),
            };
            first = first.into_iter().chain([from]).min();
            last = last.into_iter().chain([to]).max();
        }
        let (Some(first), Some(last)) = (first, last) else {
            return Vec::new();
        };
        let on = |day| self.session(day);
        days(Calendar::Xnys.day_of(first), Calendar::Xnys.day_of(last)).filter_map(on).collect()
    }

    /// The session of a day as far as the lake has learnt.
    pub fn session(&self, on: NaiveDate) -> Option<Session> {
        let session = Calendar::Xnys.session_on(on).ok().flatten()?;
        let close = self.overlay.entry(on).map_or(session.close, |entry| match entry.change {
            mendlake_domain::overlay::Change::Closed => session.open,
            mendlake_domain::overlay::Change::ClosesAt { close } => close.min(session.close),
            mendlake_domain::overlay::Change::Withdrawn => session.close,
        });
        Some(Session { close, ..session })
    }

    /// The minutes of a session that are expected of a symbol, up to a horizon.
    pub fn expected(&self, session: &Session, symbol: &Symbol, horizon: Minute) -> MinuteSet {
        let minutes = session.open.until(session.close.min(horizon).max(session.open));
        minutes.filter(|minute| self.wants(symbol, *minute)).collect()
    }
}

/// The current row of each symbol-minute by an independent ranking, written as the design's sentence has it.
pub fn current(rows: &[StoredRow]) -> BTreeMap<(Symbol, Minute), &StoredRow> {
    let mut best: BTreeMap<(Symbol, Minute), &StoredRow> = BTreeMap::new();
    for stored in rows {
        let key = (stored.row.symbol.clone(), stored.row.minute);
        match best.get(&key) {
            Some(so_far) if !beats(stored, so_far) => {}
            _ => drop(best.insert(key, stored)),
        }
    }
    best
}

fn beats(a: &StoredRow, b: &StoredRow) -> bool {
    let rank = |basis| match basis {
        Basis::Quote => 0,
        Basis::Close => 1,
        Basis::Open => 2,
        Basis::PreviousClose => 3,
    };
    let (x, y) = (&a.row, &b.row);
    if x.revision != y.revision {
        return x.revision > y.revision;
    }
    if x.basis != y.basis {
        return rank(x.basis) < rank(y.basis);
    }
    if x.observed_at != y.observed_at {
        return if x.revision > 0 { x.observed_at > y.observed_at } else { x.observed_at < y.observed_at };
    }
    if x.traded_at != y.traded_at {
        return x.traded_at > y.traded_at;
    }
    if x.source != y.source {
        return x.source < y.source;
    }
    x.price.get() < y.price.get()
}
