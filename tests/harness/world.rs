//! The world of a script: its clock, its agenda, its processes and their deaths.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendlake::finnhub::{Account, Terms, Vendor};
use mendlake::market::{GeneratedMarket, Market};
use mendlake_adapters::memory::clock::ManualClock;
use mendlake_adapters::memory::queue::MemoryQueue;
use mendlake_domain::calendar::Calendar;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use mendlake_ports::control::{self, Log};
use mendlake_ports::queue::QueueConsumer;
use mendlake_ports::secrets::Key;
use mendlake_ports::stream::StreamConsumer;
use mendlake_reconcile::{ReconcileReport, Window};

use crate::audit::Audit;
use crate::broken::Sabotage;
use crate::dice::Dice;
use crate::executor::{Executor, TaskId};
use crate::faults::{Death, SimFaults, Weather};
use crate::place::{Parts, SimPlace, now};
use crate::script::Script;
use crate::trace::{Keep, Trace};
use crate::transport::{SimSecrets, Skew};
use crate::work::{Done, Work, run};

/// More steps than any script takes: a world that goes on for ever is a failure.
const MOST_STEPS: u64 = 3_000_000;

/// The pause of a worker after it took work.
const PAUSE_MS: i64 = 150;

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

/// What is on the agenda.
#[derive(Clone, Debug)]
enum Event {
    Start(Work),
    MachineDies { down_ms: i64 },
    ClockBack { ms: i64, behind_since: bool },
    KeyComes,
    Calm,
    AuditLevel,
}

/// A world.
pub struct World {
    script: Script,
    clock: ManualClock,
    faults: SimFaults,
    skew: Skew,
    secrets: SimSecrets,
    place: Arc<SimPlace>,
    executor: Executor<Option<Done>>,
    working: BTreeMap<TaskId, Work>,
    agenda: BTreeMap<(Timestamp, usize), Event>,
    planned: usize,
    /// When a worker of a name may be started next.
    rested: BTreeMap<String, Timestamp>,
    down_until: Timestamp,
    level_due: bool,
    audit: Audit,
    dice: Dice,
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
        let faults = SimFaults::new(
            Dice::new(script.seed, 2),
            Trace::new(run.keep),
            clock.clone(),
            run.death,
        );
        let (skew, secrets) = (Skew::default(), SimSecrets::default());
        let market = GeneratedMarket::with_profiles(script.seed, Calendar::Xnys, script.profiles.clone());
        let market = Arc::new(script.vendor.closing(Market::from(market)));
        secrets.put("finnhub", "first-key", "1");
        secrets.put("alpaca", "id:secret", "1");
        let vendor = Vendor::new(market, terms(&script)).expect("the script can be played");
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
            let told = self.audit.history(&self.place.truth);
            now(mendlake_ports::sessions::Sessions::append(
                self.place.true_lake(),
                &told,
            ));
        }
        if let Some((_, ms, false)) = self.script.clock_back {
            self.skew.set(-ms);
        }
        self.faults.set_weather(self.script.weather);
    }

    fn plan(&mut self) {
        let script = self.script.clone();
        for (at, version) in &script.edits {
            self.at(*at, Event::Start(Work::Edit(Box::new(version.clone()))));
        }
        for (at, down_ms) in &script.machine_dies {
            self.at(*at, Event::MachineDies { down_ms: *down_ms });
        }
        if let Some((at, ms, behind_since)) = script.clock_back {
            self.at(at, Event::ClockBack { ms, behind_since });
        }
        if let Some(at) = script.key_comes {
            self.at(at, Event::KeyComes);
        }
        self.at(script.calm_at, Event::Calm);
        self.plan_ticks();
        self.plan_reconciliations();
        for _ in 0..4 {
            let at = script.from.start().plus_s(self.dice.between(400, 5_400));
            self.at(at, Event::AuditLevel);
        }
        for hour in 1..12 {
            self.at(script.calm_at.plus_s(hour * 3_600 - 3_000), Event::Start(Work::Reland));
        }
        self.at(script.calm_at.plus_s(6 * 3_600), Event::AuditLevel);
    }

    /// Ticks anywhere in the minute before, some twice, some late, none where the scheduler is dark.
    fn plan_ticks(&mut self) {
        let (from, to, dark) = (self.script.from, self.script.to, self.script.dark.clone());
        for minute in (from + -2).until(to + 2) {
            if dark.iter().any(|(from, to)| *from <= minute && minute < *to) {
                continue;
            }
            let tick = |world: &mut Self, ms: i64| {
                let at = (minute + -1).start().plus_ms(ms).max(world.script.begin);
                world.at(at, Event::Start(Work::Tick(minute)));
            };
            let ms = match self.dice.below(20) {
                0 => self.dice.between(60_000, 70_000),
                _ => self.dice.between(0, 59_999),
            };
            tick(self, ms);
            if self.dice.chance(0.1) {
                let ms = self.dice.between(0, 66_000);
                tick(self, ms);
            }
        }
    }

    fn plan_reconciliations(&mut self) {
        for (at, window) in self.script.reconciliations() {
            let late_ms = self.dice.between(0, 9_000);
            self.at(at.plus_ms(late_ms), Event::Start(Work::Reconcile(window)));
            if self.dice.chance(0.15) {
                let apart_ms = self.dice.between(0, 400);
                self.at(at.plus_ms(late_ms + apart_ms), Event::Start(Work::Reconcile(window)));
            }
        }
    }

    fn at(&mut self, at: Timestamp, event: Event) {
        self.agenda.insert((at, self.planned), event);
        self.planned += 1;
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
            while let Some(entry) = self
                .agenda
                .first_entry()
                .filter(|entry| entry.key().0 <= self.clock.now())
            {
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

    fn start(&mut self, work: Work) {
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

    fn happens(&mut self, event: Event) {
        match event {
            Event::Start(work) => self.start(work),
            Event::MachineDies { down_ms } => {
                self.faults.trace(format_args!("the machine dies for {down_ms} ms"));
                for id in self.executor.ids() {
                    self.executor.kill(id);
                }
                self.working.clear();
                self.down_until = self.clock.now().plus_ms(down_ms);
            }
            Event::ClockBack { ms, behind_since } => {
                self.clock.set(self.clock.now().plus_ms(-ms));
                self.skew.set(if behind_since { ms } else { 0 });
                self.faults.trace(format_args!("the clock is set back by {ms} ms"));
                self.audit.clock_set_back(self.clock.now(), ms);
            }
            Event::KeyComes => {
                self.secrets.put("finnhub", "second-key", "2");
                self.secrets.put("alpaca", "id2:secret2", "2");
                self.faults.trace(format_args!("new keys come"));
            }
            Event::Calm => {
                self.faults.set_weather(Weather::default());
                self.faults.trace(format_args!("the faults stop"));
            }
            Event::AuditLevel => self.level_due = true,
        }
    }

    /// Starts workers for what waits.
    fn summon(&mut self) {
        let at = self.clock.now();
        if at < self.down_until {
            return;
        }
        let place = self.place.clone();
        for (queue, name, most) in [
            (place.true_live_queue(), "collect", 3),
            (place.true_replay_queue(), "replay", 2),
        ] {
            let waiting = visible_at(queue).is_some_and(|visible| visible <= at);
            if waiting && self.is_rested(name) && self.workers(name) < most {
                let messages = 1 + self.dice.below(3);
                self.rested.insert(name.to_owned(), at.plus_ms(PAUSE_MS));
                let work = if name == "collect" {
                    Work::Collect(messages)
                } else {
                    Work::Replay(messages)
                };
                return self.start_and_summon(work);
            }
        }
        for shard in now(self.place.true_stream().shards()) {
            if self.unread(&shard) && self.is_rested(&shard) {
                let window_ms = self.script.settings.landing_window_ms;
                let again_ms = self.dice.between(window_ms / 4, window_ms - 1_000);
                self.rested.insert(shard.clone(), at.plus_ms(again_ms));
                let twice = self.dice.chance(0.1);
                for _ in 0..1 + usize::from(twice) {
                    let (most, parks) = (1 + self.dice.below(40), self.dice.chance(0.5));
                    self.start(Work::Land {
                        shard: shard.clone(),
                        most,
                        parks,
                    });
                }
            }
        }
    }

    fn start_and_summon(&mut self, work: Work) {
        self.start(work);
        self.summon();
    }

    fn workers(&self, name: &str) -> usize {
        self.working.values().filter(|work| work.name() == name).count()
    }

    fn is_rested(&self, name: &str) -> bool {
        self.rested.get(name).is_none_or(|at| *at <= self.clock.now())
    }

    fn unread(&self, shard: &str) -> bool {
        !now(self.place.true_stream().read(shard, 1)).records.is_empty()
    }

    /// When anything is to happen next.
    fn next_at(&self) -> Option<Timestamp> {
        let rested = |name: &str| {
            self.rested
                .get(name)
                .copied()
                .unwrap_or(self.script.begin)
                .max(self.down_until)
        };
        let mut next: Vec<Timestamp> = self.clock.next_wake_at().into_iter().collect();
        next.extend(self.agenda.first_key_value().map(|((at, _), _)| *at));
        for (queue, name, most) in [
            (self.place.true_live_queue(), "collect", 3),
            (self.place.true_replay_queue(), "replay", 2),
        ] {
            if self.workers(name) < most {
                next.extend(visible_at(queue).map(|visible| visible.max(rested(name))));
            }
        }
        let shards = now(self.place.true_stream().shards());
        next.extend(
            shards
                .iter()
                .filter(|shard| self.unread(shard))
                .map(|shard| rested(shard)),
        );
        next.into_iter().min()
    }

    /// Reconciles twice at one instant, with nobody else there and nothing going wrong; gives the second report.
    fn audit_level(&mut self) -> Result<ReconcileReport, String> {
        self.faults.set_weather(Weather::default());
        let second = loop {
            let Some(first) = self.alone(Window::Hourly)? else {
                continue;
            };
            let found = self.audit.open_gaps(&self.place);
            let Some(second) = self.alone(Window::Hourly)? else {
                continue;
            };
            self.audit.level(&self.place, (&first, &found), &second)?;
            break second;
        };
        let calm = self.clock.now() >= self.script.calm_at;
        self.faults
            .set_weather(if calm { Weather::default() } else { self.script.weather });
        Ok(second)
    }

    /// Reconciles while nobody else is at work; `None` where the script had it die.
    fn alone(&mut self, window: Window) -> Result<Option<ReconcileReport>, String> {
        let (place, settings) = (self.place.clone(), self.script.settings.clone());
        let id = self
            .executor
            .spawn(async move { run(place, settings, Work::Reconcile(window)).await.ok() });
        self.faults.runs(id);
        while self.executor.runnable() > 0 {
            let task = self.executor.take(0).expect("one is runnable");
            match self.executor.poll(task) {
                Some(Some(Done::Reconciled(report))) => return Ok(Some(*report)),
                Some(_) => return Err("a reconciliation failed though nothing was wrong".into()),
                None => {}
            }
        }
        if self.bury() {
            return Ok(None);
        }
        Err("a reconciliation waits for something".into())
    }

    /// Takes away who died; tells whether anybody did.
    fn bury(&mut self) -> bool {
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
        Ended {
            violation,
            trace: self.faults.take_trace(),
            calls,
            writes,
            counts: self.audit.into_counts(),
        }
    }
}

fn visible_at(queue: &MemoryQueue<ManualClock>) -> Option<Timestamp> {
    now(queue.next_visible_at())
}

fn terms(script: &Script) -> Terms {
    let key = |text: &str| Key::new(text).expect("the harness's keys are keys");
    let per_minute = script.settings.rate_limit;
    let finnhub = |version: &str, text| Account {
        per_minute,
        ..Account::finnhub(version, key(text), script.plan)
    };
    let alpaca = |version: &str, text| Account::alpaca(version, key(text), mendlake::finnhub::Plan::Free);
    Terms {
        seed: script.seed,
        finnhub: vec![finnhub("1", "first-key"), finnhub("2", "second-key")],
        alpaca: vec![alpaca("1", "id:secret"), alpaca("2", "id2:secret2")],
        candle_late_s: script.candle_late_s,
        script: script.vendor.clone(),
    }
}
