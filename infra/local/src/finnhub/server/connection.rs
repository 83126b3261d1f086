//! One connection: requests read, answers delivered as they are scripted.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response};
use hyper_util::rt::TokioIo;
use mendlake_adapters::http::Request;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::clock::{EXCHANGE_HEADER, ServerClock};
use crate::finnhub::Vendor;
use crate::finnhub::answer::{Answer, Ending};

/// The headers that the vendors look at.
const HEADERS: [&str; 4] = ["x-finnhub-token", "apca-api-key-id", "apca-api-secret-key", "host"];

/// The most bytes sent in one piece.
const PIECE: usize = 16 * 1024;

/// Serves a connection until the caller closes it, an answer breaks it, or the server stops.
pub(super) async fn serve<C: ServerClock + Clone>(
    stream: TcpStream,
    vendor: Arc<Vendor>,
    clock: C,
    stopped: watch::Receiver<bool>,
) {
    let mut stop = stopped.clone();
    // Answers are small and waited for: none is held back to be sent with the next.
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(Resettable { stream, reset: reset.clone() });
    let service = service_fn(|request| {
        let (vendor, clock, reset, stopped) = (vendor.clone(), clock.clone(), reset.clone(), stopped.clone());
        async move { respond(&request, &vendor, &clock, &reset, stopped).await }
    });
    // The vendor's date is the clock's, not the machine's.
    let mut connection = pin!(http1::Builder::new().auto_date_header(false).serve_connection(io, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

/// Waits until the server stops.
pub(super) async fn told(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stop| *stop).await);
}

/// The connection is to be broken.
#[derive(Debug, thiserror::Error)]
#[error("broken as scripted")]
struct Broken;

async fn respond<C: ServerClock>(
    request: &hyper::Request<Incoming>,
    vendor: &Vendor,
    clock: &C,
    reset: &AtomicBool,
    mut stopped: watch::Receiver<bool>,
) -> Result<Response<Delivery>, Broken> {
    let answered = async {
        let now = clock.now();
        let exchange = text(request, EXCHANGE_HEADER).and_then(|id| id.parse().ok());
        let answer = match *request.method() {
            Method::GET => vendor.answer(now, &understood(request)),
            _ => Answer::html(405, now),
        };
        if answer.delay_ms > 0 {
            clock.keep(exchange, Some(now.plus_ms(answer.delay_ms))).await;
        }
        match answer.ending {
            Ending::Never => clock.keep(exchange, None).await,
            Ending::Reset => reset.store(true, Ordering::Relaxed),
            Ending::Whole | Ending::Truncated(_) => return Ok(delivery(answer)),
        }
        Err(Broken)
    };
    // An answer that is ready is sent even where the server stops: only kept ones are broken.
    tokio::select! {
        biased;
        answered = answered => answered,
        () = told(&mut stopped) => Err(Broken),
    }
}

fn text<'a>(request: &'a hyper::Request<Incoming>, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

fn understood(request: &hyper::Request<Incoming>) -> Request {
    let path_and_query = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let header = |name| Some((name, text(request, name)?.to_owned()));
    Request { path_and_query, headers: HEADERS.into_iter().filter_map(header).collect() }
}

fn delivery(answer: Answer) -> Response<Delivery> {
    let cut = if let Ending::Truncated(bytes) = answer.ending { Some(bytes.min(answer.body.len())) } else { None };
    let mut response = Response::new(Delivery { left: answer.body, cut, sent: 0, paused: false });
    *response.status_mut() = hyper::StatusCode::from_u16(answer.status).expect("the vendors' statuses are statuses");
    for (name, value) in answer.headers {
        // What a header cannot carry comes from a script, and is left out.
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A body in pieces and of untold length, so that it is sent chunked, as the vendors do; cut off after so many bytes.
struct Delivery {
    left: Bytes,
    cut: Option<usize>,
    sent: usize,
    paused: bool,
}

impl Body for Delivery {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let most = self.cut.map_or(PIECE, |cut| PIECE.min(cut - self.sent));
        let piece = self.left.len().min(most);
        if piece > 0 {
            self.sent += piece;
            let piece = self.left.split_to(piece);
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if self.cut.is_none() {
            return Poll::Ready(None);
        }
        if !std::mem::replace(&mut self.paused, true) {
            // What was sent so far must leave before the connection breaks: hyper flushes while the body is not ready.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Broken)))
    }
}

/// A stream that can be closed with a reset instead of an end.
struct Resettable {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Resettable {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            // Where the machine cannot, the caller sees the connection end without an answer, which is as broken.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Resettable {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buf)
    }
}

impl AsyncWrite for Resettable {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
