//! What everything of a session shares.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::BTreeMap;

use mendlake::clock::VirtualClock;
use mendlake_aws::config::Config;
use tokio::task::JoinHandle;

use super::function::{Stage, Warm};
use super::told::Told;
use crate::proxy::Proxy;
use crate::wire::Wire;

/// A stack, as far as it is played.
pub(crate) struct World {
    pub(crate) clock: VirtualClock,
    pub(crate) seed: u64,
    pub(crate) config: Config,
    pub(crate) proxy: Proxy,
    pub(crate) wire: Wire,
    pub(crate) told: RefCell<Told>,
    warm: RefCell<BTreeMap<Stage, Vec<Warm>>>,
    names: Cell<usize>,
    tasks: RefCell<Vec<JoinHandle<()>>>,
}

impl World {
    pub(crate) fn new(clock: VirtualClock, seed: u64, config: Config, proxy: Proxy, wire: Wire) -> Self {
        let (told, warm) = (RefCell::default(), RefCell::default());
        Self { clock, seed, config, proxy, wire, told, warm, names: Cell::default(), tasks: RefCell::default() }
    }

    /// Starts work beside everything else.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        let task = tokio::task::spawn_local(work);
        self.tasks.borrow_mut().push(task);
    }

    /// Ends everything that was started.
    ///
    /// # Panics
    /// Where something of it did: what AWS does here without an answer is a broken test.
    pub(crate) async fn end(&self) {
        let tasks = self.tasks.take();
        for task in tasks {
            if !task.is_finished() {
                task.abort();
            } else if let Err(error) = task.await {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }

    /// The functions of a stage that are up and have nothing to do.
    pub(super) fn warm(&self, stage: Stage) -> RefMut<'_, Vec<Warm>> {
        RefMut::map(self.warm.borrow_mut(), |all| all.entry(stage).or_default())
    }

    /// The name of a function that starts.
    pub(super) fn new_name(&self, stage: Stage) -> String {
        self.names.set(self.names.get() + 1);
        format!("{}-{}", stage.name(), self.names.get())
    }
}
