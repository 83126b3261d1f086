//! What a replay left undone, as the lake has it: reports say what was put into the stream, and not what has landed.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::law;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::StoredRow;
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::task::{Mode, ReplayTask};
use mendlake_ports::clock::Clock;
use mendlake_ports::control;
use mendlake_ports::error::{Kind, Result};
use mendlake_ports::lake::Lake;
use mendlake_ports::place::Place;
use mendlake_reconcile::{Patience, replay};

use super::Asked;
use crate::cli::Failure;
use crate::look::Look;

/// Symbol-minutes missing and not given up.
pub(super) async fn still_missing(
    place: &impl Place,
    look: &impl Look,
    asked: &Asked,
) -> std::result::Result<usize, Failure> {
    let task = ReplayTask { force: false, ..asked.task(Mode::Plan, look.clock().now()) };
    let missing = replay(place, look.settings(), &task, Patience::Minute).await?.missing;
    let mut given_up: BTreeMap<NaiveDate, BTreeMap<Symbol, MinuteSet>> = BTreeMap::new();
    for verdict in control::verdicts(look.lake()).await?.into_iter().filter(|v| asked.symbols.contains(&v.symbol)) {
        let minutes = verdict.minutes.within(asked.from, asked.to);
        given_up.entry(verdict.on).or_default().entry(verdict.symbol).or_default().extend_set(&minutes);
    }
    let mut without_rows = 0;
    for (session, _) in &asked.sessions {
        let Some(of_symbols) = given_up.get(&session.on) else { continue };
        let (from, to) = asked.part_of(session);
        let coverage = readable(look.lake().coverage(from, to).await)?;
        let left = |(symbol, minutes): (&Symbol, &MinuteSet)| minutes.difference(&coverage.present(symbol)).len();
        without_rows += of_symbols.iter().map(left).sum::<usize>();
    }
    Ok(missing.saturating_sub(without_rows))
}

/// What was read, or nothing of a session that is damaged: the report names it.
fn readable<T: Default>(read: Result<T>) -> Result<T> {
    match read {
        Err(error) if error.kind == Kind::Corrupt => Ok(T::default()),
        read => read,
    }
}

/// The rows that were there when a replacement was asked for.
pub(super) struct There {
    revision: i64,
    minutes: BTreeMap<(NaiveDate, Symbol), MinuteSet>,
    /// Revisions of an instant still to come: they are above the request's without being its corrections.
    ahead: BTreeMap<(Symbol, Minute), i64>,
}

impl There {
    /// Notes what is there of a request of this instant; nothing where it does not replace.
    pub(super) async fn look(
        lake: &impl Lake,
        settings: &Settings,
        asked: &Asked,
        requested_at: Timestamp,
    ) -> Result<Self> {
        let revision = requested_at.epoch_s();
        let mut there = Self { revision, minutes: BTreeMap::new(), ahead: BTreeMap::new() };
        let latest = law::latest_revision(requested_at);
        let sessions = if asked.force { &asked.sessions[..] } else { &[] };
        for (session, symbols) in sessions {
            let (from, to) = asked.part_of(session);
            let to = to.min(settings.horizon(requested_at));
            for StoredRow { row, .. } in StoredRow::current(readable(lake.rows(symbols, from, to).await)?) {
                if !asked.list.watched(&row.symbol, row.minute, row.minute + 1).is_empty() {
                    there.minutes.entry((session.on, row.symbol.clone())).or_default().insert(row.minute);
                    if row.revision > latest {
                        there.ahead.insert((row.symbol, row.minute), row.revision);
                    }
                }
            }
        }
        Ok(there)
    }

    /// How many rows there were.
    pub(super) fn len(&self) -> usize {
        self.minutes.values().map(MinuteSet::len).sum()
    }

    /// How many of them no correction of this request, or of a later one, has replaced.
    pub(super) async fn not_replaced(&self, lake: &impl Lake, asked: &Asked) -> Result<usize> {
        let mut replaced = 0;
        for (session, symbols) in &asked.sessions {
            let (from, to) = asked.part_of(session);
            if symbols.iter().any(|symbol| self.minutes.contains_key(&(session.on, symbol.clone()))) {
                let rows = StoredRow::current(readable(lake.rows(symbols, from, to).await)?);
                replaced += rows.iter().filter(|stored| self.is_replaced(session.on, stored)).count();
            }
        }
        Ok(self.len().saturating_sub(replaced))
    }

    fn is_replaced(&self, on: NaiveDate, StoredRow { row, .. }: &StoredRow) -> bool {
        let was_there = self.minutes.get(&(on, row.symbol.clone())).is_some_and(|set| set.contains(row.minute));
        let least = self.ahead.get(&(row.symbol.clone(), row.minute)).map_or(self.revision, |ahead| ahead + 1);
        was_there && row.revision >= least
    }
}
