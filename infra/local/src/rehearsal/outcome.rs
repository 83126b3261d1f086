//! What sessions left behind, read back from the lake and held against the laws and the market's truth: the one judge of
//! rehearsals, wherever they were played.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mendlake_domain::calendar::Session;
use mendlake_domain::law;
use mendlake_domain::quote::{Basis, StoredRow};
use mendlake_domain::status::SessionStatus;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::error::Result;
use mendlake_ports::gaps::Gaps;
use mendlake_ports::lake::Lake;
use mendlake_ports::place::Place;
use mendlake_ports::sessions::Sessions;

use super::truth::{Distance, Judgement, Spread, distance, judge, session_of};
use crate::market::Market;

/// Sessions that were played, as the lake and the ledger have them.
#[derive(Debug)]
pub struct Outcome {
    /// What truly traded.
    pub market: Arc<Market>,
    /// What was played.
    pub sessions: Vec<Session>,
    /// What was watched.
    pub symbols: Vec<Symbol>,
    /// Every row of them, superseded ones too.
    pub rows: Vec<StoredRow>,
    /// The current ones.
    pub current: Vec<StoredRow>,
    /// The current status of each symbol-session.
    pub statuses: Vec<SessionStatus>,
    /// Open symbol-minutes, by the ledger.
    pub open_gaps: usize,
}

impl Outcome {
    /// Reads back what a place holds of these sessions, of which there is at least one.
    pub async fn read(
        place: &impl Place,
        market: Arc<Market>,
        sessions: Vec<Session>,
        symbols: Vec<Symbol>,
    ) -> Result<Self> {
        let (first, last) = (sessions[0], sessions[sessions.len() - 1]);
        let watched: BTreeSet<Symbol> = symbols.iter().cloned().collect();
        let rows = place.lake().rows(&watched, first.open, last.close).await?;
        let statuses = place.lake().current(first.on, last.on).await?;
        let items = place.ledger().pending().await?;
        let open_gaps = items.iter().map(|item| item.gap.open_minutes().len()).sum();
        let current = StoredRow::current(rows.clone());
        Ok(Self { market, sessions, symbols, rows, current, statuses, open_gaps })
    }

    /// The session of a row.
    ///
    /// # Panics
    /// Where it is of none that was played.
    pub fn session(&self, stored: &StoredRow) -> Session {
        *session_of(&self.sessions, stored.row.minute).expect("a row of a session played")
    }

    /// Everything that is not as it should be: every expected symbol-minute has exactly one current row, nothing is open or
    /// given up, every status is final, no law is broken.
    pub fn complaints(&self, expected_minutes: usize) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.open_gaps > 0 {
            complaints.push(format!("{} open gaps", self.open_gaps));
        }
        if self.current.len() != expected_minutes {
            complaints.push(format!("{} current rows, {expected_minutes} expected", self.current.len()));
        }
        let statuses = self.sessions.len() * self.symbols.len();
        if self.statuses.len() != statuses {
            complaints.push(format!("{} statuses, {statuses} expected", self.statuses.len()));
        }
        let is_whole = |status: &&SessionStatus| {
            let nothing_left = status.is_final && status.gaps == 0 && status.unrecoverable.is_empty();
            nothing_left && status.present_minutes() == status.expected
        };
        complaints.extend(self.statuses.iter().filter(|s| !is_whole(s)).map(|status| format!("not whole: {status:?}")));
        complaints.extend(law::one_current(&self.current).err().map(|violation| violation.to_string()));
        complaints.extend(self.rows.iter().filter_map(|stored| self.lawless(stored)));
        complaints
    }

    /// The law that a row breaks.
    fn lawless(&self, stored: &StoredRow) -> Option<String> {
        let checked = law::not_invented(&stored.row)
            .and_then(|()| law::no_look_ahead(&stored.row, &self.session(stored)))
            .and_then(|()| law::known_before_stored(stored));
        checked.err().map(|violation| violation.to_string())
    }

    /// The current rows of which holding them against the truth shows this.
    pub fn judged(&self, wanted: Judgement) -> Vec<&StoredRow> {
        self.current.iter().filter(|r| judge(&self.market, &self.session(r), &r.row) == wanted).collect()
    }

    /// How far the healed rows of a symbol are from live samples.
    pub fn distances(&self, symbol: &Symbol) -> Vec<Distance> {
        let healed = self.current.iter().filter(|r| r.row.symbol == *symbol && r.row.basis != Basis::Quote);
        healed.filter_map(|r| distance(&self.market, &self.session(r), &r.row)).collect()
    }

    /// The mean distance of all healed rows, in basis points.
    pub fn mean_bp(&self) -> f64 {
        let all = self.symbols.iter().flat_map(|symbol| self.distances(symbol));
        Spread::of(all.map(|distance| distance.bp).collect()).mean
    }

    /// What came of it, in lines for people.
    pub fn told(&self) -> Vec<String> {
        let mut by_basis: BTreeMap<Basis, usize> = BTreeMap::new();
        for stored in &self.current {
            *by_basis.entry(stored.row.basis).or_default() += 1;
        }
        let corrected = self.current.iter().filter(|r| r.row.revision > 0).count();
        let mut told = vec![format!("{} rows, current by basis {by_basis:?}, {corrected} corrected", self.rows.len())];
        told.push(format!("open gaps {}", self.open_gaps));
        told.extend(self.symbols.iter().map(|symbol| self.told_of(symbol)));
        told.push(format!("all symbols: {:.3} bp mean", self.mean_bp()));
        told
    }

    fn told_of(&self, symbol: &Symbol) -> String {
        let distances = self.distances(symbol);
        let ticks = Spread::of(distances.iter().map(|d| d.cents).collect());
        let spread = Spread::of(distances.iter().map(|d| d.bp).collect());
        let Spread { mean, p95, max } = spread;
        let healed = distances.len();
        format!(
            "{symbol:<5} {healed:>4} healed: {mean:.2} bp mean, {p95:.2} p95, {max:.2} max; {:.2} ticks mean, {:.1} max",
            ticks.mean, ticks.max
        )
    }
}
