//! Whole sessions, played: the stack on stand-ins, the faults between them, until the lake says that it is whole.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;

use mendlake::clock::VirtualClock;
use mendlake::finnhub::{Exposure, Plan, Script, Server as VendorServer, Vendor};
use mendlake::market::Market;
use mendlake::rehearsal::{Outcome, scene};
use mendlake_aws_tests::StandIns;
use mendlake_domain::calendar::Session;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::clock::Clock;
use mendlake_ports::place::Place;
use tokio::task::LocalSet;

use crate::cloud::function::{FunctionPlace, open};
use crate::cloud::queue_source::{self, LIVE, REPLAY};
use crate::cloud::resources::{self, SHARD};
use crate::cloud::{Stage, StreamFlaw, Told, World, schedule, stream_source};
use crate::proxy::{Arrival, CallsBy, Fault, Faults, Proxy, Routes};
use crate::wire::Wire;

/// How long before the first session everything is deployed.
const WARM_UP_MIN: i64 = 10;

/// How often it is looked whether everything is whole.
const LOOK_MS: i64 = 30 * 60_000;

/// How long it may take after the last close: every second read has been made by then.
const MOST_MS: i64 = 66 * 3_600_000;

/// How long after everything is whole what is left in the stream may take to land.
const LANDS_WITHIN_MS: i64 = 10 * 60_000;

/// What is to be played.
pub(crate) struct Play {
    pub(crate) market: Arc<Market>,
    pub(crate) symbols: Vec<Symbol>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) seed: u64,
    /// What goes wrong at the vendors.
    pub(crate) script: Script,
    /// When the schedule of `request` is dead.
    pub(crate) dark: Vec<(Timestamp, Timestamp)>,
    /// What goes wrong between the functions and AWS.
    pub(crate) faults: Vec<Fault>,
    pub(crate) flaw: StreamFlaw,
}

/// What came of it.
pub(crate) struct Played {
    pub(crate) outcome: Outcome,
    pub(crate) told: Told,
    /// What was asked of AWS.
    pub(crate) calls: CallsBy,
    /// Every record that the stream accepted.
    pub(crate) accepted: Vec<Arrival>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) vendor: Arc<Vendor>,
    /// Whether every status was final.
    pub(crate) whole: bool,
    pub(crate) ended_at: Timestamp,
}

impl Play {
    pub(crate) fn run(self, standins: &StandIns) -> Played {
        let clock = VirtualClock::new((self.sessions[0].open + -WARM_UP_MIN).start());
        let (ministack, ledger) = (standins.ministack(), standins.dynoxide());
        let routes = Routes::new(ledger.endpoint(), ministack.endpoint());
        let runs_on = clock.clone();
        let local = LocalSet::new();
        runs_on.run(local.run_until(self.play_on(clock, routes))).expect("a runtime")
    }

    async fn play_on(self, clock: VirtualClock, routes: Routes) -> Played {
        let vendor = scene::vendor(self.market.clone(), self.seed, Plan::Premium, self.script.clone());
        let vendor = Arc::new(vendor.expect("vendors"));
        let listen = (Ipv4Addr::LOCALHOST, 0).into();
        let vendors = VendorServer::start(listen, Exposure::Loopback, vendor.clone(), clock.clone()).await;
        let vendors = vendors.expect("the simulated vendors");
        let proxy = Proxy::start(clock.clone(), routes, Faults::new(self.seed, Vec::new())).await;
        let wire = Wire::new(clock.clone(), proxy.endpoint());
        let config = resources::made(&wire.aws("deployment"), &vendors.base_url()).await;
        let world = Rc::new(World::new(clock, self.seed, config, proxy, wire));
        let person = open(&world, Stage::Reconcile, "person").await.expect("a place");
        scene::watch(person.lake(), &self.symbols, &self.sessions, world.clock.now()).await.expect("a watchlist");
        world.proxy.now_with(Faults::new(self.seed, self.faults.clone()));
        let whole = self.conduct(&world, &person).await;
        let faults = world.proxy.now_with(Faults::new(self.seed, Vec::new()));
        let (ended_at, calls) = (world.clock.now(), world.proxy.seen().calls());
        // A place of its own, which remembers nothing.
        let reader = open(&world, Stage::Reconcile, "reader").await.expect("a place");
        let read = Outcome::read(&reader, self.market.clone(), self.sessions.clone(), self.symbols.clone()).await;
        vendors.stop().await;
        Played {
            outcome: read.expect("what was played"),
            told: world.told.borrow().clone(),
            calls,
            accepted: world.proxy.seen().arrivals(),
            faults,
            vendor,
            whole,
            ended_at,
        }
    }

    /// Lets everything run until it is whole; tells whether it is.
    async fn conduct(&self, world: &Rc<World>, person: &FunctionPlace) -> bool {
        self.start(world);
        let closed = self.sessions.last().expect("a session").close.start();
        let mut look_at = closed;
        let whole = loop {
            world.clock.sleep_until(look_at).await;
            // Who looks may be hit by a fault too.
            let whole = scene::is_whole(person.lake(), self.symbols.len(), &self.sessions).await.unwrap_or(false);
            if whole || world.clock.now().ms_since(closed) > MOST_MS {
                break whole;
            }
            look_at = world.clock.now().plus_ms(LOOK_MS);
        };
        world.clock.sleep_until(world.clock.now().plus_ms(LANDS_WITHIN_MS)).await;
        world.end().await;
        whole
    }

    fn start(&self, world: &Rc<World>) {
        let (live, replay) = (world.config.live_queue_url.clone(), world.config.replay_queue_url.clone());
        world.spawn(schedule::run(world.clone(), Rc::new(self.dark.clone())));
        world.spawn(queue_source::run(world.clone(), live, &LIVE));
        world.spawn(queue_source::run(world.clone(), replay, &REPLAY));
        world.spawn(stream_source::run(world.clone(), SHARD.to_owned(), self.flaw));
    }
}
