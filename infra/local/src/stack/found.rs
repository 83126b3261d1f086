//! A stack on AWS, found by its name and looked at with the credentials of whoever asks.

use chrono::NaiveDate;
use mendlake_adapters::aws::Aws;
use mendlake_adapters::aws::lake::S3Lake;
use mendlake_adapters::aws::ledger::DynamoDbLedger;
use mendlake_adapters::http::reqwest::ReqwestTransport;
use mendlake_adapters::stored::listing::{Listing, StoredObject};
use mendlake_aws::place::AwsPlace;
use mendlake_aws::stack::Stack;
use mendlake_domain::minute::Minute;
use mendlake_domain::settings::Settings;
use mendlake_domain::task::ReplayTask;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_reconcile::{Asks, ReconcileReport, ReplayReport, Window};
use serde_json::{json, to_value};

use crate::clock::ScaledClock;
use crate::look::{Look, Manner, Objects};

/// The place of a stack.
pub type StackPlace = AwsPlace<ScaledClock, ReqwestTransport>;

/// A stack that is looked at.
#[derive(Debug)]
pub struct StackLook {
    stack: Stack,
    lake: S3Lake,
    ledger: DynamoDbLedger<ScaledClock>,
    clock: ScaledClock,
}

/// On AWS.
const ON_AWS: Manner = Manner {
    look_ms: 10_000,
    asks: Asks::Function,
    never_reconciled: "the stack does so every hour at five past, `mendlake reconcile` with the same `--stack` does it now",
    stale: "runbooks/ReconcilerSilent.md says what to look at",
    heals: "the hourly reconciliation has them healed, `mendlake reconcile` with the same `--stack` does so now",
    mends: "restore each one's older version, or move it out of the table, then `mendlake reconcile` with the same `--stack`: what \
            it held is fetched again; runbooks/StageFailing.md has the commands",
    lands: "runbooks/reland-parked-batches.md says how they are landed",
    parked: ("the lake could not be written to for hours", "runbooks/BatchesParked.md says what to do"),
    ledger: "runbooks/restore-the-ledger.md says how it is derived from the lake",
    watches: "`mendlake watch add SYMBOL` with the same `--stack`",
};

impl StackLook {
    /// Finds a stack and opens its lake, to be read.
    pub async fn open(name: &str) -> Result<Self> {
        let stack = find(name).await?;
        let lake = stack.lake().await?;
        Self::over(stack, lake)
    }

    /// The same, for whoever writes: makes the lake where nobody has yet.
    pub async fn open_or_make(name: &str) -> Result<Self> {
        let stack = find(name).await?;
        let lake = stack.lake_or_new(ScaledClock::machine().now()).await?;
        Self::over(stack, lake)
    }

    /// The lake of a stack that was found.
    pub fn over(stack: Stack, lake: S3Lake) -> Result<Self> {
        // AWS is on the world's clock.
        let clock = ScaledClock::machine();
        Ok(Self { ledger: stack.ledger(clock)?, stack, lake, clock })
    }

    /// The place as its functions have it.
    pub async fn place(&self) -> Result<StackPlace> {
        place(&self.stack, self.stack.lake().await?, self.clock).await
    }

    /// Has its function replay one task, now.
    pub async fn replay(&self, task: &ReplayTask) -> Result<ReplayReport> {
        let payload = to_value(task).expect("a task is JSON: its keys are text");
        self.stack.functions().invoke(&self.stack.outputs.replay, &payload).await
    }

    /// Athena's opinion of a range, through the table that people query, held against the footers: the bytes it read, and
    /// the symbols of which the two say different things.
    pub async fn disagreements(&self, from: Minute, to: Minute) -> Result<(u64, Vec<String>)> {
        let opinion = self.stack.athena().opinion(&self.clock, &self.lake, from, to).await?;
        Ok((opinion.scanned_bytes, opinion.differ.iter().map(ToString::to_string).collect()))
    }
}

/// Has a stack's function reconcile, now.
pub async fn reconcile(name: &str, window: Window) -> Result<ReconcileReport> {
    let stack = find(name).await?;
    stack.functions().invoke(&stack.outputs.reconcile, &json!({ "window": window })).await
}

/// Finds a stack.
pub(crate) async fn find(name: &str) -> Result<Stack> {
    Stack::find(Aws::found().await, name).await
}

/// The place as a stack's functions have it, over its lake.
pub(crate) async fn place(stack: &Stack, lake: S3Lake, clock: ScaledClock) -> Result<StackPlace> {
    let http = |url: &str| {
        ReqwestTransport::new(url, None)
            .map_err(|error| PortError::caused(Kind::Rejected, "set up HTTP for a vendor", error))
    };
    stack.place(lake, clock, http).await
}

impl Look for StackLook {
    type Lake = S3Lake;
    type Ledger = DynamoDbLedger<ScaledClock>;

    fn lake(&self) -> &S3Lake {
        &self.lake
    }

    fn ledger(&self) -> Result<DynamoDbLedger<ScaledClock>> {
        Ok(self.ledger.clone())
    }

    fn settings(&self) -> &Settings {
        &self.stack.outputs.settings
    }

    fn clock(&self) -> ScaledClock {
        self.clock
    }

    async fn dead_letters(&self) -> Result<usize> {
        self.stack.dead_letters().await.map(|letters| usize::try_from(letters).unwrap_or(usize::MAX))
    }

    /// Its schedules do.
    fn is_worked_on(&self) -> Result<bool> {
        Ok(true)
    }

    fn manner(&self) -> Manner {
        ON_AWS
    }
}

impl Objects for S3Lake {
    async fn listing(&self) -> Result<Listing> {
        Self::listing(self).await
    }

    async fn verify(&self, object: &StoredObject) -> Result<u64> {
        self.verify_object(object).await.map(|footer| footer.rows)
    }

    async fn oldest_on(&self) -> Result<Option<NaiveDate>> {
        Self::oldest_on(self).await
    }
}
