//! Who is started for what waits in queues and stream.

use mendlake_adapters::memory::clock::ManualClock;
use mendlake_adapters::memory::queue::MemoryQueue;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use mendlake_ports::queue::QueueConsumer;
use mendlake_ports::stream::StreamConsumer;

use crate::place::now;
use crate::work::Work;
use crate::world::World;

/// The pause of a worker after it took work.
const PAUSE_MS: i64 = 150;

impl World {
    /// Starts workers for what waits.
    pub(crate) fn summon(&mut self) {
        let at = self.clock.now();
        if at < self.down_until {
            return;
        }
        let place = self.place.clone();
        for (queue, name, most) in [(place.true_live_queue(), "collect", 3), (place.true_replay_queue(), "replay", 2)] {
            let waiting = visible_at(queue).is_some_and(|visible| visible <= at);
            if waiting && self.is_rested(name) && self.workers(name) < most {
                let messages = 1 + self.dice.below(3);
                self.rested.insert(name.to_owned(), at.plus_ms(PAUSE_MS));
                let work = if name == "collect" { Work::Collect(messages) } else { Work::Replay(messages) };
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
                    self.start(Work::Land { shard: shard.clone(), most, parks });
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
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        let rested = |name: &str| self.rested.get(name).copied().unwrap_or(self.script.begin).max(self.down_until);
        let mut next: Vec<Timestamp> = self.clock.next_wake_at().into_iter().collect();
        next.extend(self.agenda.first_key_value().map(|((at, _), _)| *at));
        for (queue, name, most) in
            [(self.place.true_live_queue(), "collect", 3), (self.place.true_replay_queue(), "replay", 2)]
        {
            if self.workers(name) < most {
                next.extend(visible_at(queue).map(|visible| visible.max(rested(name))));
            }
        }
        let shards = now(self.place.true_stream().shards());
        next.extend(shards.iter().filter(|shard| self.unread(shard)).map(|shard| rested(shard)));
        next.into_iter().min()
    }
}

fn visible_at(queue: &MemoryQueue<ManualClock>) -> Option<Timestamp> {
    now(queue.next_visible_at())
}
