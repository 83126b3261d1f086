//! The DynamoDB ledger on stand-ins.

mod stages;
mod wire;

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use chrono::NaiveDate;
use futures_util::future::join_all;
use mendlake_adapters::aws::ledger::DynamoDbLedger;
use mendlake_adapters::memory::clock::ManualClock;
use mendlake_aws_tests::{Server, StandIns, table};
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::gap::{Evidence, Gap, OpenReason};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::SourceName;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::budget::{Budget, Reservation};
use mendlake_ports::contracts::{Fresh, budget, expectations, gaps, landing, runs, source_states};
use mendlake_ports::error::Kind;
use mendlake_ports::expectations::{Expectation, Expectations};
use mendlake_ports::gaps::{Gaps, VersionedGap, Write};
use mendlake_ports::landing::Landing;
use mendlake_ports::runs::{Run, Runs};
use wire::{Fate, Wire};

pub(crate) use stages::requests_follow_minutes_and_failures_not_symbols;

type Ledger = DynamoDbLedger<ManualClock>;

const TABLE: &str = "ledger";

/// What the adapter's permissions name, and nothing else.
const PERMITTED: [&str; 5] = ["BatchGetItem", "BatchWriteItem", "GetItem", "PutItem", "Query"];

/// Copies of a process that race.
const COPIES: usize = 12;

/// A stand-in with the ledger's table in it.
struct Bench {
    server: Server,
    wire: Wire,
    client: Client,
    clock: ManualClock,
}

impl Bench {
    async fn new(server: Server) -> Self {
        let wire = Wire::new();
        let client = client(&server, &wire);
        table::create(&client, TABLE).await;
        let clock = ManualClock::new("2026-11-20T12:00:00Z".parse().expect("an instant"));
        wire.counted();
        Self { server, wire, client, clock }
    }

    /// A ledger as a process of this name has it.
    fn ledger(&self, writer: &str) -> Ledger {
        DynamoDbLedger::new(self.client.clone(), TABLE, writer, self.clock.clone())
    }

    /// As many ledgers as copies race, each with a client of its own.
    fn copies(&self) -> Vec<Ledger> {
        let ledger = |copy| {
            let client = client(&self.server, &Wire::new());
            DynamoDbLedger::new(client, TABLE, format!("copy-{copy}"), self.clock.clone())
        };
        (0..COPIES).map(ledger).collect()
    }
}

/// A client that tries each call three times, as a stage's does, without its waits.
fn client(server: &Server, wire: &Wire) -> Client {
    let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
    let config = Builder::from(server.aws(1).config()).retry_config(retries).http_client(wire.clone());
    Client::from_conf(config.build())
}

fn run(suite: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(suite);
}

pub(crate) fn it_keeps_its_contracts_on_dynoxide(standins: &StandIns) {
    run(contracts(standins.dynoxide()));
}

pub(crate) fn it_keeps_its_contracts_on_ministack(standins: &StandIns) {
    run(contracts(standins.ministack()));
}

async fn contracts(server: Server) {
    let bench = Bench::new(server).await;
    let ledger = bench.ledger("contracts");
    landing::all(&ledger).await;
    for n in 0..2 {
        let fresh = Fresh(n);
        budget::all(&ledger, fresh).await;
        expectations::all(&ledger, fresh).await;
        gaps::all(&ledger, fresh).await;
        source_states::all(&ledger, fresh).await;
        runs::all(&ledger, fresh).await;
    }
    // Another process finds what this one stored: no contract is kept by what a process remembers.
    let another = |_| bench.ledger("another");
    budget::what_was_given_survives_power_loss(bench.ledger("a"), Fresh(2), another).await;
    expectations::what_was_recorded_survives_power_loss(bench.ledger("b"), Fresh(2), another).await;
    gaps::what_was_stored_survives_power_loss(bench.ledger("c"), Fresh(2), another).await;
    source_states::what_was_written_survives_power_loss(bench.ledger("d"), Fresh(2), another).await;
    runs::what_was_recorded_survives_power_loss(bench.ledger("e"), Fresh(2), another).await;
    let asked: BTreeSet<String> = bench.wire.counted().into_keys().collect();
    let permitted: BTreeSet<String> = PERMITTED.map(str::to_owned).into();
    assert!(asked.is_subset(&permitted), "{asked:?}");
}

pub(crate) fn of_processes_that_race_for_an_item_one_wins(standins: &StandIns) {
    // Each stand-in decides races in its own way.
    for server in [standins.dynoxide(), standins.ministack()] {
        run(async {
            let bench = Bench::new(server).await;
            one_copy_reserves_each_minute(&bench).await;
            copies_lease_the_share_and_no_more(&bench).await;
            one_copy_claims_each_gap(&bench).await;
            the_furthest_mark_stays(&bench).await;
            the_newest_run_is_the_last(&bench).await;
            of_lakes_that_race_for_a_ledger_one_has_it(&bench).await;
            one_recording_of_a_minute_stays_whole(&bench).await;
        });
    }
}

/// Runs one call on every copy at once, each in a task of its own.
async fn raced<F, T>(bench: &Bench, call: impl Fn(usize, Ledger) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let tasks: Vec<_> = (0..).zip(bench.copies()).map(|(copy, ledger)| tokio::spawn(call(copy, ledger))).collect();
    join_all(tasks).await.into_iter().map(|task| task.expect("the task ends")).collect()
}

async fn one_copy_reserves_each_minute(bench: &Bench) {
    let minutes = 20;
    let all = raced(bench, move |_, ledger: Ledger| async move {
        let mut reserved = Vec::new();
        for n in 0..minutes {
            reserved.push(ledger.reserve_live(&finnhub(), minute(n), 50).await.expect("reserve"));
        }
        reserved
    });
    let all = all.await;
    for n in 0..minutes as usize {
        let won = all.iter().filter(|reserved| reserved[n] == Reservation::Reserved).count();
        assert_eq!(won, 1, "minute {n}");
    }
}

async fn copies_lease_the_share_and_no_more(bench: &Bench) {
    for (n, share) in (0..).zip([1, 7, 40, 1_000]) {
        let call = move |_, ledger: Ledger| async move {
            let mut leased = 0;
            for _ in 0..3 {
                leased += ledger.lease_replay(&finnhub(), minute(n), 3, share).await.expect("lease");
            }
            leased
        };
        let most = u32::try_from(COPIES * 9).expect("few copies");
        assert_eq!(raced(bench, call).await.into_iter().sum::<u32>(), share.min(most), "of a share of {share}");
    }
}

async fn one_copy_claims_each_gap(bench: &Bench) {
    let mut version = 0;
    for round in 0..5 {
        let writes = raced(bench, move |copy, ledger: Ledger| async move {
            let attempts = u32::try_from(copy).expect("few copies");
            let gap = Gap { attempts, ..gap("RACE") };
            ledger.write(&gap, version).await.expect("write")
        });
        let writes = writes.await;
        let won: Vec<usize> = (0..COPIES).filter(|copy| writes[*copy] != Write::Conflict).collect();
        let read = bench.ledger("reader").gap(day(), &symbol("RACE")).await.expect("read").expect("it is stored");
        assert_eq!((won.as_slice(), read.version), ([read.gap.attempts as usize].as_slice(), version + 1), "{round}");
        version = read.version;
    }
}

async fn the_furthest_mark_stays(bench: &Bench) {
    let noted = raced(bench, |copy, ledger: Ledger| async move {
        let mark = i64::try_from(copy * 7 % COPIES).expect("few copies");
        ledger.note_landed("0", Timestamp::from_epoch_ms(mark)).await.expect("note");
    });
    noted.await;
    let furthest = Timestamp::from_epoch_ms(i64::try_from(COPIES).expect("few copies") - 1);
    assert_eq!(bench.ledger("reader").landed_through().await.expect("read"), Some(furthest));
}

async fn the_newest_run_is_the_last(bench: &Bench) {
    let recorded = raced(bench, |copy, ledger: Ledger| async move {
        let at = Timestamp::from_epoch_s(1_795_000_000 + i64::try_from(copy * 7 % COPIES).expect("few copies"));
        let run = Run { at, id: format!("{copy}"), reconciled_through: at, report: serde_json::json!({}) };
        ledger.record_run(&run).await.expect("record");
    });
    recorded.await;
    let last = bench.ledger("reader").last_run().await.expect("read").expect("one was recorded");
    assert_eq!(last.at.epoch_s(), 1_795_000_000 + i64::try_from(COPIES).expect("few copies") - 1);
}

async fn of_lakes_that_race_for_a_ledger_one_has_it(bench: &Bench) {
    fn made(copy: usize) -> Timestamp {
        Timestamp::from_epoch_s(1_795_000_000 + i64::try_from(copy / 2).expect("few copies"))
    }
    let told = raced(bench, |copy, ledger: Ledger| async move {
        ledger.belongs_to("s3://lake/", made(copy)).await.map(|()| made(copy)).map_err(|error| error.kind)
    });
    let told = told.await;
    let taken: BTreeSet<Timestamp> = told.iter().flatten().copied().collect();
    assert_eq!((taken.len(), told.iter().flatten().count()), (1, 2), "both copies of one lake: {told:?}");
    assert!(told.iter().all(|told| told.is_ok() || *told == Err(Kind::Rejected)), "{told:?}");
}

async fn one_recording_of_a_minute_stays_whole(bench: &Bench) {
    let recording = |copy: usize| {
        let symbols = (0..100 + 400 * (copy % 5)).map(|n| symbol(&format!("S{n:05}"))).collect();
        let requested_at = minute(0).start().plus_ms(i64::try_from(copy).expect("few copies"));
        Expectation { minute: minute(0), symbols, requested_at }
    };
    let recorded = raced(bench, move |copy, ledger: Ledger| async move {
        ledger.record(&recording(copy)).await.expect("record");
        ledger.expectations(minute(0), minute(1)).await.expect("read")
    });
    for read in recorded.await {
        let [one] = read.as_slice() else { panic!("one recording: {}", read.len()) };
        let copy = usize::try_from(one.requested_at.ms_since(minute(0).start())).expect("few copies");
        assert!(*one == recording(copy), "the recording of copy {copy}, whole");
    }
}

pub(crate) fn every_page_is_read(standins: &StandIns) {
    for server in [standins.dynoxide(), standins.ministack()] {
        run(async {
            let bench = Bench::new(server).await;
            let ledger = bench.ledger("pages");
            let gaps: Vec<Gap> = (0..120).map(|n| large_gap(&format!("P{n:03}"))).collect();
            for gap in &gaps {
                assert_eq!(ledger.write(gap, 0).await.expect("write"), Write::Stored(1));
            }
            let whole: Vec<_> = gaps.into_iter().map(|gap| VersionedGap { gap, version: 1 }).collect();
            bench.wire.counted();
            assert!(ledger.of_session(day()).await.expect("read") == whole);
            let pages = bench.wire.counted()["Query"];
            assert!((4..=6).contains(&pages), "about 4 MB in pages of one: {pages}");
            assert!(bench.ledger("another").pending().await.expect("read") == whole);
            let asked = bench.wire.counted();
            assert!(asked["Query"] >= 8 && asked.len() == 1, "{asked:?}");
            assert!(ledger.pending().await.expect("read") == whole);
            assert_eq!(bench.wire.counted(), asked, "this index never trails: nothing is looked up");
        });
    }
}

/// A gap item of about 36 kB.
fn large_gap(name: &str) -> Gap {
    let mut gap = gap(name);
    for read in 0..150 {
        gap.reads.push(Evidence {
            source: finnhub(),
            read_at: minute(read).start(),
            complete_to: minute(read),
            candles: MinuteSet::between(minute(0), minute(90)),
        });
    }
    gap
}

pub(crate) fn what_was_told_once_is_done_once_though_an_answer_was_lost(standins: &StandIns) {
    use Fate::{AnswerLost, NeverSent};
    for server in [standins.dynoxide(), standins.ministack()] {
        run(async {
            let bench = Bench::new(server).await;
            let ledger = bench.ledger("told");
            let lose = |fates: &[Fate]| bench.wire.next("PutItem", fates);
            let reserve = async |n| ledger.reserve_live(&finnhub(), minute(n), 5).await;
            for (n, fates) in (0..).zip([&[AnswerLost][..], &[NeverSent, AnswerLost], &[AnswerLost, AnswerLost]]) {
                lose(fates);
                assert_eq!(reserve(n).await.expect("reserve"), Reservation::Reserved, "{fates:?}");
                assert_eq!(reserve(n).await.expect("reserve"), Reservation::AlreadyReserved, "{fates:?}");
            }
            // No try was answered: the caller knows nothing, and asking again never makes a second reservation.
            lose(&[AnswerLost, NeverSent, NeverSent]);
            assert_eq!(reserve(10).await.expect_err("nothing is known").kind, Kind::Unavailable);
            assert_eq!(reserve(10).await.expect("reserve"), Reservation::AlreadyReserved);
            lose(&[NeverSent, NeverSent, NeverSent]);
            assert_eq!(reserve(11).await.expect_err("nothing is known").kind, Kind::Unavailable);
            assert_eq!(reserve(11).await.expect("reserve"), Reservation::Reserved);

            lose(&[AnswerLost]);
            assert_eq!(ledger.lease_replay(&finnhub(), minute(0), 4, 10).await.expect("lease"), 4);
            lose(&[AnswerLost, AnswerLost]);
            assert_eq!(ledger.lease_replay(&finnhub(), minute(0), 4, 10).await.expect("lease"), 4);
            assert_eq!(ledger.lease_replay(&finnhub(), minute(0), 4, 10).await.expect("lease"), 2, "none was lost");

            for version in 0..3 {
                lose(&[AnswerLost]);
                assert_eq!(ledger.write(&gap("LOST"), version).await.expect("write"), Write::Stored(version + 1));
            }
            lose(&[AnswerLost]);
            assert_eq!(ledger.write(&gap("LOST"), 1).await.expect("write"), Write::Conflict);
            a_recording_that_died_leaves_the_one_before(&bench).await;
        });
    }
}

async fn a_recording_that_died_leaves_the_one_before(bench: &Bench) {
    let ledger = bench.ledger("dies");
    let of = |symbols: usize| Expectation {
        minute: minute(30),
        symbols: (0..symbols).map(|n| symbol(&format!("S{n:05}"))).collect(),
        requested_at: minute(30).start(),
    };
    let read = async || ledger.expectations(minute(30), minute(31)).await.expect("read");
    for (before, after) in [(1_700, 2_300), (1_700, 600)] {
        for dies_at in ["PutItem", "BatchWriteItem"] {
            ledger.record(&of(before)).await.expect("record");
            bench.wire.next(dies_at, &[Fate::NeverSent; 3]);
            assert_eq!(ledger.record(&of(after)).await.expect_err("it died").kind, Kind::Unavailable);
            assert!(read().await == [of(before)], "{after} symbols after {before}, died at {dies_at}");
            ledger.record(&of(after)).await.expect("record");
            assert!(read().await == [of(after)]);
        }
    }
}

pub(crate) fn a_table_that_is_no_ledger_is_refused_by_name(standins: &StandIns) {
    for server in [standins.dynoxide(), standins.ministack()] {
        run(async {
            let bench = Bench::new(server).await;
            table::create_another(&bench.client, "another").await;
            for (name, told) in [("another", "is not a ledger of this release"), ("missing", "is not there")] {
                let ledger = DynamoDbLedger::new(bench.client.clone(), name, "w", bench.clock.clone());
                let errors = [
                    ledger.landed_through().await.expect_err("query"),
                    ledger.last_run().await.expect_err("get"),
                    ledger.reserve_live(&finnhub(), minute(0), 1).await.expect_err("put"),
                    ledger.pending().await.expect_err("the index"),
                ];
                for error in errors {
                    assert_eq!(error.kind, Kind::Denied, "{}", error.chain());
                    assert!(error.to_string().contains(&format!("table `{name}` {told}")), "{}", error.chain());
                }
            }
        });
    }
}

fn finnhub() -> SourceName {
    "finnhub".parse().expect("a source")
}

fn symbol(name: &str) -> Symbol {
    name.parse().expect("a symbol")
}

fn day() -> NaiveDate {
    "2026-11-20".parse().expect("a day")
}

/// The `n`th minute of the session of 20 November 2026.
fn minute(n: i64) -> Minute {
    "2026-11-20T14:30:00Z".parse::<Minute>().expect("a minute") + n
}

fn gap(name: &str) -> Gap {
    let mut gap = Gap::new(day(), symbol(name), minute(0).start());
    gap.set_open(OpenReason::Waiting, &MinuteSet::between(minute(0), minute(5)));
    gap
}
