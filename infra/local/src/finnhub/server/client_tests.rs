//! The project's own clients against the simulator: reqwest, real sockets, virtual time.

use std::future::Future;

use futures_util::future::join_all;
use mendlake_adapters::alpaca::AlpacaClient;
use mendlake_adapters::finnhub::FinnhubClient;
use mendlake_adapters::http::reqwest::ReqwestTransport;
use mendlake_domain::calendar::Calendar;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::overlay::Change;
use mendlake_domain::quote::Quote;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::clock::{Clock, by};
use mendlake_ports::secrets::{Key, Secret, Secrets};
use mendlake_ports::source::{CandleSource, MarketFacts, QuoteSource, SourceError};

use super::*;
use crate::clock::{ExchangingTransport, VirtualClock};
use crate::finnhub::{Account, Endpoint, Fault, Plan, Provider, Script, Terms, What};
use crate::market::GeneratedMarket;

#[derive(Clone)]
struct OneKey;

impl Secrets for OneKey {
    async fn secret(&self, name: &str, _fresh: bool) -> mendlake_ports::Result<Secret> {
        let text = if name == "alpaca" { "id:secret" } else { "key" };
        Ok(Secret { key: Key::new(text).expect("a key"), version: "1".into() })
    }
}

type Wire = ExchangingTransport<ReqwestTransport>;

struct Bench {
    clock: VirtualClock,
    vendor: Arc<Vendor>,
    finnhub: FinnhubClient<Wire, OneKey>,
    alpaca: AlpacaClient<Wire, OneKey>,
}

fn at(text: &str) -> Timestamp {
    format!("2026-11-20T{text}Z").parse().expect("an instant")
}

fn minute(text: &str) -> Minute {
    at(text).minute()
}

fn symbol(text: &str) -> Symbol {
    text.parse().expect("a symbol")
}

fn vendor(plan: Plan, faults: Vec<Fault>) -> Arc<Vendor> {
    let key = |text| Key::new(text).expect("a key");
    let terms = Terms {
        seed: 3,
        finnhub: vec![Account::finnhub("1", key("key"), plan)],
        alpaca: vec![Account::alpaca("1", key("id:secret"), Plan::Free)],
        candle_late_s: 20,
        script: Script { faults, holidays: vec![] },
    };
    Arc::new(Vendor::new(Arc::new(GeneratedMarket::new(3, Calendar::Xnys).into()), terms).expect("vendors"))
}

fn run<T, F: Future<Output = T>>(vendor: Arc<Vendor>, from: &str, work: impl FnOnce(Bench) -> F) -> T {
    let clock = VirtualClock::new(at(from));
    let run = clock.clone().run(async move {
        let listen = "127.0.0.1:0".parse().expect("an address");
        let server = Server::start(listen, Exposure::Loopback, vendor.clone(), clock.clone()).await.expect("a server");
        let reqwest = ReqwestTransport::new(&server.base_url(), None).expect("a transport");
        let wire = ExchangingTransport::new(reqwest, clock.clone());
        let bench = Bench {
            clock,
            vendor,
            finnhub: FinnhubClient::new(wire.clone(), OneKey, 60),
            alpaca: AlpacaClient::new(wire, OneKey, 200),
        };
        let done = work(bench).await;
        server.stop().await;
        done
    });
    run.expect("a runtime")
}

fn outcome(faults: Vec<Fault>) -> Result<Option<Quote>, SourceError> {
    run(vendor(Plan::Premium, faults), "15:00:00", async |bench| bench.finnhub.quote(&symbol("SPY")).await.outcome)
}

#[test]
fn the_clients_read_what_the_market_holds() {
    run(vendor(Plan::Premium, vec![]), "21:30:00", async |bench| {
        let (from, to) = (minute("14:30:00"), minute("21:00:00"));
        let truth = bench.vendor.market().candles("DBB", from, to);
        let read = bench.finnhub.candles(&symbol("DBB"), from, to).await;
        assert_eq!(read.outcome.expect("candles"), truth);
        assert_eq!(read.rate.map(|rate| (rate.limit, rate.remaining)), Some((300, 299)));
        let read = bench.alpaca.candles(&symbol("DBB"), from, to).await;
        assert_eq!(read.outcome.expect("candles"), truth);
        assert_eq!(read.rate.map(|rate| rate.limit), Some(200));
        let quote = bench.finnhub.quote(&symbol("DBB")).await.outcome.expect("an answer").expect("a quote");
        let standing = bench.vendor.market().standing("DBB", bench.clock.now()).expect("standing");
        assert_eq!(quote.price, standing.last.price);
        assert_eq!(quote.day.prev_close.map(|price| price.get()), standing.previous_close);
        let unknown = bench.finnhub.quote(&symbol("NOPE")).await.outcome.expect("an answer");
        assert!(unknown.is_none());
    });
}

#[test]
fn the_clients_read_the_holidays_and_the_directory_without_the_key() {
    run(vendor(Plan::Free, vec![]), "15:00:00", async |bench| {
        let holidays = bench.finnhub.holidays().await.outcome.expect("holidays");
        let on = |day: &str| holidays.iter().find(|h| h.on.to_string() == day).map(|h| h.change);
        assert_eq!(on("2026-11-26"), Some(Change::Closed));
        let close = "2026-11-27T18:00:00Z".parse().expect("a minute");
        assert_eq!(on("2026-11-27"), Some(Change::ClosesAt { close }));
        assert!(bench.finnhub.lists(&symbol("DBB")).await.outcome.expect("a directory"));
        assert!(!bench.finnhub.lists(&symbol("NOPE")).await.outcome.expect("a directory"));
        let calls = bench.vendor.calls();
        let files: Vec<_> = calls.iter().filter(|call| call.endpoint == Endpoint::SymbolFile).collect();
        assert!(files.len() == 2 && files.iter().all(|call| call.account.is_none() && call.status == 200));
        assert!(calls.iter().all(|call| !call.key_in_url));
    });
}

#[test]
fn every_scripted_failure_arrives_as_its_class() {
    let class = |what| outcome(vec![Fault::always(what)]).err().map(|error| error.class());
    assert_eq!(class(What::Down { status: 502 }), Some("unavailable"));
    assert_eq!(class(What::Truncated { bytes: 20 }), Some("unavailable"));
    assert_eq!(class(What::Reset), Some("unavailable"));
    assert_eq!(class(What::KeyRefused), Some("denied"));
    assert_eq!(class(What::NotEntitled), Some("not_entitled"));
    assert_eq!(class(What::Throttled), Some("throttled"));
    assert!(outcome(vec![Fault::always(What::Zeros)]).expect("an answer").is_none());
    let partial = outcome(vec![Fault::always(What::PartialZeros)]).expect("an answer").expect("a quote");
    assert_eq!((partial.day.open, partial.day.prev_close), (None, None));
    let candles = |plan, what| {
        let faults = vec![Fault::always(what)];
        run(vendor(plan, faults), "21:30:00", async |bench| {
            bench.finnhub.candles(&symbol("SPY"), minute("15:00:00"), minute("16:00:00")).await.outcome
        })
    };
    assert_eq!(candles(Plan::Free, What::Stale).expect_err("403").class(), "not_entitled");
    assert_eq!(candles(Plan::Premium, What::Unequal).expect_err("a lie").class(), "corrupt");
    assert_eq!(candles(Plan::Premium, What::OffMinute).expect_err("a lie").class(), "corrupt");
    assert_eq!(candles(Plan::Premium, What::NoData).expect("an answer"), []);
}

#[test]
fn alpacas_recent_bars_and_wrong_keys_arrive_as_their_classes() {
    run(vendor(Plan::Free, vec![]), "15:10:00", async |bench| {
        let recent = bench.alpaca.candles(&symbol("SPY"), minute("15:00:00"), minute("15:05:00")).await;
        assert_eq!(recent.outcome.expect_err("recent").class(), "recent");
    });
    let other = Terms { seed: 1, finnhub: vec![], alpaca: vec![], candle_late_s: 20, script: Script::default() };
    let market = Arc::new(GeneratedMarket::new(3, Calendar::Xnys).into());
    run(Arc::new(Vendor::new(market, other).expect("vendors")), "21:30:00", async |bench| {
        let denied = bench.alpaca.candles(&symbol("SPY"), minute("15:00:00"), minute("15:05:00")).await;
        assert_eq!(denied.outcome.expect_err("denied").class(), "denied");
        let denied = bench.finnhub.quote(&symbol("SPY")).await;
        assert_eq!(denied.outcome.expect_err("denied").class(), "denied");
    });
}

/// A session of eight symbols with slow, hanging and broken answers, over kept connections.
fn session() -> (Vec<String>, Arc<Vendor>) {
    let faults = vec![
        Fault { probability: 0.1, ..Fault::always(What::Slow { seconds: 3.0 }) },
        Fault { probability: 0.05, ..Fault::always(What::Hang) },
        Fault { probability: 0.05, ..Fault::always(What::Reset) },
        Fault { probability: 0.05, ..Fault::always(What::Truncated { bytes: 30 }) },
    ];
    let vendor = vendor(Plan::Premium, faults);
    let symbols = ["SPY", "AAPL", "BAC", "IBM", "INDA", "SHY", "FXY", "DBB"].map(symbol);
    let open = minute("14:30:00");
    let trace = run(vendor.clone(), "14:30:00", async |bench| {
        let mut trace = Vec::new();
        for minute in open.until(open + 390) {
            bench.clock.sleep_until(minute.start().plus_ms(1_000)).await;
            let call = async |symbol: &Symbol| {
                let answer = by(&bench.clock, minute.start().plus_ms(10_000), bench.finnhub.quote(symbol)).await;
                let what = answer.map_or("late".to_owned(), |reply| match reply.outcome {
                    Ok(quote) => quote.map_or("none".to_owned(), |quote| quote.price.to_string()),
                    Err(error) => error.class().to_owned(),
                });
                format!("{symbol} {what} {}", bench.clock.now())
            };
            trace.extend(join_all(symbols.iter().map(call)).await);
        }
        for symbol in &symbols {
            bench.clock.sleep_until(bench.clock.now().plus_s(1)).await;
            let candles =
                by(&bench.clock, bench.clock.now().plus_s(30), bench.finnhub.candles(symbol, open, open + 390)).await;
            trace.push(format!("{symbol} {:?}", candles.map(|reply| reply.outcome.map(|candles| candles.len()))));
        }
        trace
    });
    (trace, vendor)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a speed test asks the machine")]
fn a_session_over_reqwest_takes_a_moment_and_is_the_same_again() {
    let began = std::time::Instant::now();
    let (trace, vendor) = session();
    println!("390 minutes of 8 symbols over reqwest took {:?}", began.elapsed());
    for class in ["late", "unavailable"] {
        assert!(trace.iter().any(|line| line.contains(class)), "{class} was never seen");
    }
    let quotes = vendor.calls().iter().filter(|call| call.endpoint == Endpoint::Quote).count();
    assert_eq!(quotes, 8 * 390, "reqwest repeats no call by itself");
    assert!(vendor.calls().most_within(Provider::Finnhub, 1_000, |_| true) <= 8);
    assert_eq!(session().0, trace);
    assert!(began.elapsed().as_secs() < 60, "a clock that really waits takes hours");
}
