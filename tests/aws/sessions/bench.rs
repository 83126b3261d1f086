//! A stack without sessions: the clients and adapters under test, and the proxy between them and the stand-ins.

use std::rc::Rc;

use mendlake::clock::VirtualClock;
use mendlake_aws_tests::StandIns;
use mendlake_domain::minute::Timestamp;
use tokio::task::LocalSet;

use crate::cloud::function::{FunctionPlace, open};
use crate::cloud::{Stage, World, resources};
use crate::proxy::{Fault, Faults, Proxy, Routes};
use crate::wire::Wire;

/// Nobody is asked for a quote here.
const NO_VENDOR: &str = "http://127.0.0.1:9";

/// A stack, and the place of a function in it.
pub(crate) struct Bench {
    pub(crate) world: Rc<World>,
    pub(crate) place: FunctionPlace,
}

impl Bench {
    /// Does this work on one.
    pub(crate) fn run(standins: &StandIns, work: impl AsyncFnOnce(Self)) {
        let (ministack, ledger) = (standins.ministack(), standins.dynoxide());
        let routes = Routes::new(ledger.endpoint(), ministack.endpoint());
        let clock = VirtualClock::new(epoch());
        let runs_on = clock.clone();
        let all = async {
            let proxy = Proxy::start(clock.clone(), routes, Faults::new(1, Vec::new())).await;
            let wire = Wire::new(clock.clone(), proxy.endpoint());
            let config = resources::made(&wire.aws("deployment"), NO_VENDOR).await;
            let world = Rc::new(World::new(clock, 1, config, proxy, wire));
            let place = open(&world, Stage::Collect, "tester-1").await.expect("a place");
            work(Self { world, place }).await;
        };
        runs_on.run(LocalSet::new().run_until(all)).expect("a runtime");
    }

    /// From now on these faults.
    pub(crate) fn fails(&self, faults: impl IntoIterator<Item = Fault>) {
        self.world.proxy.now_with(Faults::new(1, faults.into_iter().collect()));
    }

    /// How often faults have hit since.
    pub(crate) fn hits(&self) -> usize {
        self.world.proxy.faults().hits().values().sum()
    }
}

/// When benches begin.
pub(crate) fn epoch() -> Timestamp {
    "2026-11-20T14:29:00Z".parse().expect("an instant")
}
