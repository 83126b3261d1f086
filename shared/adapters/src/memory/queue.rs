//! A queue in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::Result;
use mendlake_ports::queue::{Delivery, Message, Queue, QueueConsumer};

use super::locked;
use crate::settings::{MOST_RECEIVED, QueueSettings, check_message};

/// A queue in memory: what is accepted survives until the process ends.
///
/// Delivers what has been visible longest first, and of one instant what was sent first.
#[derive(Debug)]
pub struct MemoryQueue<C> {
    clock: C,
    settings: QueueSettings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sent: u64,
    /// By when each is visible, then by the order of sending.
    messages: BTreeMap<(Timestamp, u64), Held>,
    /// When each message is visible, by its number.
    places: BTreeMap<u64, Timestamp>,
    dead: Vec<String>,
}

#[derive(Debug)]
struct Held {
    body: String,
    receives: u32,
}

impl<C: Clock> MemoryQueue<C> {
    /// An empty queue.
    pub fn new(clock: C, settings: QueueSettings) -> Self {
        Self { clock, settings, state: Mutex::default() }
    }
}

impl<C: Clock> Queue for MemoryQueue<C> {
    async fn send(&self, messages: &[Message]) -> Result<Vec<Result<()>>> {
        let now = self.clock.now();
        let mut state = locked(&self.state);
        let send = |message: &Message| check_message(message, now).map(|()| state.put(message));
        Ok(messages.iter().map(send).collect())
    }
}

impl<C: Clock> QueueConsumer for MemoryQueue<C> {
    async fn receive(&self, max: usize) -> Result<Vec<Delivery>> {
        let (now, max) = (self.clock.now(), max.min(MOST_RECEIVED));
        let mut state = locked(&self.state);
        let mut delivered = Vec::new();
        while delivered.len() < max
            && let Some((number, held)) = state.take_visible(now)
        {
            if held.receives >= self.settings.most_receives() {
                state.dead.push(held.body);
                continue;
            }
            let receives = held.receives + 1;
            delivered.push(Delivery { receipt: format!("{number}-{receives}"), body: held.body.clone(), receives });
            state.insert(number, self.settings.visible_again(now), Held { receives, ..held });
        }
        Ok(delivered)
    }

    async fn acknowledge(&self, receipt: &str) -> Result<bool> {
        let mut state = locked(&self.state);
        Ok(parse_receipt(receipt).is_some_and(|(number, receives)| state.acknowledge(number, receives)))
    }

    async fn next_visible_at(&self) -> Result<Option<Timestamp>> {
        Ok(locked(&self.state).messages.first_key_value().map(|((at, _), _)| *at))
    }

    async fn dead_letters(&self) -> Result<Vec<String>> {
        Ok(locked(&self.state).dead.clone())
    }
}

impl State {
    fn put(&mut self, message: &Message) {
        self.sent += 1;
        let held = Held { body: message.body.clone(), receives: 0 };
        self.insert(self.sent, message.visible_at, held);
    }

    fn insert(&mut self, number: u64, visible_at: Timestamp, held: Held) {
        self.places.insert(number, visible_at);
        self.messages.insert((visible_at, number), held);
    }

    fn take_visible(&mut self, now: Timestamp) -> Option<(u64, Held)> {
        let first = self.messages.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((_, number), held) = first.remove_entry();
        self.places.remove(&number);
        Some((number, held))
    }

    fn acknowledge(&mut self, number: u64, receives: u32) -> bool {
        let Some(at) = self.places.get(&number) else {
            return false;
        };
        let key = (*at, number);
        // Before its first delivery a message has no receipt: 0 receives are none.
        let holds = receives > 0 && self.messages.get(&key).is_some_and(|held| held.receives == receives);
        if holds {
            self.messages.remove(&key);
            self.places.remove(&number);
        }
        holds
    }
}

/// The message's number and the delivery of it that a receipt names.
pub(crate) fn parse_receipt(receipt: &str) -> Option<(u64, u32)> {
    let (number, receives) = receipt.split_once('-')?;
    Some((number.parse().ok()?, receives.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mendlake_ports::contracts::{Fresh, queue};

    use super::*;
    use crate::memory::clock::ManualClock;

    fn clock() -> ManualClock {
        ManualClock::new(Timestamp::from_epoch_s(1_800_000_000))
    }

    #[tokio::test]
    async fn the_memory_queue_keeps_its_contract() {
        for (visibility_ms, most_receives) in [(30_000, 3), (1_000, 2), (900_000, 5)] {
            let clock = clock();
            let queue = MemoryQueue::new(clock.clone(), QueueSettings::new(visibility_ms, most_receives));
            let settings = queue::Settings { visibility_ms: visibility_ms.into(), most_receives, slack_ms: 0 };
            for run in 0..2 {
                queue::all(&queue, &clock, settings, Fresh(run)).await;
            }
        }
    }

    #[tokio::test]
    async fn a_message_that_was_never_delivered_has_no_receipt() {
        let clock = clock();
        let queue = MemoryQueue::new(clock.clone(), QueueSettings::new(1_000, 2));
        queue.send(&[Message { body: "a".into(), visible_at: clock.now() }]).await.unwrap();
        assert!(!queue.acknowledge("1-0").await.unwrap());
        assert_eq!(queue.receive(1).await.unwrap().len(), 1);
    }

    #[test]
    fn of_many_receivers_at_once_each_message_goes_to_one() {
        let clock = clock();
        let queue = Arc::new(MemoryQueue::new(clock.clone(), QueueSettings::new(1_000, 2)));
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let messages: Vec<_> = (0..400).map(|n| Message { body: n.to_string(), visible_at: clock.now() }).collect();
        runtime().block_on(queue.send(&messages)).unwrap();
        let receivers = std::array::from_fn::<_, 4, _>(|_| {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || runtime().block_on(async { receive_all(&*queue).await }))
        });
        let mut bodies: Vec<_> = receivers.into_iter().flat_map(|r| r.join().unwrap()).collect();
        bodies.sort_by_key(|body| body.parse::<u32>().unwrap());
        assert_eq!(bodies, (0..400).map(|n| n.to_string()).collect::<Vec<_>>());
    }

    async fn receive_all(queue: &impl QueueConsumer) -> Vec<String> {
        let mut bodies = Vec::new();
        loop {
            let delivered = queue.receive(3).await.unwrap();
            if delivered.is_empty() {
                return bodies;
            }
            bodies.extend(delivered.into_iter().map(|d| d.body));
        }
    }

    #[tokio::test]
    async fn one_call_receives_a_bounded_number() {
        let clock = clock();
        let queue = MemoryQueue::new(clock.clone(), QueueSettings::new(1_000, 2));
        let message = Message { body: "a".into(), visible_at: clock.now() };
        queue.send(&vec![message; MOST_RECEIVED + 1]).await.unwrap();
        assert_eq!(queue.receive(usize::MAX).await.unwrap().len(), MOST_RECEIVED);
    }
}
