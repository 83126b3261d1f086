//! What is to happen when.

use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;

use crate::faults::Weather;
use crate::work::Work;
use crate::world::World;

/// What is on the agenda.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A process begins.
    Start(Work),
    /// Every process dies, and none begins for a while.
    MachineDies {
        /// How long.
        down_ms: i64,
    },
    /// The wall clock is set back.
    ClockBack {
        /// By how much.
        ms: i64,
        /// Whether it was right before and is behind now; else it was ahead before.
        behind_since: bool,
    },
    /// New keys come.
    KeyComes,
    /// The ports' faults stop.
    Calm,
    /// Law 8 is audited as soon as nobody is at work.
    AuditLevel,
}

impl World {
    /// Puts everything on the agenda that the script says.
    pub(crate) fn plan(&mut self) {
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

    pub(crate) fn at(&mut self, at: Timestamp, event: Event) {
        self.agenda.insert((at, self.planned), event);
        self.planned += 1;
    }

    /// Does what was to happen.
    pub(crate) fn happens(&mut self, event: Event) {
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
}
