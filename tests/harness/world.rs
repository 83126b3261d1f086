//! The world of a script: its clock, its agenda, its processes and their deaths.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendlake::finnhub::Vendor;
use mendlake::market::{GeneratedMarket, Market};
use mendlake_adapters::memory::clock::ManualClock;
use mendlake_domain::calendar::Calendar;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use mendlake_ports::control::{self, Log};

use crate::agenda::Event;
use crate::audit::Audit;
use crate::broken::Sabotage;
use crate::dice::Dice;
use crate::executor::{Executor, TaskId};
use crate::faults::{Death, SimFaults};
use crate::place::{Parts, SimPlace, now};
use crate::script::Script;
use crate::trace::{Keep, Trace};
use crate::transport::{SimSecrets, Skew};
use crate::work::{Done, Work, run};

/// More steps than any script takes: a world that goes on for ever is a failure.
const MOST_STEPS: u64 = 3_000_000;

/// How a world is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// How much of the trace is kept.
    pub keep: Keep,
    /// A death at a chosen writing call.
    pub death: Option<Death>,
    /// What is broken.
    pub sabotage: Option<Sabotage>,
}

/// How a world ended.
#[derive(Debug)]
pub struct Ended {
    /// What broke, the first of it.
    pub violation: Option<String>,
    /// What was kept of the trace.
    pub trace: Trace,
    /// Port calls.
    pub calls: u64,
    /// Writing ones.
    pub writes: u64,
    /// What happened how often, for those who wonder what a script reaches.
    pub counts: BTreeMap<String, usize>,
}

/// A world.
pub struct World {
    pub(crate) script: Script,
    pub(crate) clock: ManualClock,
    pub(crate) faults: SimFaults,
    pub(crate) skew: Skew,
    pub(crate) secrets: SimSecrets,
    pub(crate) place: Arc<SimPlace>,
    pub(crate) executor: Executor<Option<Done>>,
    pub(crate) working: BTreeMap<TaskId, Work>,
    pub(crate) agenda: BTreeMap<(Timestamp, usize), Event>,
    pub(crate) planned: usize,
    /// When a worker of a name may be started next.
    pub(crate) rested: BTreeMap<String, Timestamp>,
    pub(crate) down_until: Timestamp,
    pub(crate) level_due: bool,
    pub(crate) audit: Audit,
    pub(crate) dice: Dice,
}

/// Runs a script to its end, or to the first violation.
pub fn play(script: Script, run: Run) -> Ended {
    let mut world = World::new(script, run);
    let violation = world.play().err();
    world.end(violation)
}

impl World {
    fn new(script: Script, run: Run) -> Self {
        let clock = ManualClock::new(script.begin);
        let faults = SimFaults::new(Dice::new(script.seed, 2), Trace::new(run.keep), clock.clone(), run.death);
        let (skew, secrets) = (Skew::default(), SimSecrets::default());
        let market = GeneratedMarket::with_profiles(script.seed, Calendar::Xnys, script.profiles.clone());
        let market = Arc::new(script.vendor.closing(Market::from(market)));
        secrets.put("finnhub", "first-key", "1");
        secrets.put("alpaca", "id:secret", "1");
        let vendor = Vendor::new(market, script.terms()).expect("the script can be played");
        let place = SimPlace::new(Parts {
            clock: clock.clone(),
            faults: faults.clone(),
            vendor: Arc::new(vendor),
            skew: skew.clone(),
            secrets: secrets.clone(),
            limit: script.settings.rate_limit,
            alpaca: script.alpaca,
            shards: script.shards,
            sabotage: run.sabotage,
        });
        let audit = Audit::new(&script);
        let dice = Dice::new(script.seed, 3);
        let down_until = script.begin;
        let mut world = Self {
            script,
            clock,
            faults,
            skew,
            secrets,
            place: Arc::new(place),
            executor: Executor::default(),
            working: BTreeMap::new(),
            agenda: BTreeMap::new(),
            planned: 0,
            rested: BTreeMap::new(),
            down_until,
            level_due: false,
            audit,
            dice,
        };
        world.furnish();
        world.plan();
        world
    }

    /// What is there before anything happens.
    fn furnish(&mut self) {
        for version in &self.script.first {
            now(control::append(self.place.true_lake(), Log::Watchlist, version));
        }
        if self.script.history {
            let told = self.script.history(&self.place.truth);
            now(mendlake_ports::sessions::Sessions::append(self.place.true_lake(), &told));
        }
        if let Some((_, ms, false)) = self.script.clock_back {
            self.skew.set(-ms);
        }
        self.faults.set_weather(self.script.weather);
    }

    fn play(&mut self) -> Result<(), String> {
        for _ in 0..MOST_STEPS {
            if self.executor.runnable() > 0 {
                self.step()?;
                continue;
            }
            if self.level_due && self.executor.is_idle() {
                self.level_due = false;
                self.audit_level()?;
            }
            let Some(next) = self.next_at().filter(|at| *at < self.script.end) else {
                return self.judge();
            };
            if next > self.clock.now() {
                self.faults.trace(format_args!("the clock goes on to {next}"));
                self.clock.advance_to(next);
            }
            while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.clock.now()) {
                let event = entry.remove();
                self.happens(event);
            }
            self.summon();
        }
        Err(format!("the world goes on for ever: {MOST_STEPS} steps"))
    }

    /// Runs one of the runnable tasks, chosen by the dice.
    fn step(&mut self) -> Result<(), String> {
        let place = self.dice.below(self.executor.runnable());
        let Some(id) = self.executor.take(place) else {
            return Ok(());
        };
        self.faults.runs(id);
        let done = self.executor.poll(id);
        self.bury();
        let published = self.place.seen_lake().take_published();
        if !published.is_empty() {
            self.audit.published(&self.place, &published)?;
        }
        if let Some(done) = done {
            let work = self.working.remove(&id).expect("a task that ran was started");
            self.faults.trace(format_args!("{id} {} ends", work.name()));
            if let Some(Done::Reconciled(report)) = done {
                self.audit.reconciled(&self.place, &report)?;
            }
            self.summon();
        }
        Ok(())
    }

    pub(crate) fn start(&mut self, work: Work) {
        if self.clock.now() < self.down_until {
            return;
        }
        let (place, settings, name) = (self.place.clone(), self.script.settings.clone(), work.name());
        let faults = self.faults.clone();
        let begun = work.clone();
        let id = self.executor.spawn(async move {
            match run(place, settings, work).await {
                Ok(done) => Some(done),
                Err(error) => {
                    faults.trace(format_args!("{name} fails: {}", error.chain()));
                    None
                }
            }
        });
        self.faults.trace(format_args!("{id} {name} begins: {begun:?}"));
        self.audit.count(name);
        self.working.insert(id, begun);
    }

    /// Takes away who died; tells whether anybody did.
    pub(crate) fn bury(&mut self) -> bool {
        let doomed = self.faults.take_doomed();
        for id in &doomed {
            self.executor.kill(*id);
            self.working.remove(id);
            self.audit.count("deaths");
        }
        !doomed.is_empty()
    }

    fn judge(&mut self) -> Result<(), String> {
        let last = self.audit_level()?;
        self.audit.whole(&self.place, &last)
    }

    fn end(self, violation: Option<String>) -> Ended {
        let (calls, writes) = self.faults.calls();
        Ended { violation, trace: self.faults.take_trace(), calls, writes, counts: self.audit.into_counts() }
    }
}
