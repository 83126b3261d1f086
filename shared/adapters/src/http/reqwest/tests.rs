//! Over real sockets of this machine: each test has its own server, which answers one connection after another.

use std::io::Write;
use std::sync::{Arc, Mutex};

use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::{Clock, by};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const KEY: &str = "c0ffee-sesame";

/// What the server does with one connection, after it has read a request's head.
enum Act {
    /// Sends these bytes and closes.
    Send(Vec<u8>),
    /// Sends these bytes and resets the connection.
    Reset(Vec<u8>),
    /// Sends these bytes and then nothing, until the client has gone.
    Hang(Vec<u8>),
    /// Sends a head, then a body without end until the client has gone.
    Flood,
}

struct Server {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    gone: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = heads.clone();
        let gone = tokio::spawn(async move {
            for act in acts {
                let (stream, _) = listener.accept().await.expect("a connection");
                serve(stream, act, &seen).await;
            }
        });
        Self { port, heads, gone }
    }

    fn transport(&self) -> ReqwestTransport {
        ReqwestTransport::new(&format!("http://127.0.0.1:{}", self.port), None).expect("a transport")
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("lock").clone()
    }
}

async fn serve(mut stream: TcpStream, act: Act, heads: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    heads.lock().expect("lock").push(String::from_utf8_lossy(&head).into_owned());
    match act {
        Act::Send(bytes) => stream.write_all(&bytes).await.expect("sent"),
        Act::Reset(bytes) => {
            stream.write_all(&bytes).await.expect("sent");
            stream.set_zero_linger().expect("set");
        }
        Act::Hang(bytes) => {
            stream.write_all(&bytes).await.expect("sent");
            let gone = stream.read_u8().await;
            assert!(gone.is_err(), "the client says nothing more and goes");
        }
        Act::Flood => {
            let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
            while sent.is_ok() {
                sent = stream.write_all(&chunk).await;
            }
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn request(path: &str) -> Request {
    Request { path_and_query: path.to_owned(), headers: vec![("x-finnhub-token", KEY.to_owned())] }
}

async fn one(act: Act) -> Result<Response, TransportError> {
    Server::start(vec![act]).await.transport().get(&request("/api/v1/quote?symbol=A%2FB")).await
}

#[tokio::test]
async fn a_whole_answer_is_status_headers_and_body() {
    let server =
        Server::start(vec![Act::Send(answer("429 Too Many", "X-Ratelimit-Reset: 1619234930\r\n", "{}"))]).await;
    let response = server.transport().get(&request("/api/v1/quote?symbol=A%2FB")).await.expect("an answer");
    assert_eq!((response.status, response.body.as_slice()), (429, b"{}".as_slice()));
    assert_eq!(response.header("x-ratelimit-reset"), Some("1619234930"), "names are in lower case");
    let head = server.heads().remove(0);
    assert!(head.starts_with("GET /api/v1/quote?symbol=A%2FB HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("x-finnhub-token: {KEY}\r\n")), "{head}");
    assert!(head.contains(&format!("user-agent: mendlake/{}\r\n", env!("CARGO_PKG_VERSION"))), "{head}");
}

#[tokio::test]
async fn a_redirect_is_a_response_like_another() {
    let server = Server::start(vec![Act::Send(answer("302 Found", "location: /elsewhere\r\n", ""))]).await;
    let response = server.transport().get(&request("/")).await.expect("an answer");
    assert_eq!((response.status, response.header("location")), (302, Some("/elsewhere")));
    assert_eq!(server.heads().len(), 1);
}

#[tokio::test]
async fn a_whole_url_is_asked_without_any_header_of_the_request() {
    let server = Server::start(vec![Act::Send(answer("200 OK", "", "[]"))]).await;
    let there = request(&format!("http://127.0.0.1:{}/signed?signature=s", server.port));
    assert!(server.transport().get(&there).await.is_ok());
    let head = server.heads().remove(0);
    assert!(head.starts_with("GET /signed?signature=s ") && !head.contains("token") && !head.contains(KEY), "{head}");
    assert!(!format!("{there:?}").contains("signature="), "a signature is as good as a key");
}

#[tokio::test]
async fn a_redirect_out_of_https_is_refused_before_anything_is_sent() {
    let here = ReqwestTransport::new("http://127.0.0.1:1", None).expect("a transport");
    let vendor = ReqwestTransport::new("https://finnhub.io", None).expect("a transport");
    let refused = [
        (&here, "http://example.com/file"),
        (&here, "http://localhost:1/file"),
        (&vendor, "http://finnhub.io/file"),
        (&vendor, "http://127.0.0.1:1/file"),
        (&vendor, "https://user:pass@example.com/file"),
        (&vendor, "ftp://example.com/file"),
        (&vendor, "file"),
        (&vendor, ""),
    ];
    for (transport, url) in refused {
        let error = transport.get(&request(url)).await.expect_err(url).to_string();
        assert!(error.contains("the redirect leads"), "{url}: {error}");
        assert!(!error.contains("example"), "{error}");
    }
    let (url, headers) = vendor.target(&request("https://files.example.com/signed?s=1")).expect("https elsewhere");
    assert_eq!((url.host_str(), headers.len()), (Some("files.example.com"), 0));
}

#[test]
fn a_path_never_leads_to_another_host() {
    let vendor = ReqwestTransport::new("https://finnhub.io/", None).expect("a transport");
    for path in ["//evil.example/x", "/\\evil.example/x", "/@evil.example/x", "/../x", "/x?@evil.example"] {
        let (url, _) = vendor.target(&request(path)).expect(path);
        assert_eq!(url.host_str(), Some("finnhub.io"), "{path}");
    }
    let prefixed = ReqwestTransport::new("http://localhost:8080/finnhub/", None).expect("a transport");
    assert_eq!(prefixed.target(&request("/api")).expect("a path").0.as_str(), "http://localhost:8080/finnhub/api");
}

#[test]
fn a_base_that_would_leak_the_key_is_refused() {
    let error = |base: &str| ReqwestTransport::new(base, None).err().map(|e| e.to_string());
    assert!(error("http://finnhub.io").expect("refused").contains("readable"));
    assert!(error("http://localhost.example.com").expect("refused").contains("readable"));
    for base in
        ["finnhub.io", "", "ftp://x", "https://key@finnhub.io", "https://finnhub.io?token=c0ffee", "https://h#f"]
    {
        let why = error(base).expect(base);
        assert!(why.contains("not like") && !why.contains("c0ffee"), "{why}");
    }
    for base in
        ["https://finnhub.io", "http://127.0.0.1:80", "http://127.9.9.9", "http://[::1]:80", "http://localhost:80"]
    {
        assert_eq!(error(base), None, "{base}");
    }
    let proxied = ReqwestTransport::new("https://finnhub.io", Some("no proxy")).err().map(|e| e.to_string());
    assert!(proxied.expect("refused").contains("the proxy's address"));
}

#[tokio::test]
async fn a_configured_proxy_is_used() {
    let proxy = Server::start(vec![Act::Send(answer("200 OK", "", "{}"))]).await;
    let at = format!("http://127.0.0.1:{}", proxy.port);
    let transport = ReqwestTransport::new("http://localhost:1", Some(&at)).expect("a transport");
    assert!(transport.get(&request("/quote")).await.is_ok(), "nothing listens on port 1");
    assert!(proxy.heads()[0].starts_with("GET http://localhost:1/quote "), "{:?}", proxy.heads());
}

#[tokio::test]
async fn a_body_longer_than_any_answer_is_refused_whether_announced_or_not() {
    let announced = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n[", MAX_BODY_BYTES + 1).into_bytes();
    assert_eq!(one(Act::Hang(announced)).await, Err(TransportError::TooLong(MAX_BODY_BYTES)));
    assert_eq!(one(Act::Flood).await, Err(TransportError::TooLong(MAX_BODY_BYTES)));
}

#[tokio::test]
async fn a_body_as_long_as_the_limit_is_read() {
    let body = " ".repeat(MAX_BODY_BYTES);
    assert_eq!(one(Act::Send(answer("200 OK", "", &body))).await.expect("an answer").body.len(), MAX_BODY_BYTES);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_broken_and_never_half_an_answer() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"c\":1".to_vec();
    let half_chunk = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n20\r\n{\"c\":1".to_vec();
    let acts = [
        Act::Send(half.clone()),
        Act::Send(half_chunk),
        Act::Send(b"HTTP/1.1 20".to_vec()),
        Act::Send(vec![]),
        Act::Send(b"no HTTP at all\r\n\r\n".to_vec()),
        Act::Reset(half),
        Act::Reset(vec![]),
    ];
    for act in acts {
        let error = one(act).await.expect_err("broken");
        assert!(matches!(&error, TransportError::Broken(why) if !why.is_empty()), "{error}");
    }
}

#[tokio::test]
async fn a_host_that_is_not_there_or_speaks_no_tls_is_broken() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    let transport = ReqwestTransport::new(&format!("http://127.0.0.1:{nobody}"), None).expect("a transport");
    let error = transport.get(&request("/")).await.expect_err("nobody listens").to_string();
    assert!(error.to_lowercase().contains("refused"), "the innermost cause is told: {error}");
    let plain = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("https://{}", plain.local_addr().expect("an address"));
    let speaks_first = async {
        let (mut stream, _) = plain.accept().await.expect("a connection");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("sent");
    };
    let transport = ReqwestTransport::new(&base, None).expect("a transport");
    let request = request("/");
    let (outcome, ()) = futures_util::future::join(transport.get(&request), speaks_first).await;
    assert!(matches!(&outcome, Err(TransportError::Broken(_))), "{outcome:?}");
}

/// The machine's clock, as far as a deadline needs it.
struct Wall(tokio::time::Instant);

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        Timestamp::from_epoch_ms(self.0.elapsed().as_millis() as i64)
    }

    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep_until(self.0 + Duration::from_millis(at.epoch_ms().max(0) as u64)).await;
    }
}

#[tokio::test]
async fn a_deadline_of_the_clock_ends_a_slow_call_and_its_connection() {
    for begun in ["", "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"] {
        let server = Server::start(vec![Act::Hang(begun.into())]).await;
        let (transport, clock) = (server.transport(), Wall(tokio::time::Instant::now()));
        let done = by(&clock, Timestamp::from_epoch_ms(100), transport.get(&request("/"))).await;
        assert_eq!(done, None, "the deadline came first");
        assert!(clock.now() < Timestamp::from_epoch_s(60), "long before the last resort");
        server.gone.await.expect("the server saw the client go");
    }
}

/// Where everything that is logged goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_key_is_in_any_error_or_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let acts = vec![Act::Send(answer("200 OK", "", "{}")), Act::Reset(vec![]), Act::Send(b"?".to_vec()), Act::Flood];
    let server = Server::start(acts).await;
    let transport = server.transport();
    let mut shown = format!("{:?}", request("/quote"));
    for _ in 0..4 {
        let outcome = transport.get(&request("/quote")).await;
        if let Err(error) = outcome {
            shown += &format!("{error} {error:?}");
        }
    }
    let unsendable = Request { headers: vec![("x-finnhub-token", format!("{KEY}\n"))], ..request("/") };
    shown += &format!("{:?}", transport.get(&unsendable).await.expect_err("no header"));
    tracing::info!("the log is on");
    shown += &String::from_utf8_lossy(&log.0.lock().expect("lock"));
    assert!(shown.contains("the log is on") && server.heads().iter().all(|head| head.contains(KEY)));
    assert!(!shown.contains(KEY) && !shown.contains("sesame"), "{shown}");
}
