//! No stack can be looked at: this binary was built without AWS.

use mendlake_adapters::disk::DiskLake;
use mendlake_adapters::sqlite::ledger::SqliteLedger;
use mendlake_domain::minute::Minute;
use mendlake_domain::settings::Settings;
use mendlake_domain::task::ReplayTask;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_reconcile::{ReconcileReport, ReplayReport, Window};

use crate::clock::ScaledClock;
use crate::look::{Look, Manner};

/// The place of a stack; there is none.
pub type StackPlace = crate::open::RealPlace;

/// A stack that is looked at; there is none.
#[derive(Clone, Copy, Debug)]
pub enum StackLook {}

impl StackLook {
    /// Refuses, with how to build.
    pub async fn open(name: &str) -> Result<Self> {
        Err(without(name))
    }

    /// Refuses, with how to build.
    pub async fn open_or_make(name: &str) -> Result<Self> {
        Err(without(name))
    }

    /// There is none.
    pub async fn place(&self) -> Result<StackPlace> {
        match *self {}
    }

    /// There is none.
    pub async fn replay(&self, _: &ReplayTask) -> Result<ReplayReport> {
        match *self {}
    }

    /// There is none.
    pub async fn disagreements(&self, _: Minute, _: Minute) -> Result<(u64, Vec<String>)> {
        match *self {}
    }
}

impl Look for StackLook {
    type Lake = DiskLake;
    type Ledger = SqliteLedger;

    fn lake(&self) -> &DiskLake {
        match *self {}
    }

    fn ledger(&self) -> Result<SqliteLedger> {
        match *self {}
    }

    fn settings(&self) -> &Settings {
        match *self {}
    }

    fn clock(&self) -> ScaledClock {
        match *self {}
    }

    async fn dead_letters(&self) -> Result<usize> {
        match *self {}
    }

    fn is_worked_on(&self) -> Result<bool> {
        match *self {}
    }

    fn manner(&self) -> Manner {
        match *self {}
    }
}

/// Refuses, with how to build.
pub async fn reconcile(name: &str, _: Window) -> Result<ReconcileReport> {
    Err(without(name))
}

/// What is said of any stack.
pub(crate) fn without(name: &str) -> PortError {
    let what = format!(
        "look at the stack `{name}`: this binary was built without AWS, build it with \
         `cargo build --release -p mendlake --features aws`"
    );
    PortError::new(Kind::Rejected, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_without_aws_says_how_to_build_one_with_it() {
        let error = without("lake");
        assert!(error.kind == Kind::Rejected && error.chain().contains("--features aws"), "{}", error.chain());
    }
}
