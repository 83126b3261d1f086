//! The vendors over real sockets, on the virtual clock and seen by a client that shows every byte.

use std::future::Future;
use std::sync::Mutex;

use futures_util::future::join_all;
use mendlake_adapters::http::{Request, Response, Transport, TransportError};
use mendlake_domain::calendar::Calendar;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::{Clock, by};
use mendlake_ports::secrets::Key;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::clock::{ExchangingTransport, VirtualClock};
use crate::finnhub::{Account, Endpoint, Fault, Plan, Provider, Script, Terms, What, When};
use crate::market::GeneratedMarket;

const SPY: &str = "/api/v1/quote?symbol=SPY";

fn epoch() -> Timestamp {
    "2026-11-20T15:00:00Z".parse().expect("an instant")
}

fn vendor(faults: Vec<Fault>) -> Arc<Vendor> {
    let account = Account { per_minute: 10_000, per_second: None, ..account() };
    let script = Script { faults, holidays: vec![] };
    let terms = Terms { seed: 3, finnhub: vec![account], alpaca: vec![], candle_late_s: 20, script };
    Arc::new(Vendor::new(Arc::new(GeneratedMarket::new(3, Calendar::Xnys).into()), terms).expect("vendors"))
}

fn account() -> Account {
    Account::finnhub("key", Key::new("k").expect("a key"), Plan::Premium)
}

fn request(path: &str) -> Request {
    Request { path_and_query: path.to_owned(), headers: vec![("x-finnhub-token", "k".to_owned())] }
}

/// A client that opens a connection for each call and keeps every byte.
#[derive(Clone, Copy)]
struct Raw(SocketAddr);

impl Raw {
    /// Everything that arrives, and how the connection ended.
    async fn bytes(&self, request: &Request) -> io::Result<(Vec<u8>, io::Result<()>)> {
        let mut stream = TcpStream::connect(self.0).await?;
        let mut text = format!("GET {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", request.path_and_query, self.0);
        for (name, value) in &request.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{text}\r\n").as_bytes()).await?;
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) => return Ok((all, Ok(()))),
                Ok(read) => all.extend_from_slice(&buffer[..read]),
                Err(error) => return Ok((all, Err(error))),
            }
        }
    }
}

impl Transport for Raw {
    async fn get(&self, request: &Request) -> Result<Response, TransportError> {
        let broken = |why: &str| TransportError::Broken(why.to_owned());
        let (all, ended) = self.bytes(request).await.map_err(|error| broken(&error.to_string()))?;
        ended.map_err(|error| broken(&error.to_string()))?;
        let (status, headers, body) = parsed(&all);
        Ok(Response { status, headers, body: body.ok_or_else(|| broken("the body ends early"))? })
    }
}

/// Status, headers and the body out of its chunks; no body where its last chunk is missing.
fn parsed(all: &[u8]) -> (u16, Vec<(String, String)>, Option<Vec<u8>>) {
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").expect("an end of headers");
    let head = std::str::from_utf8(&all[..end]).expect("text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let headers: Vec<(String, String)> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(n, v)| (n.to_lowercase(), v.to_owned()))
        .collect();
    assert!(headers.contains(&("transfer-encoding".into(), "chunked".into())), "{head}");
    let (mut rest, mut body) = (&all[end + 4..], Vec::new());
    loop {
        let Some(line) = rest.windows(2).position(|two| two == b"\r\n") else {
            return (status, headers, None);
        };
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).expect("text"), 16).expect("a size");
        if size == 0 {
            return (status, headers, Some(body));
        }
        rest = &rest[line + 2..];
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

type Client = ExchangingTransport<Raw>;

/// Runs `work` on a virtual clock with a server, and gives what it gives and the clock afterwards.
fn on_virtual_time<T, F: Future<Output = T>>(
    vendor: Arc<Vendor>,
    work: impl FnOnce(VirtualClock, Arc<Client>) -> F,
) -> (T, Timestamp) {
    let clock = VirtualClock::new(epoch());
    let done = clock.run(async {
        let listen = "127.0.0.1:0".parse().expect("an address");
        let server = Server::start(listen, Exposure::Loopback, vendor, clock.clone()).await.expect("a server");
        let client = Arc::new(ExchangingTransport::new(Raw(server.address()), clock.clone()));
        let done = work(clock.clone(), client).await;
        server.stop().await;
        done
    });
    (done.expect("a runtime"), clock.now())
}

fn slow(seconds: f64) -> Fault {
    Fault::always(What::Slow { seconds })
}

#[test]
fn a_call_takes_no_virtual_time_and_its_answer_is_chunked_and_dated_by_the_clock() {
    let vendor = vendor(vec![]);
    let truth = vendor.market().standing("SPY", epoch()).expect("standing");
    let (answer, now) = on_virtual_time(vendor, async |_, client| client.get(&request(SPY)).await.expect("an answer"));
    assert_eq!((answer.status, now), (200, epoch()));
    assert_eq!(answer.header("date"), Some("Fri, 20 Nov 2026 15:00:00 GMT"));
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("9999"));
    let quote: serde_json::Value = serde_json::from_slice(&answer.body).expect("json");
    assert_eq!(quote["c"].as_f64(), Some(truth.last.price));
}

#[test]
fn a_long_answer_arrives_whole() {
    let path = "/api/v1/stock/candle?symbol=SPY&resolution=1&from=1795100000&to=1795186000";
    let vendor = vendor(vec![]);
    let direct = vendor.answer(epoch(), &request(path)).body;
    assert!(direct.len() > 16 * 1024, "{} bytes are more than one piece", direct.len());
    let (answer, _) = on_virtual_time(vendor, async |_, client| client.get(&request(path)).await.expect("an answer"));
    assert_eq!(answer.body, direct);
}

#[test]
fn a_slow_answer_comes_exactly_that_late() {
    let (at, _) = on_virtual_time(vendor(vec![slow(7.25)]), async |clock, client| {
        client.get(&request(SPY)).await.expect("an answer");
        clock.now()
    });
    assert_eq!(at, epoch().plus_ms(7_250));
}

#[test]
fn a_deadline_before_the_answer_ends_the_call_at_the_deadline() {
    for fault in [slow(20.0), Fault::always(What::Hang)] {
        let (at, _) = on_virtual_time(vendor(vec![fault]), async |clock, client| {
            for call in 1..=20 {
                let deadline = epoch().plus_s(10 * call);
                assert!(by(&clock, deadline, client.get(&request(SPY))).await.is_none());
                assert_eq!(clock.now(), deadline);
            }
            clock.now()
        });
        assert_eq!(at, epoch().plus_s(200));
    }
}

#[test]
fn two_hundred_calls_at_once_each_end_at_their_own_time() {
    let vendor = vendor(vec![slow(2.0)]);
    let (ends, _) = on_virtual_time(vendor, async |clock, client| {
        let call = |number: i64| {
            let (clock, client) = (clock.clone(), client.clone());
            async move {
                clock.sleep_until(epoch().plus_ms(number * 37)).await;
                let deadline = clock.now().plus_ms(if number % 3 == 0 { 1_999 } else { 5_000 });
                let answered = by(&clock, deadline, client.get(&request(SPY))).await;
                (answered.is_some_and(|answer| answer.is_ok()), clock.now().ms_since(epoch()) - number * 37)
            }
        };
        join_all((0..200).map(call)).await
    });
    for (number, end) in ends.into_iter().enumerate() {
        assert_eq!(end, if number % 3 == 0 { (false, 1_999) } else { (true, 2_000) }, "call {number}");
    }
}

#[test]
fn calls_dropped_at_any_point_leave_the_clock_running() {
    let (at, _) = on_virtual_time(vendor(vec![slow(3.0)]), async |clock, client| {
        for polls in 0..40 {
            let mut call = Box::pin(async { client.get(&request(SPY)).await });
            for _ in 0..polls {
                let _ = futures_util::poll!(call.as_mut());
                tokio::task::yield_now().await;
            }
            drop(call);
            clock.sleep_until(clock.now().plus_s(1)).await;
        }
        client.get(&request(SPY)).await.expect("an answer");
        clock.now()
    });
    assert_eq!(at, epoch().plus_s(43));
}

/// What a session's calls saw: when each ended and with which status.
type Trace = Vec<(i64, &'static str, u16)>;

fn session(minutes: i64) -> (Trace, Arc<Vendor>) {
    let at = |text: &str| Some(When::Instant(text.parse().expect("an instant")));
    let faults = vec![
        Fault { probability: 0.2, ..slow(4.0) },
        Fault { probability: 0.1, ..Fault::always(What::Reset) },
        Fault { probability: 0.1, ..Fault::always(What::Truncated { bytes: 5 }) },
        Fault { probability: 0.1, ..Fault::always(What::Hang) },
        Fault {
            from: at("2026-11-20T15:30:00Z"),
            to: at("2026-11-20T15:40:00Z"),
            ..Fault::always(What::Down { status: 503 })
        },
    ];
    let vendor = vendor(faults);
    let trace = Mutex::new(Trace::new());
    let work = async |clock: VirtualClock, client: Arc<Client>| {
        for minute in 0..minutes {
            clock.sleep_until(epoch().plus_s(60 * minute + 1)).await;
            let call = async |symbol: &'static str| {
                let path = format!("/api/v1/quote?symbol={symbol}");
                let answer = by(&clock, epoch().plus_s(60 * minute + 9), client.get(&request(&path))).await;
                let status = answer.map_or(1, |answer| answer.map_or(2, |answer| answer.status));
                trace.lock().expect("lock").push((clock.now().ms_since(epoch()), symbol, status));
            };
            join_all(["SPY", "AAPL", "BAC", "IBM"].map(call)).await;
        }
    };
    on_virtual_time(vendor.clone(), work);
    (trace.into_inner().expect("lock"), vendor)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a speed test asks the machine")]
fn a_session_of_390_minutes_takes_a_moment() {
    let began = std::time::Instant::now();
    let (trace, vendor) = session(390);
    let took = began.elapsed();
    println!("390 minutes of 4 symbols with faults took {took:?}");
    assert_eq!(trace.len(), 4 * 390);
    for status in [1, 2, 200, 503] {
        assert!(trace.iter().any(|(_, _, seen)| *seen == status), "{status} was never seen");
    }
    assert_eq!(vendor.calls().iter().filter(|call| call.endpoint == Endpoint::Quote).count(), 4 * 390);
    assert_eq!(vendor.calls().most_within(Provider::Finnhub, 60_000, |_| true), 4);
    // Measured: 0.4 s in release, under 2 s in debug; a busy machine takes longer, a clock that really waits takes hours.
    assert!(took.as_secs() < 20, "{took:?}");
}

#[test]
fn the_same_seed_gives_the_same_calls_in_the_same_order() {
    let (first, _) = session(120);
    for _ in 0..3 {
        assert_eq!(session(120).0, first);
    }
}

fn on_real_time<T>(vendor: Arc<Vendor>, work: impl AsyncFnOnce(Raw, Server) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let clock = crate::clock::ScaledClock::scaled(crate::clock::Anchor { epoch: epoch(), machine: None }, 60.0);
        let listen = "127.0.0.1:0".parse().expect("an address");
        let server =
            Server::start(listen, Exposure::Loopback, vendor, clock.expect("a clock")).await.expect("a server");
        work(Raw(server.address()), server).await
    })
}

#[test]
fn a_truncated_answer_ends_after_exactly_so_many_bytes_of_its_body() {
    let (all, ended) = on_real_time(vendor(vec![Fault::always(What::Truncated { bytes: 11 })]), async |client, _| {
        client.bytes(&request(SPY)).await.expect("a connection")
    });
    let text = String::from_utf8(all).expect("text");
    let body = text.split_once("\r\n\r\n").expect("a head").1;
    assert!(ended.is_ok() && body.starts_with("B\r\n{\"c\":") && body.len() == 3 + 11 + 2, "{body:?}");
}

#[test]
fn a_reset_is_a_reset_and_not_an_end() {
    let (all, ended) = on_real_time(vendor(vec![Fault::always(What::Reset)]), async |client, _| {
        client.bytes(&request(SPY)).await.expect("a connection")
    });
    assert_eq!((all.len(), ended.expect_err("a reset").kind()), (0, io::ErrorKind::ConnectionReset));
}

#[test]
fn a_scaled_delay_is_waited_for_in_real_time() {
    on_real_time(vendor(vec![slow(6.0)]), async |client, _| {
        let began = tokio::time::Instant::now();
        assert_eq!(client.get(&request(SPY)).await.expect("an answer").status, 200);
        assert!(began.elapsed().as_millis() >= 100, "6 s at 60 times the speed");
    });
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    on_real_time(vendor(vec![]), async |client, _| {
        let mut stream = TcpStream::connect(client.0).await.expect("a connection");
        for _ in 0..3 {
            stream.write_all(format!("GET {SPY}&token=k HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.expect("write");
            let mut all = Vec::new();
            while !all.ends_with(b"0\r\n\r\n") {
                assert_ne!(stream.read_buf(&mut all).await.expect("read"), 0, "the connection was closed");
            }
            assert!(all.starts_with(b"HTTP/1.1 200"));
        }
        stream.write_all(format!("POST {SPY} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.expect("write");
        let mut all = Vec::new();
        stream.read_buf(&mut all).await.expect("read");
        assert!(all.starts_with(b"HTTP/1.1 405"));
    });
}

#[test]
fn stopping_breaks_what_is_kept_and_ends() {
    let vendor = vendor(vec![Fault::always(What::Hang)]);
    on_real_time(vendor.clone(), async |client, server| {
        let call = tokio::spawn(async move { client.bytes(&request(SPY)).await });
        while vendor.calls().iter().count() == 0 {
            tokio::task::yield_now().await;
        }
        server.stop().await;
        let (all, _) = call.await.expect("a task").expect("a connection");
        assert!(all.is_empty());
        assert!(TcpStream::connect(client.0).await.is_err(), "nobody listens any more");
    });
}

#[tokio::test]
async fn only_loopback_is_listened_on_unless_more_is_asked_for() {
    let clock = crate::clock::ScaledClock::machine();
    let all = "0.0.0.0:0".parse().expect("an address");
    let error = Server::start(all, Exposure::Loopback, vendor(vec![]), clock).await.expect_err("refused").to_string();
    assert!(error.contains("0.0.0.0") && error.contains("127.0.0.1"), "{error}");
    Server::start(all, Exposure::Network, vendor(vec![]), clock).await.expect("a server").stop().await;
    let taken = Server::start("127.0.0.1:0".parse().expect("an address"), Exposure::Loopback, vendor(vec![]), clock)
        .await
        .expect("a server");
    let error = Server::start(taken.address(), Exposure::Loopback, vendor(vec![]), clock).await.expect_err("taken");
    assert!(error.to_string().contains(&taken.address().to_string()));
}
