//! How many requests the stages make of the ledger: the stages as they are, every other port in memory.

use std::collections::{BTreeMap, BTreeSet};

use mendlake_adapters::memory::clock::ManualClock;
use mendlake_adapters::memory::lake::MemoryLake;
use mendlake_adapters::memory::queue::MemoryQueue;
use mendlake_adapters::memory::stream::MemoryStream;
use mendlake_adapters::settings::{QueueSettings, StreamSettings};
use mendlake_aws_tests::StandIns;
use mendlake_domain::calendar::Session;
use mendlake_domain::candle::Candle;
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::{Basis, Day, Price, Quote, Row, SourceName, StoredRow};
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::watchlist::{Edit, Version};
use mendlake_ingest::request::{RequestOutcome, request};
use mendlake_ports::budget::Budget;
use mendlake_ports::control::{self, Log};
use mendlake_ports::expectations::{Expectation, Expectations};
use mendlake_ports::lake::{Lake, NewObject};
use mendlake_ports::place::Place;
use mendlake_ports::source::{CandleSource, Holiday, KeyVersion, MarketFacts, QuoteSource, Reply, SourceError};
use mendlake_reconcile::reconcile::{Window, reconcile};

use super::{Bench, Ledger, day, finnhub, minute, run, symbol};

/// The most symbols that one key's live calls allow.
const SYMBOLS: usize = 200;

/// A place whose ledger is the one counted.
struct Counted {
    clock: ManualClock,
    queue: MemoryQueue<ManualClock>,
    stream: MemoryStream<ManualClock>,
    lake: MemoryLake,
    ledger: Ledger,
    vendor: Silent,
    candles: [Silent; 1],
}

/// A vendor that answers nothing: neither stage counted here asks one.
struct Silent(SourceName);

pub(crate) fn requests_follow_minutes_and_failures_not_symbols(standins: &StandIns) {
    run(async {
        let bench = Bench::new(standins.dynoxide()).await;
        of_500_symbols(&bench).await;
        let place = Counted::new(&bench).await;
        let settings = Settings { rate_limit: 203, ..Settings::default() };
        of_request(&bench, &place, &settings).await;
        of_reconcile(&bench, &place, &settings).await;
    });
}

/// The ledger alone: one reservation and one expectation for each minute and 500 symbols.
async fn of_500_symbols(bench: &Bench) {
    let ledger = bench.ledger("direct");
    let symbols = symbols(500);
    bench.wire.counted();
    for n in 0..100 {
        let expectation = Expectation { minute: minute(n), symbols: symbols.clone(), requested_at: minute(n).start() };
        let provider: SourceName = "direct".parse().expect("a source");
        ledger.reserve_live(&provider, expectation.minute, 500).await.expect("reserve");
        ledger.record(&expectation).await.expect("record");
    }
    let counted = bench.wire.counted();
    assert_eq!(counted, BTreeMap::from([("PutItem".to_owned(), 200)]));
    report("reservations and expectations of 500 symbols", &counted, 100 * 500);
}

/// `request` for every minute of a session: the same, and one read of the source's state.
async fn of_request(bench: &Bench, place: &Counted, settings: &Settings) {
    bench.wire.counted();
    let session = session();
    for minute in session.minutes().iter() {
        place.clock.set((minute + -1).start().plus_ms(20_000));
        let requested = request(place, settings, minute).await.expect("request");
        assert_eq!((requested.outcome, requested.symbols), (RequestOutcome::Requested, SYMBOLS));
    }
    let counted = bench.wire.counted();
    let minutes = session.len();
    let expected = [("GetItem", minutes), ("PutItem", 2 * minutes)].map(|(name, n)| (name.to_owned(), n));
    assert_eq!(counted, BTreeMap::from(expected));
    report("`request`, a session of 200 symbols", &counted, minutes * SYMBOLS);
}

/// `reconcile`: the same number of requests whatever the session holds, and one for each gap item that changed.
async fn of_reconcile(bench: &Bench, place: &Counted, settings: &Settings) {
    let (session, all) = (session(), symbols(SYMBOLS));
    let symbol_minutes = session.len() * SYMBOLS;
    let missing: BTreeSet<Symbol> = all.iter().take(20).cloned().collect();
    land(place, &all, |symbol, minute| !missing.contains(symbol) || minute < session.open + 300).await;

    bench.wire.counted();
    let mut runs = 0;
    for n in (10..300).step_by(5) {
        place.clock.set((session.open + n).start().plus_ms(10_000));
        let report = reconcile(place, settings, Window::Near).await.expect("reconcile");
        assert_eq!((report.open_gaps, report.claimed), (0, 0), "{n}");
        runs += 1;
    }
    let near = bench.wire.counted();
    assert_eq!(near, requests_of(runs, 0));
    report(&format!("`reconcile` {runs} times in session, nothing missing"), &near, 300 * SYMBOLS);

    place.clock.set(session.close.start().plus_ms(600_000));
    let told = reconcile(place, settings, Window::Hourly).await.expect("reconcile");
    assert_eq!((told.open_gaps, told.claimed), (20 * 90, 20), "{told:?}");
    let found = bench.wire.counted();
    assert_eq!(found, requests_of(1, 20));
    report("`reconcile` once, 1,800 minutes of 20 symbols missing", &found, symbol_minutes);

    let landed: BTreeSet<Symbol> = missing;
    land(place, &all, |symbol, minute| landed.contains(symbol) && minute >= session.open + 300).await;
    place.clock.set(session.close.start().plus_ms(3_600_000));
    let told = reconcile(place, settings, Window::Hourly).await.expect("reconcile");
    assert_eq!((told.open_gaps, told.claimed), (0, 0), "{told:?}");
    let healed = bench.wire.counted();
    assert_eq!(healed, requests_of(1, 20));
    report("`reconcile` once, all of it healed", &healed, symbol_minutes);
}

/// What so many reconciliations of one session ask, where so many gap items changed: `pending` twice in 8 partitions, the
/// landing marks and the session's items; the last run and the source's state; the run and the last run again, and each item.
fn requests_of(runs: usize, changed: usize) -> BTreeMap<String, usize> {
    let asked = [("GetItem", 2 * runs), ("PutItem", 2 * runs + changed), ("Query", (2 * 8 + 2) * runs)];
    asked.map(|(name, n)| (name.to_owned(), n)).into()
}

#[expect(clippy::print_stdout, reason = "a measurement is for whoever runs it")]
fn report(what: &str, counted: &BTreeMap<String, usize>, symbol_minutes: usize) {
    let all: usize = counted.values().sum();
    let rate = |n: usize| n as f64 * 1_000.0 / symbol_minutes as f64;
    let writes = rate(counted.get("PutItem").copied().unwrap_or_default());
    println!("  {what}: {all} requests for {symbol_minutes} symbol-minutes {counted:?}");
    println!("    per 1,000 symbol-minutes: {:.2}, of these writes: {writes:.2}", rate(all));
}

/// Puts rows of the session into the lake.
async fn land(place: &Counted, symbols: &[Symbol], wanted: impl Fn(&Symbol, Minute) -> bool) {
    let rows = symbols.iter().flat_map(|symbol| session().open.until(session().close).map(move |m| (symbol, m)));
    let object = NewObject {
        dt: day(),
        stream_id: "test".into(),
        shard: "0".into(),
        first_sequence: "1".into(),
        rows: rows.filter(|(symbol, minute)| wanted(symbol, *minute)).map(|(s, m)| row(s, m)).collect(),
    };
    place.lake.publish(&object).await.expect("publish");
}

fn row(symbol: &Symbol, minute: Minute) -> StoredRow {
    let start = minute.start();
    let row = Row {
        symbol: symbol.clone(),
        minute,
        price: Price::new(101.25).expect("a price"),
        basis: Basis::Quote,
        source: finnhub(),
        traded_at: Some(start.plus_ms(-400)),
        day: Day::default(),
        observed_at: start.plus_ms(1_600),
        revision: 0,
    };
    StoredRow { row, stored_at: start.plus_ms(1_700) }
}

fn symbols(n: usize) -> Vec<Symbol> {
    (0..n).map(|n| symbol(&format!("S{n:03}"))).collect()
}

fn session() -> Session {
    Session { on: day(), open: minute(0), close: minute(390) }
}

impl Counted {
    /// A place that watches its symbols from the session's first minute on.
    async fn new(bench: &Bench) -> Self {
        let clock = bench.clock.clone();
        let lake = MemoryLake::new();
        let add = symbols(SYMBOLS).into_iter().collect();
        let version = Version {
            v: 1,
            edit: Edit::Change { from: minute(0), add, remove: BTreeSet::new() },
            who: "test".into(),
            why: "to count".into(),
            made_at: minute(-60).start(),
        };
        control::append(&lake, Log::Watchlist, &version).await.expect("watch");
        Self {
            queue: MemoryQueue::new(clock.clone(), QueueSettings::new(30_000, 5)),
            stream: MemoryStream::new(clock.clone(), "test", StreamSettings::new(1, 24 * 3_600_000)),
            lake,
            ledger: bench.ledger("place"),
            vendor: Silent(finnhub()),
            candles: [Silent(finnhub())],
            clock,
        }
    }
}

impl Place for Counted {
    type Clock = ManualClock;
    type Queue = MemoryQueue<ManualClock>;
    type Stream = MemoryStream<ManualClock>;
    type Lake = MemoryLake;
    type Ledger = Ledger;
    type Quotes = Silent;
    type Candles = Silent;
    type Facts = Silent;

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn live_queue(&self) -> &MemoryQueue<ManualClock> {
        &self.queue
    }

    fn replay_queue(&self) -> &MemoryQueue<ManualClock> {
        &self.queue
    }

    fn stream(&self) -> &MemoryStream<ManualClock> {
        &self.stream
    }

    fn lake(&self) -> &MemoryLake {
        &self.lake
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn quotes(&self) -> &Silent {
        &self.vendor
    }

    fn candles(&self) -> &[Silent] {
        &self.candles
    }

    fn facts(&self) -> &Silent {
        &self.vendor
    }
}

impl Silent {
    fn reply<T>() -> Reply<T> {
        Reply { outcome: Err(SourceError::Unavailable { why: "it answers nothing".into() }), rate: None }
    }
}

impl QuoteSource for Silent {
    fn name(&self) -> &SourceName {
        &self.0
    }

    async fn key_version(&self) -> KeyVersion {
        KeyVersion::default()
    }

    async fn quote(&self, _: &Symbol) -> Reply<Option<Quote>> {
        Self::reply()
    }
}

impl CandleSource for Silent {
    fn name(&self) -> &SourceName {
        &self.0
    }

    fn lateness_ms(&self) -> i64 {
        300_000
    }

    async fn key_version(&self) -> KeyVersion {
        KeyVersion::default()
    }

    fn configured_limit(&self) -> u32 {
        203
    }

    async fn candles(&self, _: &Symbol, _: Minute, _: Minute) -> Reply<Vec<Candle>> {
        Self::reply()
    }
}

impl MarketFacts for Silent {
    fn name(&self) -> &SourceName {
        &self.0
    }

    async fn holidays(&self) -> Reply<Vec<Holiday>> {
        Self::reply()
    }

    async fn lists(&self, _: &Symbol) -> Reply<bool> {
        Self::reply()
    }
}
