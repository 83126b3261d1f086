//! A lake that is looked at, wherever it stands: in a folder of this machine, or in a stack on AWS.
//!
//! The commands that only look, and the one that changes the watchlist, are written once, against this.

use std::future::Future;

use chrono::NaiveDate;
use mendlake_adapters::disk::DiskLake;
use mendlake_adapters::sqlite::ledger::SqliteLedger;
use mendlake_adapters::stored::listing::{Listing, StoredObject};
use mendlake_domain::overlay::Schedule;
use mendlake_domain::settings::Settings;
use mendlake_ports::control::{self, Control};
use mendlake_ports::error::{Kind, Result};
use mendlake_ports::expectations::Expectations;
use mendlake_ports::gaps::Gaps;
use mendlake_ports::lake::Lake;
use mendlake_ports::runs::Runs;
use mendlake_ports::sessions::Sessions;
use mendlake_ports::set_aside::SetAside;
use mendlake_ports::source_states::SourceStates;
use mendlake_reconcile::Asks;

use crate::clock::ScaledClock;
use crate::lock;
use crate::open::Reading;
use crate::place::dead_letters;

/// A lake with its ledger, open to be looked at while others work on it.
pub trait Look {
    /// Its lake.
    type Lake: Lake + Control + Sessions + SetAside + Objects;
    /// Its ledger.
    type Ledger: Gaps + Expectations + Runs + SourceStates;

    /// The lake.
    fn lake(&self) -> &Self::Lake;
    /// The ledger. `Rejected` where there is none yet.
    fn ledger(&self) -> Result<Self::Ledger>;
    /// The parameters of whoever works on it.
    fn settings(&self) -> &Settings;
    /// The clock of whoever works on it.
    fn clock(&self) -> ScaledClock;
    /// How many messages killed whoever worked on them.
    fn dead_letters(&self) -> impl Future<Output = Result<usize>>;
    /// Whether anybody works on it now.
    fn is_worked_on(&self) -> Result<bool>;
    /// How it is spoken of.
    fn manner(&self) -> Manner;
}

/// The objects of a lake one by one, for whoever reads all of it.
pub trait Objects: Sync {
    /// Every object of the table `quotes`, and what lies among them.
    fn listing(&self) -> impl Future<Output = Result<Listing>>;
    /// Reads an object whole and holds its footer, its name and its folder against its rows; gives how many there are.
    fn verify(&self, object: &StoredObject) -> impl Future<Output = Result<u64>>;
    /// The oldest date of which there is anything.
    fn oldest_on(&self) -> impl Future<Output = Result<Option<NaiveDate>>>;
}

/// What is said and done differently on one machine and on AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// How often a session is looked at while its end is waited for. On AWS a look costs a request.
    pub look_ms: i64,
    /// Whose keys replays are made with.
    pub asks: Asks,
    /// What to do where nothing was reconciled yet.
    pub never_reconciled: &'static str,
    /// What to do where the last reconciliation is too long ago.
    pub stale: &'static str,
    /// Who heals what was backfilled.
    pub heals: &'static str,
    /// What to do about damaged objects.
    pub mends: &'static str,
    /// Who lands what was parked.
    pub lands: &'static str,
    /// Why batches are parked, and what to do.
    pub parked: (&'static str, &'static str),
    /// What to do about a ledger that cannot be read.
    pub ledger: &'static str,
    /// How to begin watching.
    pub watches: &'static str,
}

/// On one machine.
const HERE: Manner = Manner {
    look_ms: 1_000,
    asks: Asks::Looker,
    never_reconciled: "start `mendlake run`",
    stale: "start `mendlake run`, or where it runs see what `mendlake reconcile` says is in its way",
    heals: "`mendlake run` heals them, `mendlake replay --mode apply` does so at once",
    mends: "move each out of the lake, then `mendlake reconcile`: what it held is fetched again",
    lands: "`mendlake reconcile` lands them, runbooks/BatchesParked.md says what to do about one that stays",
    parked: (
        "the lake could not be written to for hours, or they cannot be read",
        "mend the disk, then start `mendlake run` again: it lands them; runbooks/BatchesParked.md says what to do about one that \
         stays",
    ),
    ledger: "`mendlake verify --rebuild-ledger` derives it from the lake",
    watches: "`mendlake watch add SYMBOL`, or set `symbols`",
};

/// The calendar with its overlay.
pub async fn schedule(look: &impl Look) -> Result<Schedule> {
    let overlay = control::overlay(look.lake()).await?;
    Ok(Schedule { calendar: look.settings().calendar, overlay })
}

impl Look for Reading {
    type Lake = DiskLake;
    type Ledger = SqliteLedger;

    fn lake(&self) -> &DiskLake {
        &self.lake
    }

    fn ledger(&self) -> Result<SqliteLedger> {
        Self::ledger(self)
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn clock(&self) -> ScaledClock {
        self.clock
    }

    async fn dead_letters(&self) -> Result<usize> {
        match self.database() {
            Ok(database) => dead_letters(database, self.clock).await,
            Err(error) if error.kind == Kind::Rejected => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn is_worked_on(&self) -> Result<bool> {
        lock::holder(self.lake.root()).map(|holder| holder.is_some())
    }

    fn manner(&self) -> Manner {
        HERE
    }
}

impl Objects for DiskLake {
    async fn listing(&self) -> Result<Listing> {
        Self::listing(self)
    }

    async fn verify(&self, object: &StoredObject) -> Result<u64> {
        self.verify_object(object).map(|footer| footer.rows)
    }

    async fn oldest_on(&self) -> Result<Option<NaiveDate>> {
        Self::oldest_on(self)
    }
}
