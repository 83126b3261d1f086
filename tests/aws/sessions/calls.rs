//! A benchmark: what a session of 50 symbols asks of AWS, one sample in a hundred lost and healed, and what that costs by the dated
//! price file; beside it the naive design, which has a message, a record and a ledger item for each symbol-minute.
//!
//! Calls are counted on their way to the stand-ins. What AWS does by itself is added by its rules: a receive and a deletion for
//! each event of a queue. Not in it: what a stack costs without doing anything (runbooks/what-it-costs.md has it), the time that
//! functions run, and KMS. Units of the ledger are those of the requests' and answers' bodies, which are larger than the items.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendlake::finnhub::{Endpoint, Fault, Script, What};
use mendlake::market::{GeneratedMarket, Profile};
use mendlake_aws_tests::StandIns;
use mendlake_domain::calendar::Calendar;
use mendlake_domain::symbol::Symbol;

use crate::cloud::{Stage, StreamFlaw};
use crate::play::{Play, Played};
use crate::proxy::{Calls, Service};

const PRICES: &str = include_str!("../../../infra/aws/prices.toml");

const SYMBOLS: usize = 50;

/// One sample in a hundred.
const LOST: f64 = 0.01;

/// What a record of the stream is charged by.
const PAYLOAD_UNIT: usize = 25_000;

/// Ledger items of the naive design in 4 KB: what it reads to find what is missing, once.
const NAIVE_ITEMS_A_READ: f64 = 40.0;

/// What is charged, by the price's name.
type Used = BTreeMap<&'static str, f64>;

/// Plays the session and prints the table.
#[expect(clippy::print_stdout, reason = "a benchmark's figures are for whoever runs it")]
pub(crate) fn print(standins: &StandIns) {
    let played = good_day().run(standins);
    let minutes = played.outcome.current.len();
    assert!(played.whole && minutes == SYMBOLS * 390, "not whole: {minutes} rows");
    let (ours, naive) = (used(&played), naive(&played, minutes as f64));
    let thousands = minutes as f64 / 1_000.0;
    println!("a session of {SYMBOLS} symbols, {minutes} symbol-minutes, {} of them healed", played.told.healed);
    println!("for 1,000 symbol-minutes:       mendlake       naive     USD for a million: mendlake   naive");
    let (mut ours_usd, mut naive_usd) = (0.0, 0.0);
    for (name, count) in &ours {
        let of_naive = naive.get(name).copied().unwrap_or_default();
        let usd = [*count, of_naive].map(|count| count / thousands * 1_000.0 * price(name));
        println!(
            "{name:<28} {:>11.2} {:>11.2} {:>27.2} {:>7.2}",
            count / thousands,
            of_naive / thousands,
            usd[0],
            usd[1]
        );
        ours_usd += usd[0];
        naive_usd += usd[1];
    }
    println!("{:<52} {ours_usd:>27.2} {naive_usd:>7.2}", "together");
    println!("calls by function:");
    for ((function, service, operation), times) in by_function(&played) {
        println!("  {function:<14} {service:?} {operation}: {:.2}", times as f64 / thousands);
    }
}

fn good_day() -> Play {
    let symbols: Vec<Symbol> = (0..SYMBOLS).map(|n| format!("S{n:02}").parse().expect("a symbol")).collect();
    let profiles = symbols.iter().map(|symbol| Profile::liquid(symbol.clone(), 100.0)).collect();
    let on = "2026-11-20".parse().expect("a day");
    let session = Calendar::Xnys.session_on(on).expect("in range").expect("a session");
    let lost = What::Down { status: 503 };
    let lost = Fault { endpoints: vec![Endpoint::Quote], probability: LOST, ..Fault::always(lost) };
    Play {
        market: Arc::new(GeneratedMarket::with_profiles(7, Calendar::Xnys, profiles).into()),
        symbols,
        sessions: vec![session],
        seed: 1,
        script: Script { faults: vec![lost], ..Script::default() },
        dark: Vec::new(),
        faults: Vec::new(),
        flaw: StreamFlaw::None,
    }
}

/// What the functions and their event sources used.
fn used(played: &Played) -> Used {
    let invoked = |stages: &[Stage]| {
        let of = played.told.invocations.iter().filter(|((stage, _), _)| stages.contains(stage));
        of.map(|(_, times)| *times as f64).sum::<f64>()
    };
    let all = [Stage::Request, Stage::Collect, Stage::Land, Stage::Reconcile, Stage::Replay];
    let sent = sum(played, Service::Sqs, &["SendMessageBatch"], |calls| calls.times);
    Used::from([
        ("scheduler.invocation", invoked(&[Stage::Request, Stage::Reconcile])),
        ("lambda.request", invoked(&all)),
        ("sqs.request", sent + 2.0 * invoked(&[Stage::Collect, Stage::Replay])),
        ("kinesis.put_payload_unit", units(played)),
        ("s3.put", sum(played, Service::S3, &["PutObject", "ListObjectsV2"], |calls| calls.times)),
        ("s3.get", sum(played, Service::S3, &["GetObject", "HeadObject"], |calls| calls.times)),
        ("dynamodb.read_unit", sum(played, Service::DynamoDb, &["GetItem", "BatchGetItem", "Query"], |c| c.read_units)),
        (
            "dynamodb.write_unit",
            sum(played, Service::DynamoDb, &["PutItem", "BatchWriteItem", "UpdateItem"], |c| c.write_units),
        ),
        ("secrets_manager.call", sum(played, Service::Secrets, &["GetSecretValue"], |calls| calls.times)),
    ])
}

/// The naive design on the same day: it lands as mendlake does, and each symbol-minute is a message that is sent, received and
/// deleted, an invocation, a record and an item.
fn naive(played: &Played, minutes: f64) -> Used {
    let landed = |operations: &[&str]| {
        let of = by_function(played).into_iter().filter(|((function, service, operation), _)| {
            function == "land" && *service == Service::S3 && operations.contains(&operation.as_str())
        });
        of.map(|(_, times)| times as f64).sum::<f64>()
    };
    Used::from([
        ("scheduler.invocation", used(played)["scheduler.invocation"]),
        ("lambda.request", minutes),
        ("sqs.request", 3.0 * minutes),
        ("kinesis.put_payload_unit", minutes),
        ("s3.put", landed(&["PutObject", "ListObjectsV2"])),
        ("s3.get", landed(&["GetObject"])),
        ("dynamodb.read_unit", minutes / NAIVE_ITEMS_A_READ),
        ("dynamodb.write_unit", minutes),
    ])
}

/// Payload units of the stream's records.
fn units(played: &Played) -> f64 {
    played.accepted.iter().map(|record| record.data.len().div_ceil(PAYLOAD_UNIT) as f64).sum()
}

/// What functions asked: neither the person who looks nor the event sources.
fn by_function(played: &Played) -> BTreeMap<(String, Service, String), usize> {
    let mut by_function = BTreeMap::new();
    for ((name, service, operation), calls) in of_functions(played) {
        let function = name.split('-').next().unwrap_or_default().to_owned();
        *by_function.entry((function, *service, operation.clone())).or_default() += calls.times;
    }
    by_function
}

fn of_functions(played: &Played) -> impl Iterator<Item = (&(String, Service, String), &Calls)> {
    let is_function = |name: &str| {
        ["request-", "collect-", "land-", "reconcile-", "replay-"].iter().any(|stage| name.starts_with(stage))
    };
    played.calls.iter().filter(move |((name, ..), _)| is_function(name))
}

fn sum(played: &Played, service: Service, operations: &[&str], of: impl Fn(&Calls) -> usize) -> f64 {
    let wanted =
        |(_, s, operation): &(String, Service, String)| *s == service && operations.contains(&operation.as_str());
    of_functions(played).filter(|(key, _)| wanted(key)).map(|(_, calls)| of(calls) as f64).sum()
}

/// The price of one.
fn price(name: &str) -> f64 {
    let file: toml::Table = PRICES.parse().expect("the price file");
    let (service, of) = name.split_once('.').expect("service and price");
    let price = &file[service][of];
    let number = |key: &str| {
        let value = &price[key];
        value.as_float().or_else(|| value.as_integer().map(|n| n as f64)).expect("a number")
    };
    number("usd") / number("per")
}
