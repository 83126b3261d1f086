//! The fault proxy: between the SDK and the stand-ins, failing as it is told to, in virtual time.
//!
//! It also keeps two times apart. The stand-ins live by the machine's clock, sessions by the virtual one: so messages are sent
//! on without their delays and records with no time at all, and what the proxy saw ([`Seen`]) tells when a message is to be
//! delivered and when a record arrived.

mod asked;
mod batch;
mod connection;
mod fault;
mod refusal;
mod seen;
mod standin;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_types::base64;
use bytes::Bytes;
use mendlake::clock::{ExchangeId, ServerClock, VirtualClock};
use mendlake_ports::clock::Clock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use asked::Asked;
pub(crate) use asked::Service;
pub(crate) use fault::{Fault, Faults, What, chance};
pub(crate) use seen::{Arrival, Calls, CallsBy, Due, Seen};
pub(crate) use standin::Routes;

/// The header in which a function's client names the function.
pub(crate) const FUNCTION_HEADER: &str = "x-function";

/// The proxy, until it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<Infallible>,
}

struct Shared {
    clock: VirtualClock,
    routes: Routes,
    faults: Mutex<Arc<Faults>>,
    seen: Seen,
    /// The place in the stream that was last read from.
    last_read: Mutex<Option<Value>>,
}

/// A request that arrived whole.
struct Request {
    asked: Asked,
    function: String,
    exchange: Option<ExchangeId>,
    method: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// An answer.
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// The connection is to be broken instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("broken as told")]
struct Broken;

impl Proxy {
    /// Listens on loopback, before these stand-ins.
    pub(crate) async fn start(clock: VirtualClock, routes: Routes, faults: Faults) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port on loopback");
        let address = listener.local_addr().expect("its address");
        let (faults, seen) = (Mutex::new(Arc::new(faults)), Seen::new());
        let shared = Arc::new(Shared { clock, routes, faults, seen, last_read: Mutex::default() });
        let accepting = tokio::spawn(connection::accept(listener, shared.clone()));
        Self { address, shared, accepting }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.shared.seen
    }

    pub(crate) fn faults(&self) -> Arc<Faults> {
        self.shared.faults()
    }

    /// From now on these faults; gives those there were.
    pub(crate) fn now_with(&self, faults: Faults) -> Arc<Faults> {
        let mut held = self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *held, Arc::new(faults))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn faults(&self) -> Arc<Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn answer(self: &Arc<Self>, request: Request) -> Result<Answer, Broken> {
        let (function, asked, sent) = (request.function.clone(), request.asked.clone(), request.body.len());
        let answer = self.answer_or_fail(request).await?;
        self.seen.called(&function, &asked, sent, answer.body.len());
        Ok(answer)
    }

    async fn answer_or_fail(self: &Arc<Self>, request: Request) -> Result<Answer, Broken> {
        let (now, faults) = (self.clock.now(), self.faults());
        let (service, exchange) = (request.asked.service, request.exchange);
        match faults.hit(now, &request.asked, &request.function) {
            None => Ok(self.pass(request).await),
            Some(What::Throttled) => Ok(refusal::throttled(service)),
            Some(What::Down(status)) => Ok(refusal::down(service, status)),
            Some(What::HalfFailed) => Ok(self.half(request, &faults).await),
            Some(What::Redelivered(after_ms)) => Ok(self.redelivered(request, after_ms).await),
            Some(What::Reset) => Err(Broken),
            Some(What::AnswerLost) => {
                self.pass(request).await;
                Err(Broken)
            }
            Some(What::Slow(ms)) => {
                let answer = self.pass(request).await;
                self.clock.keep(exchange, Some(now.plus_ms(ms))).await;
                Ok(answer)
            }
            Some(What::KilledBefore) => self.killed(&request.function, exchange).await,
            Some(What::KilledAfter) => {
                let function = request.function.clone();
                self.pass(request).await;
                self.killed(&function, exchange).await
            }
        }
    }

    /// Kills who asks, and answers nobody.
    async fn killed(&self, function: &str, exchange: Option<ExchangeId>) -> Result<Answer, Broken> {
        self.seen.kill(function);
        self.clock.keep(exchange, None).await;
        Err(Broken)
    }

    /// Sends a request on and notes what came of it. What has begun is ended, whether or not somebody waits for the answer;
    /// time stands still meanwhile.
    async fn pass(self: &Arc<Self>, request: Request) -> Answer {
        let (shared, under_way) = (self.clone(), self.clock.begin_exchange());
        let passed = tokio::spawn(async move {
            let answer = shared.noted(request).await;
            drop(under_way);
            answer
        });
        passed.await.expect("a stand-in answers")
    }

    async fn noted(&self, mut request: Request) -> Answer {
        if request.asked.is(Service::Sqs, "SendMessageBatch") {
            let (body, delays) = batch::undelayed(&request.body);
            let queue = queue_of(&request.body);
            request.body = body;
            let answer = self.routes.ask(&request).await;
            self.note_sent(&queue, &delays, &answer);
            return answer;
        }
        if request.asked.is(Service::Kinesis, "GetRecords") {
            let read = read(&request.body)["ShardIterator"].clone();
            *self.last_read.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
        }
        let answer = self.routes.ask(&request).await;
        if request.asked.is(Service::Kinesis, "PutRecords") {
            self.note_arrived(&request.body, &answer);
        }
        answer
    }

    fn note_sent(&self, queue: &str, delays: &[(String, i64)], answer: &Answer) {
        let (now, told) = (self.clock.now(), read(&answer.body));
        let sent = told["Successful"].as_array().into_iter().flatten().map(|sent| {
            let delay_ms = delays.iter().find(|(id, _)| sent["Id"] == id.as_str()).map_or(0, |(_, delay_ms)| *delay_ms);
            (now.plus_ms(delay_ms), Due::Sent(text(&sent["MessageId"])))
        });
        self.seen.due(queue, sent.collect::<Vec<_>>());
    }

    fn note_arrived(&self, body: &Bytes, answer: &Answer) {
        let (asked, told) = (read(body), read(&answer.body));
        let records = asked["Records"].as_array().into_iter().flatten();
        for (record, told) in records.zip(told["Records"].as_array().into_iter().flatten()) {
            let data = base64::decode(text(&record["Data"])).expect("the SDK sends base64");
            let arrival = Arrival { at: self.clock.now(), data };
            self.seen.arrived(&text(&told["ShardId"]), &text(&told["SequenceNumber"]), arrival);
        }
    }

    /// Sends on half of a batch.
    async fn half(self: &Arc<Self>, mut request: Request, faults: &Faults) -> Answer {
        let asked = request.asked.clone();
        let halved = batch::halve(&asked, &request.body, || faults.refuses_entry());
        let told = match &halved.sent {
            None => None,
            Some(sent) => {
                request.body = sent.clone();
                Some(read(&self.pass(request).await.body))
            }
        };
        refusal::done(&halved.answer(&asked, told.as_ref()))
    }

    /// Says that messages are deleted, and brings them back; or reads the stream from an earlier place.
    async fn redelivered(self: &Arc<Self>, mut request: Request, after_ms: i64) -> Answer {
        let mut asked = read(&request.body);
        if request.asked.is(Service::Sqs, "DeleteMessageBatch") {
            let back_at = self.clock.now().plus_ms(after_ms);
            let entries = || asked["Entries"].as_array().into_iter().flatten();
            let back = entries().map(|entry| (back_at, Due::Back(text(&entry["ReceiptHandle"]))));
            self.seen.due(&queue_of(&request.body), back.collect::<Vec<_>>());
            let deleted: Vec<Value> = entries().map(|entry| json!({ "Id": entry["Id"] })).collect();
            return refusal::done(&json!({ "Successful": deleted, "Failed": [] }));
        }
        let earlier = self.last_read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(earlier) = earlier {
            asked["ShardIterator"] = earlier;
            request.body = Bytes::from(asked.to_string());
        }
        self.pass(request).await
    }
}

fn read(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn queue_of(body: &Bytes) -> String {
    text(&read(body)["QueueUrl"])
}
