//! A lake in memory: both tables, the control logs, quarantine and parking place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::NaiveDate;
use mendlake_domain::coverage::Coverage;
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::StoredRow;
use mendlake_domain::status::SessionStatus;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::control::{Appended, Control, Log};
use mendlake_ports::lake::{Lake, NewObject, Published};
use mendlake_ports::sessions::Sessions;
use mendlake_ports::set_aside::{Rejected, SetAside};
use mendlake_ports::stream::Batch;
use mendlake_ports::{Kind, PortError, Result};

use crate::stored::{quotes, set_aside, statuses};

/// A lake that lives as long as its process, and survives everything else: the simulation's crashes leave it be.
///
/// Deterministic: it holds maps in order, and asks nobody anything. Coverage comes from what each object's footer would
/// hold, noted when it was published, and rows from the rows: a fault in one does not hide in the other.
#[derive(Debug, Default)]
pub struct MemoryLake {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The names there are, by date.
    names: BTreeSet<(NaiveDate, String)>,
    /// The joined footers of each date.
    footers: BTreeMap<NaiveDate, Coverage>,
    /// Rows of each symbol-minute, in the order of rows.
    rows: BTreeMap<Symbol, BTreeMap<Minute, Vec<StoredRow>>>,
    /// Every status, in the order of arrival.
    statuses: BTreeMap<(NaiveDate, Symbol), Vec<SessionStatus>>,
    watchlist: Vec<Vec<u8>>,
    overlay: Vec<Vec<u8>>,
    verdicts: Vec<Vec<u8>>,
    quarantine: BTreeMap<(NaiveDate, String), Rejected>,
    /// As they are stored: one may be damaged.
    parked: BTreeMap<String, Vec<u8>>,
}

impl MemoryLake {
    /// An empty lake.
    pub fn new() -> Self {
        Self::default()
    }

    /// The date and name of every object of `quotes`, ascending.
    pub fn objects(&self) -> Vec<(NaiveDate, String)> {
        self.state().names.iter().cloned().collect()
    }

    /// Every row of every symbol, sorted by symbol, minute and the order of rows.
    pub fn every_row(&self) -> Vec<StoredRow> {
        self.state().rows.values().flat_map(BTreeMap::values).flatten().cloned().collect()
    }

    /// Every status that was appended and not there before, by day and symbol, then in the order of arrival.
    pub fn every_status(&self) -> Vec<SessionStatus> {
        self.state().statuses.values().flatten().cloned().collect()
    }

    /// Breaks the parked batch of this name, as a bad disk would.
    pub fn damage_parked(&self, name: &str) {
        if let Some(bytes) = self.state().parked.get_mut(name) {
            bytes.truncate(bytes.len() / 2);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics half way through a change, so what a poisoned lock guards is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn log(&mut self, log: Log) -> &mut Vec<Vec<u8>> {
        match log {
            Log::Watchlist => &mut self.watchlist,
            Log::Overlay => &mut self.overlay,
            Log::Verdicts => &mut self.verdicts,
        }
    }

    fn insert(&mut self, stored: StoredRow) {
        if !self.rows.contains_key(&stored.row.symbol) {
            self.rows.insert(stored.row.symbol.clone(), BTreeMap::new());
        }
        let minutes = self.rows.get_mut(&stored.row.symbol).expect("inserted above");
        let same = minutes.entry(stored.row.minute).or_default();
        let at = same.partition_point(|other| other.order(&stored).is_le());
        same.insert(at, stored);
    }
}

impl Lake for MemoryLake {
    async fn publish(&self, object: &NewObject) -> Result<Published> {
        let prepared = quotes::prepare(object)?;
        let mut state = self.state();
        if !state.names.insert((object.dt, prepared.name.to_string())) {
            return Ok(Published::Existed);
        }
        let footer = Coverage::of(prepared.rows.iter().map(|stored| &stored.row));
        state.footers.entry(object.dt).or_default().join(&footer);
        prepared.rows.into_iter().for_each(|stored| state.insert(stored));
        Ok(Published::New)
    }

    async fn coverage(&self, from: Minute, to: Minute) -> Result<Coverage> {
        let mut coverage = Coverage::default();
        if from < to {
            for footer in self.state().footers.range(from.date()..=(to + -1).date()).map(|(_, footer)| footer) {
                coverage.join(&quotes::within(footer, from, to));
            }
        }
        Ok(coverage)
    }

    async fn rows(&self, symbols: &BTreeSet<Symbol>, from: Minute, to: Minute) -> Result<Vec<StoredRow>> {
        if to <= from {
            return Ok(Vec::new());
        }
        let state = self.state();
        let minutes = symbols.iter().filter_map(|symbol| state.rows.get(symbol));
        Ok(minutes.flat_map(|minutes| minutes.range(from..to)).flat_map(|(_, rows)| rows).cloned().collect())
    }
}

impl Sessions for MemoryLake {
    async fn append(&self, statuses: &[SessionStatus]) -> Result<()> {
        let mut state = self.state();
        for status in statuses {
            let kept = state.statuses.entry((status.on, status.symbol.clone())).or_default();
            if !kept.contains(status) {
                kept.push(status.clone());
            }
        }
        Ok(())
    }

    async fn current(&self, first: NaiveDate, last: NaiveDate) -> Result<Vec<SessionStatus>> {
        let state = self.state();
        let days = state.statuses.iter().filter(|((on, _), _)| *on >= first && *on <= last);
        Ok(statuses::current(days.flat_map(|(_, kept)| kept).cloned()))
    }
}

impl Control for MemoryLake {
    async fn append(&self, log: Log, number: usize, entry: &[u8]) -> Result<Appended> {
        let mut state = self.state();
        let entries = state.log(log);
        let next = entries.len() + 1;
        if number == 0 || number > next {
            let what = format!("append entry {number} to control log `{}`: the next one is {next}", log.folder());
            return Err(PortError::new(Kind::Rejected, what));
        }
        if number < next {
            return Ok(Appended::Taken);
        }
        entries.push(entry.to_vec());
        Ok(Appended::Done)
    }

    async fn read(&self, log: Log, after: usize) -> Result<Vec<Vec<u8>>> {
        Ok(self.state().log(log).iter().skip(after).cloned().collect())
    }
}

impl SetAside for MemoryLake {
    async fn quarantine(&self, rejected: &Rejected) -> Result<()> {
        self.state().quarantine.entry(set_aside::rejected_name(rejected)).or_insert_with(|| rejected.clone());
        Ok(())
    }

    async fn quarantined(&self) -> Result<Vec<Rejected>> {
        let mut all: Vec<Rejected> = self.state().quarantine.values().cloned().collect();
        all.sort_by_key(|rejected| rejected.at);
        Ok(all)
    }

    async fn park(&self, batch: &Batch, reason: &str) -> Result<()> {
        let bytes = || set_aside::parked_to_bytes(batch, reason);
        self.state().parked.entry(set_aside::parked_name(batch)).or_insert_with(bytes);
        Ok(())
    }

    async fn parked(&self) -> Result<Vec<String>> {
        Ok(self.state().parked.keys().cloned().collect())
    }

    async fn parked_batch(&self, name: &str) -> Result<Option<Batch>> {
        self.state().parked.get(name).map(|bytes| set_aside::parked_from_bytes(bytes, name)).transpose()
    }

    async fn unpark(&self, name: &str) -> Result<()> {
        self.state().parked.remove(name);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use mendlake_ports::contracts;

    use super::*;

    #[tokio::test]
    async fn the_lake_keeps_its_contract() {
        let lake = MemoryLake::new();
        contracts::lake::all(&lake, &lake).await;
    }

    #[tokio::test]
    async fn the_control_logs_keep_their_contract() {
        let lake = MemoryLake::new();
        contracts::control::all(&lake, &lake).await;
    }

    #[tokio::test]
    async fn the_sessions_keep_their_contract() {
        let lake = MemoryLake::new();
        contracts::sessions::all(&lake, &lake).await;
    }

    #[tokio::test]
    async fn the_quarantine_and_the_parking_place_keep_their_contract() {
        let lake = MemoryLake::new();
        contracts::set_aside::all(&lake, &lake, |name| lake.damage_parked(name)).await;
    }
}
