//! What the proxy saw pass, in virtual time: the stand-ins' own clocks are the machine's, and say nothing here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mendlake_domain::minute::Timestamp;
use tokio::sync::{oneshot, watch};

use super::asked::{Asked, Service};

/// A record that a stream accepted.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: Timestamp,
    pub(crate) data: Vec<u8>,
}

/// A message of a queue that is to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// It was sent: its id.
    Sent(String),
    /// Its deletion came to nothing: the receipt.
    Back(String),
}

/// How often something was asked and answered, and how large it was in what DynamoDB charges by.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calls {
    pub(crate) times: usize,
    /// Begun KB of what was sent: units of a write.
    pub(crate) write_units: usize,
    /// Begun 4 KB of what came back: units of a read.
    pub(crate) read_units: usize,
}

/// Calls by who made them, service and operation.
pub(crate) type CallsBy = BTreeMap<(String, Service, String), Calls>;

/// What was seen. Clones see the same.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    state: Arc<Mutex<State>>,
    news: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    due: BTreeMap<String, Vec<(Timestamp, Due)>>,
    arrivals: BTreeMap<(String, String), Arrival>,
    living: BTreeMap<String, oneshot::Sender<()>>,
    calls: CallsBy,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self { state: Arc::default(), news: watch::Sender::new(()) }
    }

    /// Told whenever something was seen.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    pub(super) fn due(&self, queue: &str, due: impl IntoIterator<Item = (Timestamp, Due)>) {
        self.lock().due.entry(queue.to_owned()).or_default().extend(due);
        self.news.send_replace(());
    }

    /// The messages of a queue that were seen since this was asked last, and when each is to be delivered.
    pub(crate) fn take_due(&self, queue: &str) -> Vec<(Timestamp, Due)> {
        self.lock().due.remove(queue).unwrap_or_default()
    }

    pub(super) fn arrived(&self, shard: &str, sequence: &str, arrival: Arrival) {
        self.lock().arrivals.insert((shard.to_owned(), sequence.to_owned()), arrival);
        self.news.send_replace(());
    }

    /// When a record arrived.
    pub(crate) fn arrived_at(&self, shard: &str, sequence: &str) -> Option<Timestamp> {
        self.lock().arrivals.get(&(shard.to_owned(), sequence.to_owned())).map(|arrival| arrival.at)
    }

    /// When the first record after this one arrived.
    pub(crate) fn next_arrival(&self, shard: &str, after: &str) -> Option<Timestamp> {
        let from = (shard.to_owned(), after.to_owned());
        let state = self.lock();
        let mut later = state.arrivals.range(&from..).filter(|(key, _)| **key != from);
        later.next().filter(|((of, _), _)| of == shard).map(|(_, arrival)| arrival.at)
    }

    /// Every record that the stream accepted.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.lock().arrivals.values().cloned().collect()
    }

    pub(super) fn called(&self, function: &str, asked: &Asked, sent: usize, came: usize) {
        let key = (function.to_owned(), asked.service, asked.operation.clone());
        let mut state = self.lock();
        let calls = state.calls.entry(key).or_default();
        calls.times += 1;
        calls.write_units += sent.div_ceil(1_024).max(1);
        calls.read_units += came.div_ceil(4_096).max(1);
    }

    /// Every call that was answered.
    pub(crate) fn calls(&self) -> CallsBy {
        self.lock().calls.clone()
    }

    /// Told when the function of this name is killed.
    pub(crate) fn death_of(&self, function: &str) -> oneshot::Receiver<()> {
        let (dies, death) = oneshot::channel();
        self.lock().living.insert(function.to_owned(), dies);
        death
    }

    pub(super) fn kill(&self, function: &str) {
        if let Some(dies) = self.lock().living.remove(function) {
            // Who is gone already cannot be killed.
            let _ = dies.send(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
