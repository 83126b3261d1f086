//! The place the simulation stands in: adapters in memory, vendors behind their own clients, faults in front of each.

use std::sync::Arc;

use futures_util::FutureExt;
use mendlake::finnhub::Vendor;
use mendlake_adapters::alpaca::AlpacaClient;
use mendlake_adapters::faulty::Faulty;
use mendlake_adapters::finnhub::FinnhubClient;
use mendlake_adapters::memory::clock::ManualClock;
use mendlake_adapters::memory::lake::MemoryLake;
use mendlake_adapters::memory::ledger::MemoryLedger;
use mendlake_adapters::memory::queue::MemoryQueue;
use mendlake_adapters::memory::stream::MemoryStream;
use mendlake_adapters::settings::{QueueSettings, StreamSettings};
use mendlake_adapters::vendor::Candles;
use mendlake_ingest::Overlays;
use mendlake_ports::place::Place;

use crate::broken::{Broken, Sabotage};
use crate::faults::SimFaults;
use crate::served::Served;
use crate::source::Source;
use crate::stream::HeardStream;
use crate::transport::{SimSecrets, SimTransport, Skew};
use crate::truth::Truth;

/// Finnhub's client, listened to.
pub type SimFinnhub = Source<FinnhubClient<SimTransport, SimSecrets>>;

/// Both vendors' candles.
pub type SimCandles = Candles<SimFinnhub, Source<AlpacaClient<SimTransport, SimSecrets>>>;

/// A sampled message is delivered again after this; by then its minute is nearly over.
const LIVE_QUEUE: QueueSettings = QueueSettings::new(30_000, 5);

/// A replay may wait out a minute and then make its calls.
const REPLAY_QUEUE: QueueSettings = QueueSettings::new(180_000, 5);

const RETENTION_MS: i64 = 24 * 3_600_000;

/// What a place is made of.
pub struct Parts {
    /// Its clock.
    pub clock: ManualClock,
    /// Its faults.
    pub faults: SimFaults,
    /// Its vendors.
    pub vendor: Arc<Vendor>,
    /// How far its clock is off the vendors'.
    pub skew: Skew,
    /// Its keys.
    pub secrets: SimSecrets,
    /// Calls a minute that Finnhub allows.
    pub limit: u32,
    /// Whether Alpaca is configured too.
    pub alpaca: bool,
    /// Shards of its stream.
    pub shards: u32,
    /// What is broken.
    pub sabotage: Option<Sabotage>,
}

/// The place.
pub struct SimPlace {
    clock: ManualClock,
    live_queue: Faulty<MemoryQueue<ManualClock>, SimFaults>,
    replay_queue: Faulty<MemoryQueue<ManualClock>, SimFaults>,
    stream: Faulty<HeardStream, SimFaults>,
    lake: Faulty<Broken<MemoryLake>, SimFaults>,
    ledger: Faulty<Broken<MemoryLedger>, SimFaults>,
    quotes: Faulty<SimFinnhub, SimFaults>,
    candles: Vec<Faulty<SimCandles, SimFaults>>,
    /// What whoever samples keeps from one message to the next.
    pub overlays: Overlays,
    /// What the vendors told.
    pub served: Arc<Served>,
    /// What truly happened.
    pub truth: Truth,
}

impl SimPlace {
    /// An empty place.
    pub fn new(parts: Parts) -> Self {
        let Parts { clock, faults, vendor, skew, secrets, limit, alpaca, shards, sabotage } = parts;
        let served = Arc::new(Served::default());
        let truth = Truth::new(vendor.market().clone());
        let transport =
            SimTransport { vendor, clock: clock.clone(), skew, faults: faults.clone(), served: served.clone() };
        let finnhub = Source {
            client: FinnhubClient::new(transport.clone(), secrets.clone(), limit),
            served: served.clone(),
            truth: truth.clone(),
            clock: clock.clone(),
            sabotage,
        };
        let bars = Source {
            client: AlpacaClient::new(transport, secrets, 200),
            served: served.clone(),
            truth: truth.clone(),
            clock: clock.clone(),
            sabotage,
        };
        let mut candles = vec![Candles::Finnhub(finnhub.clone())];
        candles.extend(alpaca.then_some(Candles::Alpaca(bars)));
        let queue = |settings| Faulty::new(MemoryQueue::new(clock.clone(), settings), faults.clone());
        let stream = MemoryStream::new(clock.clone(), "sim", StreamSettings::new(shards, RETENTION_MS));
        Self {
            live_queue: queue(LIVE_QUEUE),
            replay_queue: queue(REPLAY_QUEUE),
            stream: Faulty::new(HeardStream::new(stream), faults.clone()),
            lake: Faulty::new(Broken::new(MemoryLake::new(), sabotage), faults.clone()),
            ledger: Faulty::new(Broken::new(MemoryLedger::new(), sabotage), faults.clone()),
            quotes: Faulty::new(finnhub, faults.clone()),
            candles: candles.into_iter().map(|source| Faulty::new(source, faults.clone())).collect(),
            clock,
            overlays: Overlays::default(),
            served,
            truth,
        }
    }

    /// The lake as the stages see it, without faults.
    pub fn seen_lake(&self) -> &Broken<MemoryLake> {
        self.lake.without_faults()
    }

    /// The lake as it is.
    pub fn true_lake(&self) -> &MemoryLake {
        self.lake.without_faults().whole()
    }

    /// The ledger as it is.
    pub fn true_ledger(&self) -> &MemoryLedger {
        self.ledger.without_faults().whole()
    }

    /// The stream without faults.
    pub fn true_stream(&self) -> &HeardStream {
        self.stream.without_faults()
    }

    /// The live queue without faults.
    pub fn true_live_queue(&self) -> &MemoryQueue<ManualClock> {
        self.live_queue.without_faults()
    }

    /// The replay queue without faults.
    pub fn true_replay_queue(&self) -> &MemoryQueue<ManualClock> {
        self.replay_queue.without_faults()
    }
}

/// The answer of an adapter in memory, which never waits and, asked without faults, never fails.
pub fn now<T>(call: impl Future<Output = mendlake_ports::Result<T>>) -> T {
    let answer = call.now_or_never().expect("an adapter in memory never waits");
    answer.unwrap_or_else(|error| panic!("an adapter in memory failed: {}", error.chain()))
}

impl Place for SimPlace {
    type Clock = ManualClock;
    type Queue = Faulty<MemoryQueue<ManualClock>, SimFaults>;
    type Stream = Faulty<HeardStream, SimFaults>;
    type Lake = Faulty<Broken<MemoryLake>, SimFaults>;
    type Ledger = Faulty<Broken<MemoryLedger>, SimFaults>;
    type Quotes = Faulty<SimFinnhub, SimFaults>;
    type Candles = Faulty<SimCandles, SimFaults>;
    type Facts = Faulty<SimFinnhub, SimFaults>;

    fn clock(&self) -> &Self::Clock {
        &self.clock
    }

    fn live_queue(&self) -> &Self::Queue {
        &self.live_queue
    }

    fn replay_queue(&self) -> &Self::Queue {
        &self.replay_queue
    }

    fn stream(&self) -> &Self::Stream {
        &self.stream
    }

    fn lake(&self) -> &Self::Lake {
        &self.lake
    }

    fn ledger(&self) -> &Self::Ledger {
        &self.ledger
    }

    fn quotes(&self) -> &Self::Quotes {
        &self.quotes
    }

    fn candles(&self) -> &[Self::Candles] {
        &self.candles
    }

    fn facts(&self) -> &Self::Facts {
        &self.quotes
    }
}
