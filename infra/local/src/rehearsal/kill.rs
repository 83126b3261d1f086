//! Killing the lander: its publication never returns, in turn just before it is done and just after.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mendlake_adapters::faulty::{Call, Fault, Faults, Text};
use mendlake_ports::clock::Clock;
use tokio::sync::Notify;

/// Kills whoever publishes next once it is armed. Clones are the same killer.
#[derive(Clone, Debug)]
pub struct Killer<C> {
    clock: C,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// How often it was armed and has not killed yet.
    armed: AtomicUsize,
    killed: AtomicUsize,
    died: Notify,
}

impl<C: Clock> Killer<C> {
    /// A killer that is not armed.
    pub fn new(clock: C) -> Self {
        Self { clock, shared: Arc::default() }
    }

    /// Kills at the next publication: the first time before it is done, the second time after it, and so on.
    pub fn arm(&self) {
        self.shared.armed.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until somebody was killed.
    pub async fn died(&self) {
        self.shared.died.notified().await;
    }

    /// How often somebody was killed.
    pub fn killed(&self) -> usize {
        self.shared.killed.load(Ordering::SeqCst)
    }

    /// Kills if it is armed and this is the turn's moment.
    async fn strike(&self, call: Call<'_>, after: bool) {
        let turn_is_after = self.killed() % 2 == 1;
        let armed = self.shared.armed.load(Ordering::SeqCst) > 0;
        if call.name != "lake.publish" || !armed || turn_is_after != after {
            return;
        }
        self.shared.armed.fetch_sub(1, Ordering::SeqCst);
        self.shared.killed.fetch_add(1, Ordering::SeqCst);
        self.shared.died.notify_one();
        tracing::debug!(at = %self.clock.now(), after, "lander killed in `lake.publish`");
        pending::<()>().await;
    }
}

impl<C: Clock> Faults for Killer<C> {
    async fn before(&self, call: Call<'_>) -> Fault {
        self.strike(call, false).await;
        Fault::None
    }

    async fn after(&self, call: Call<'_>, _: Text<'_>) {
        self.strike(call, true).await;
    }
}
