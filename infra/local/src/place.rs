//! The place on one machine: SQLite for queues, stream and ledger, a lake on disk, the vendors over HTTP.

use std::path::{Path, PathBuf};

use mendlake_adapters::alpaca::AlpacaClient;
use mendlake_adapters::finnhub::FinnhubClient;
use mendlake_adapters::http::Transport;
use mendlake_adapters::secrets::FileSecrets;
use mendlake_adapters::settings::{QueueSettings, StreamSettings};
use mendlake_adapters::sqlite::database::Database;
use mendlake_adapters::sqlite::ledger::SqliteLedger;
use mendlake_adapters::sqlite::queue::SqliteQueue;
use mendlake_adapters::sqlite::stream::SqliteStream;
use mendlake_adapters::vendor::Candles;
use mendlake_ports::clock::Clock;
use mendlake_ports::control::Control;
use mendlake_ports::error::Result;
use mendlake_ports::lake::Lake;
use mendlake_ports::place::Place;
use mendlake_ports::queue::QueueConsumer;
use mendlake_ports::sessions::Sessions;
use mendlake_ports::set_aside::SetAside;

use crate::engine::Station;

/// The database's file in a lake's folder.
pub const DATABASE_FILE: &str = "ledger.sqlite";

/// A sample is worthless ten seconds after it began; a crash is found out sooner than that matters.
const LIVE_QUEUE: QueueSettings = QueueSettings::new(60_000, 2);

/// A replay of 25 symbols may wait for the second half of a few minutes.
const REPLAY_QUEUE: QueueSettings = QueueSettings::new(15 * 60_000, 5);

/// A reconciliation of a week takes seconds.
const RECONCILE_QUEUE: QueueSettings = QueueSettings::new(10 * 60_000, 3);

/// One lander reads one shard in order. Records are kept a day after they landed, for whoever wants to look.
const STREAM: StreamSettings = StreamSettings::new(1, 24 * 3_600_000);

/// The vendors behind one machine's pipeline.
pub struct Vendors<T> {
    /// Finnhub: quotes, candles and facts.
    pub finnhub: FinnhubClient<T, FileSecrets>,
    /// The sources of candles in the order in which they are asked.
    pub candles: Vec<VendorCandles<T>>,
}

/// One configured source of candles.
pub type VendorCandles<T> = Candles<FinnhubClient<T, FileSecrets>, AlpacaClient<T, FileSecrets>>;

/// The place on one machine, over any lake.
pub struct LocalPlace<C, T, L> {
    clock: C,
    live: SqliteQueue<C>,
    replay: SqliteQueue<C>,
    reconcile: SqliteQueue<C>,
    stream: SqliteStream<C>,
    ledger: SqliteLedger,
    lake: L,
    vendors: Vendors<T>,
}

/// The database of the lake in this folder.
pub fn database_path(folder: &Path) -> PathBuf {
    folder.join(DATABASE_FILE)
}

/// How many dead letters a database's queues hold.
pub async fn dead_letters(database: Database, clock: impl Clock + Clone) -> Result<usize> {
    let mut letters = 0;
    for (name, settings) in [("live", LIVE_QUEUE), ("replay", REPLAY_QUEUE), ("reconcile", RECONCILE_QUEUE)] {
        letters += SqliteQueue::new(database.clone(), clock.clone(), name, settings).dead_letters().await?.len();
    }
    Ok(letters)
}

impl<C: Clock + Clone, T, L> LocalPlace<C, T, L> {
    /// The place over this database. `fresh_id` names the stream where the database has none yet.
    pub fn new(database: Database, clock: C, lake: L, vendors: Vendors<T>, fresh_id: &str) -> Result<Self> {
        let queue = |name: &str, settings| SqliteQueue::new(database.clone(), clock.clone(), name, settings);
        Ok(Self {
            live: queue("live", LIVE_QUEUE),
            replay: queue("replay", REPLAY_QUEUE),
            reconcile: queue("reconcile", RECONCILE_QUEUE),
            stream: SqliteStream::open(database.clone(), clock.clone(), fresh_id, STREAM)?,
            ledger: SqliteLedger::new(database),
            clock,
            lake,
            vendors,
        })
    }

    /// The vendors.
    pub fn vendors(&self) -> &Vendors<T> {
        &self.vendors
    }
}

impl<C, T, L> Place for LocalPlace<C, T, L>
where
    C: Clock,
    T: Transport,
    L: Lake + Control + Sessions + SetAside,
{
    type Clock = C;
    type Queue = SqliteQueue<C>;
    type Stream = SqliteStream<C>;
    type Lake = L;
    type Ledger = SqliteLedger;
    type Quotes = FinnhubClient<T, FileSecrets>;
    type Candles = VendorCandles<T>;
    type Facts = FinnhubClient<T, FileSecrets>;

    fn clock(&self) -> &C {
        &self.clock
    }

    fn live_queue(&self) -> &SqliteQueue<C> {
        &self.live
    }

    fn replay_queue(&self) -> &SqliteQueue<C> {
        &self.replay
    }

    fn stream(&self) -> &SqliteStream<C> {
        &self.stream
    }

    fn lake(&self) -> &L {
        &self.lake
    }

    fn ledger(&self) -> &SqliteLedger {
        &self.ledger
    }

    fn quotes(&self) -> &FinnhubClient<T, FileSecrets> {
        &self.vendors.finnhub
    }

    fn candles(&self) -> &[VendorCandles<T>] {
        &self.vendors.candles
    }

    fn facts(&self) -> &FinnhubClient<T, FileSecrets> {
        &self.vendors.finnhub
    }
}

impl<C, T, L> Station for LocalPlace<C, T, L>
where
    C: Clock + 'static,
    T: Transport + 'static,
    L: Lake + Control + Sessions + SetAside + 'static,
{
    fn reconcile_queue(&self) -> &SqliteQueue<C> {
        &self.reconcile
    }
}
