//! The protections of the laws, taken away one at a time: only to show that their absence is noticed.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use chrono::NaiveDate;
use mendlake_adapters::memory::lake::MemoryLake;
use mendlake_adapters::memory::ledger::MemoryLedger;
use mendlake_domain::coverage::Coverage;
use mendlake_domain::gap::Gap;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::{SourceName, StoredRow};
use mendlake_domain::status::SessionStatus;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::budget::{Budget, Reservation};
use mendlake_ports::control::{Appended, Control, Log};
use mendlake_ports::error::Result;
use mendlake_ports::expectations::{Expectation, Expectations};
use mendlake_ports::gaps::{Gaps, VersionedGap, Write};
use mendlake_ports::lake::{Lake, NewObject, Published};
use mendlake_ports::landing::Landing;
use mendlake_ports::runs::{Run, Runs};
use mendlake_ports::sessions::Sessions;
use mendlake_ports::set_aside::{Rejected, SetAside};
use mendlake_ports::source_states::{SourceState, SourceStates};
use mendlake_ports::stream::Batch;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Law 1: gap items are said to be stored and are not.
    GapsForgotten,
    /// Law 2: coverage claims the minute after each that is there.
    CoverageClaims,
    /// Law 3: prices are altered between the client and the stage.
    PricesInvented,
    /// Law 4: candles are named by the minute before theirs, so that later trades price earlier minutes.
    CandlesEarly,
    /// Law 5: rows come in the wrong order.
    RowsReversed,
    /// Law 6: objects are said to be published and are not.
    PublishForgets,
    /// Law 7: every lease is granted, and no answer says what is left of the provider's window.
    BudgetUnlimited,
    /// Law 8: claims are not stored.
    ClaimsForgotten,
}

impl Sabotage {
    /// Each of them with its law.
    pub const ALL: [(u8, Self); 8] = [
        (1, Self::GapsForgotten),
        (2, Self::CoverageClaims),
        (3, Self::PricesInvented),
        (4, Self::CandlesEarly),
        (5, Self::RowsReversed),
        (6, Self::PublishForgets),
        (7, Self::BudgetUnlimited),
        (8, Self::ClaimsForgotten),
    ];
}

/// An adapter in memory, whole or broken.
#[derive(Debug)]
pub struct Broken<P> {
    whole: P,
    sabotage: Option<Sabotage>,
    published: Mutex<Vec<StoredRow>>,
}

impl<P> Broken<P> {
    /// The adapter with this protection taken away.
    pub fn new(whole: P, sabotage: Option<Sabotage>) -> Self {
        let published = Mutex::default();
        Self { whole, sabotage, published }
    }

    /// The adapter itself: the truth of what is stored.
    pub fn whole(&self) -> &P {
        &self.whole
    }

    /// The rows published since this was asked last.
    pub fn take_published(&self) -> Vec<StoredRow> {
        std::mem::take(&mut self.published.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }
}

impl Lake for Broken<MemoryLake> {
    async fn publish(&self, object: &NewObject) -> Result<Published> {
        let rows = object.rows.iter().cloned();
        self.published.lock().unwrap_or_else(PoisonError::into_inner).extend(rows);
        if self.is(Sabotage::PublishForgets) {
            return Ok(Published::New);
        }
        self.whole.publish(object).await
    }

    async fn coverage(&self, from: Minute, to: Minute) -> Result<Coverage> {
        let mut coverage = self.whole.coverage(from, to).await?;
        if self.is(Sabotage::CoverageClaims) {
            for held in coverage.0.values_mut() {
                for minutes in held.by_basis.values_mut() {
                    let claimed: Vec<Minute> = minutes.iter().map(|minute| minute + 1).filter(|m| *m < to).collect();
                    minutes.extend(claimed);
                }
            }
        }
        Ok(coverage)
    }

    async fn rows(&self, symbols: &BTreeSet<Symbol>, from: Minute, to: Minute) -> Result<Vec<StoredRow>> {
        let mut rows = self.whole.rows(symbols, from, to).await?;
        if self.is(Sabotage::RowsReversed) {
            let identity = |stored: &StoredRow| (stored.row.symbol.clone(), stored.row.minute);
            rows.sort_by(|a, b| identity(a).cmp(&identity(b)).then_with(|| b.order(a)));
        }
        Ok(rows)
    }
}

impl Control for Broken<MemoryLake> {
    async fn append(&self, log: Log, number: usize, entry: &[u8]) -> Result<Appended> {
        Control::append(&self.whole, log, number, entry).await
    }

    async fn read(&self, log: Log, after: usize) -> Result<Vec<Vec<u8>>> {
        self.whole.read(log, after).await
    }
}

impl Sessions for Broken<MemoryLake> {
    async fn append(&self, statuses: &[SessionStatus]) -> Result<()> {
        Sessions::append(&self.whole, statuses).await
    }

    async fn current(&self, first: NaiveDate, last: NaiveDate) -> Result<Vec<SessionStatus>> {
        self.whole.current(first, last).await
    }
}

impl SetAside for Broken<MemoryLake> {
    async fn quarantine(&self, rejected: &Rejected) -> Result<()> {
        self.whole.quarantine(rejected).await
    }

    async fn quarantined(&self) -> Result<Vec<Rejected>> {
        self.whole.quarantined().await
    }

    async fn park(&self, batch: &Batch, reason: &str) -> Result<()> {
        self.whole.park(batch, reason).await
    }

    async fn parked(&self) -> Result<Vec<String>> {
        self.whole.parked().await
    }

    async fn parked_batch(&self, name: &str) -> Result<Option<Batch>> {
        self.whole.parked_batch(name).await
    }

    async fn unpark(&self, name: &str) -> Result<()> {
        self.whole.unpark(name).await
    }
}

impl Budget for Broken<MemoryLedger> {
    async fn reserve_live(&self, provider: &SourceName, minute: Minute, calls: u32) -> Result<Reservation> {
        self.whole.reserve_live(provider, minute, calls).await
    }

    async fn lease_replay(&self, provider: &SourceName, minute: Minute, calls: u32, share: u32) -> Result<u32> {
        if self.is(Sabotage::BudgetUnlimited) {
            return Ok(calls);
        }
        self.whole.lease_replay(provider, minute, calls, share).await
    }
}

impl Expectations for Broken<MemoryLedger> {
    async fn record(&self, expectation: &Expectation) -> Result<()> {
        self.whole.record(expectation).await
    }

    async fn expectations(&self, from: Minute, to: Minute) -> Result<Vec<Expectation>> {
        self.whole.expectations(from, to).await
    }
}

impl Gaps for Broken<MemoryLedger> {
    async fn gap(&self, on: NaiveDate, symbol: &Symbol) -> Result<Option<VersionedGap>> {
        self.whole.gap(on, symbol).await
    }

    async fn pending(&self) -> Result<Vec<VersionedGap>> {
        self.whole.pending().await
    }

    async fn of_session(&self, on: NaiveDate) -> Result<Vec<VersionedGap>> {
        self.whole.of_session(on).await
    }

    async fn write(&self, gap: &Gap, version: u64) -> Result<Write> {
        if self.is(Sabotage::GapsForgotten) {
            return Ok(Write::Stored(version + 1));
        }
        if self.is(Sabotage::ClaimsForgotten) {
            let unclaimed = Gap { next_attempt_at: gap.first_seen_at, ..gap.clone() };
            return self.whole.write(&unclaimed, version).await;
        }
        self.whole.write(gap, version).await
    }
}

impl SourceStates for Broken<MemoryLedger> {
    async fn state(&self, source: &SourceName, endpoint: &str) -> Result<SourceState> {
        self.whole.state(source, endpoint).await
    }

    async fn set_state(&self, source: &SourceName, endpoint: &str, state: &SourceState) -> Result<()> {
        self.whole.set_state(source, endpoint, state).await
    }
}

impl Landing for Broken<MemoryLedger> {
    async fn note_landed(&self, shard: &str, through: Timestamp) -> Result<()> {
        self.whole.note_landed(shard, through).await
    }

    async fn landed_through(&self) -> Result<Option<Timestamp>> {
        self.whole.landed_through().await
    }
}

impl Runs for Broken<MemoryLedger> {
    async fn record_run(&self, run: &Run) -> Result<()> {
        self.whole.record_run(run).await
    }

    async fn last_run(&self) -> Result<Option<Run>> {
        self.whole.last_run().await
    }
}
