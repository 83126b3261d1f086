//! `Faulty<P>`: any port, with faults that a script or a seed decides, and a trace of its calls.

use std::collections::BTreeSet;
use std::fmt::{self, Debug, Display, from_fn};
use std::future::Future;

use chrono::NaiveDate;
use mendlake_domain::candle::Candle;
use mendlake_domain::coverage::Coverage;
use mendlake_domain::gap::Gap;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::{Quote, SourceName, StoredRow};
use mendlake_domain::status::SessionStatus;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::budget::{Budget, Reservation};
use mendlake_ports::control::{Appended, Control, Log};
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::expectations::{Expectation, Expectations};
use mendlake_ports::gaps::{Gaps, VersionedGap, Write};
use mendlake_ports::lake::{Lake, NewObject, Published};
use mendlake_ports::landing::Landing;
use mendlake_ports::queue::{Delivery, Message, Queue, QueueConsumer};
use mendlake_ports::runs::{Run, Runs};
use mendlake_ports::sessions::Sessions;
use mendlake_ports::set_aside::{Rejected, SetAside};
use mendlake_ports::source::{CandleSource, Holiday, KeyVersion, MarketFacts, QuoteSource, Reply, SourceError};
use mendlake_ports::source_states::{SourceState, SourceStates};
use mendlake_ports::stream::{Batch, NewRecord, Stream, StreamConsumer};

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: the call goes through.
    None,
    /// It fails before it does anything.
    FailBefore(Kind),
    /// It is done, and its answer is lost: the write that happened though nobody was told.
    FailAfter(Kind),
    /// Of several items, those whose bit is set here (item i, bit i mod 64) are refused; otherwise like `None`.
    Partial(u64),
}

/// A text that is written only where somebody keeps a trace.
pub type Text<'a> = &'a (dyn Display + Sync);

/// One call, as the trace has it.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// `lake.publish`, `queue.send`, …
    pub name: &'static str,
    /// Whether it changes anything.
    pub writes: bool,
    /// Its arguments.
    pub arguments: Text<'a>,
}

/// Decides faults and keeps the trace.
///
/// `before` may never return: that is how a process is killed just before a call. `after` may never return: killed just
/// after it.
pub trait Faults: Send + Sync {
    /// Told before each call; decides.
    fn before(&self, call: Call<'_>) -> impl Future<Output = Fault> + Send;

    /// Told after each call what it answered.
    fn after(&self, call: Call<'_>, answer: Text<'_>) -> impl Future<Output = ()> + Send;
}

/// A port with faults.
#[derive(Clone, Debug)]
pub struct Faulty<P, F> {
    port: P,
    faults: F,
}

impl<P, F> Faulty<P, F> {
    /// The port with these faults.
    pub fn new(port: P, faults: F) -> Self {
        Self { port, faults }
    }

    /// The port itself, without faults: for whoever judges it.
    pub fn without_faults(&self) -> &P {
        &self.port
    }
}

impl<P: Send + Sync, F: Faults> Faulty<P, F> {
    async fn through<T: Debug + Send + Sync>(
        &self,
        call: Call<'_>,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let answer = match self.faults.before(call).await {
            Fault::FailBefore(kind) => Err(injected(kind, call.name)),
            Fault::FailAfter(kind) => work.await.and_then(|_| Err(injected(kind, call.name))),
            Fault::None | Fault::Partial(_) => work.await,
        };
        self.faults.after(call, &from_fn(|f| told(f, &answer))).await;
        answer
    }

    /// Like `through`, for a source's answer: it fails as unavailable, whatever the kind.
    async fn answered<T: Debug + Send + Sync>(
        &self,
        call: Call<'_>,
        work: impl Future<Output = Reply<T>> + Send,
    ) -> Reply<T> {
        let lost = || SourceError::Unavailable { why: "injected".into() };
        let reply = match self.faults.before(call).await {
            Fault::FailBefore(_) => Reply { outcome: Err(lost()), rate: None },
            Fault::FailAfter(_) => {
                work.await;
                Reply { outcome: Err(lost()), rate: None }
            }
            Fault::None | Fault::Partial(_) => work.await,
        };
        self.faults.after(call, &from_fn(|f| write!(f, "{:?}", reply.outcome))).await;
        reply
    }

    /// For calls with items of their own outcomes: refuses some, passes the others on.
    async fn each<T: Clone + Send + Sync, W: Future<Output = Result<Vec<Result<()>>>> + Send>(
        &self,
        call: Call<'_>,
        items: &[T],
        work: impl FnOnce(Vec<T>) -> W + Send,
    ) -> Result<Vec<Result<()>>> {
        let fault = self.faults.before(call).await;
        let refused = |index: usize| matches!(fault, Fault::Partial(bits) if bits >> (index % 64) & 1 == 1);
        let passed: Vec<T> = items.iter().enumerate().filter(|(i, _)| !refused(*i)).map(|(_, t)| t.clone()).collect();
        let answer = match fault {
            Fault::FailBefore(kind) => Err(injected(kind, call.name)),
            Fault::FailAfter(kind) => work(passed).await.and_then(|_| Err(injected(kind, call.name))),
            Fault::None | Fault::Partial(_) => work(passed).await.map(|outcomes| {
                let mut passed = outcomes.into_iter();
                let outcome = |index| match refused(index) {
                    true => Err(injected(Kind::Throttled, call.name)),
                    false => passed.next().unwrap_or(Ok(())),
                };
                (0..items.len()).map(outcome).collect()
            }),
        };
        self.faults.after(call, &from_fn(|f| told(f, &answer))).await;
        answer
    }
}

fn injected(kind: Kind, name: &str) -> PortError {
    PortError::new(kind, format!("injected into {name}"))
}

fn told<T: Debug>(f: &mut fmt::Formatter<'_>, answer: &Result<T>) -> fmt::Result {
    match answer {
        Ok(answer) => write!(f, "{answer:?}"),
        Err(error) => write!(f, "{:?} {}", error.kind, error.chain()),
    }
}

const fn reads<'a>(name: &'static str, arguments: Text<'a>) -> Call<'a> {
    Call { name, writes: false, arguments }
}

const fn writes<'a>(name: &'static str, arguments: Text<'a>) -> Call<'a> {
    Call { name, writes: true, arguments }
}

impl<P: Queue, F: Faults> Queue for Faulty<P, F> {
    async fn send(&self, messages: &[Message]) -> Result<Vec<Result<()>>> {
        let arguments = from_fn(|f| write!(f, "{messages:?}"));
        let send = |passed: Vec<Message>| async move { self.port.send(&passed).await };
        self.each(writes("queue.send", &arguments), messages, send).await
    }
}

impl<P: QueueConsumer, F: Faults> QueueConsumer for Faulty<P, F> {
    async fn receive(&self, max: usize) -> Result<Vec<Delivery>> {
        self.through(writes("queue.receive", &""), self.port.receive(max)).await
    }

    async fn acknowledge(&self, receipt: &str) -> Result<bool> {
        self.through(writes("queue.acknowledge", &receipt), self.port.acknowledge(receipt)).await
    }

    async fn next_visible_at(&self) -> Result<Option<Timestamp>> {
        self.through(reads("queue.next_visible_at", &""), self.port.next_visible_at()).await
    }

    async fn dead_letters(&self) -> Result<Vec<String>> {
        self.through(reads("queue.dead_letters", &""), self.port.dead_letters()).await
    }
}

impl<P: Stream, F: Faults> Stream for Faulty<P, F> {
    async fn append(&self, records: &[NewRecord]) -> Result<Vec<Result<()>>> {
        let arguments = from_fn(|f| {
            let text = |r: &NewRecord| write!(f, "{} {}|", r.partition_key, String::from_utf8_lossy(&r.data));
            records.iter().try_for_each(text)
        });
        let append = |passed: Vec<NewRecord>| async move { self.port.append(&passed).await };
        self.each(writes("stream.append", &arguments), records, append).await
    }
}

impl<P: StreamConsumer, F: Faults> StreamConsumer for Faulty<P, F> {
    async fn shards(&self) -> Result<Vec<String>> {
        self.through(reads("stream.shards", &""), self.port.shards()).await
    }

    async fn read(&self, shard: &str, max: usize) -> Result<Batch> {
        self.through(reads("stream.read", &shard), self.port.read(shard, max)).await
    }

    async fn checkpoint(&self, shard: &str, sequence: &str) -> Result<()> {
        let arguments = from_fn(|f| write!(f, "{shard} {sequence}"));
        self.through(writes("stream.checkpoint", &arguments), self.port.checkpoint(shard, sequence)).await
    }
}

impl<P: Lake, F: Faults> Lake for Faulty<P, F> {
    async fn publish(&self, object: &NewObject) -> Result<Published> {
        let NewObject { dt, shard, first_sequence, rows, .. } = object;
        let arguments = from_fn(|f| write!(f, "{dt} {shard} {first_sequence} {} rows", rows.len()));
        self.through(writes("lake.publish", &arguments), self.port.publish(object)).await
    }

    async fn coverage(&self, from: Minute, to: Minute) -> Result<Coverage> {
        let arguments = from_fn(|f| write!(f, "{from} {to}"));
        self.through(reads("lake.coverage", &arguments), self.port.coverage(from, to)).await
    }

    async fn rows(&self, symbols: &BTreeSet<Symbol>, from: Minute, to: Minute) -> Result<Vec<StoredRow>> {
        let arguments = from_fn(|f| write!(f, "{symbols:?} {from} {to}"));
        self.through(reads("lake.rows", &arguments), self.port.rows(symbols, from, to)).await
    }
}

impl<P: Control, F: Faults> Control for Faulty<P, F> {
    async fn append(&self, log: Log, number: usize, entry: &[u8]) -> Result<Appended> {
        let arguments = from_fn(|f| write!(f, "{log:?} {number} {}", String::from_utf8_lossy(entry)));
        self.through(writes("control.append", &arguments), Control::append(&self.port, log, number, entry)).await
    }

    async fn read(&self, log: Log, after: usize) -> Result<Vec<Vec<u8>>> {
        let arguments = from_fn(|f| write!(f, "{log:?} {after}"));
        self.through(reads("control.read", &arguments), self.port.read(log, after)).await
    }
}

impl<P: Sessions, F: Faults> Sessions for Faulty<P, F> {
    async fn append(&self, statuses: &[SessionStatus]) -> Result<()> {
        let arguments = from_fn(|f| write!(f, "{statuses:?}"));
        self.through(writes("sessions.append", &arguments), Sessions::append(&self.port, statuses)).await
    }

    async fn current(&self, first: NaiveDate, last: NaiveDate) -> Result<Vec<SessionStatus>> {
        let arguments = from_fn(|f| write!(f, "{first} {last}"));
        self.through(reads("sessions.current", &arguments), self.port.current(first, last)).await
    }
}

impl<P: SetAside, F: Faults> SetAside for Faulty<P, F> {
    async fn quarantine(&self, rejected: &Rejected) -> Result<()> {
        let arguments = from_fn(|f| write!(f, "{} {} {}", rejected.origin, rejected.id, rejected.reason));
        self.through(writes("set_aside.quarantine", &arguments), self.port.quarantine(rejected)).await
    }

    async fn quarantined(&self) -> Result<Vec<Rejected>> {
        self.through(reads("set_aside.quarantined", &""), self.port.quarantined()).await
    }

    async fn park(&self, batch: &Batch, reason: &str) -> Result<()> {
        let arguments = from_fn(|f| write!(f, "{} {} records {reason}", batch.shard, batch.records.len()));
        self.through(writes("set_aside.park", &arguments), self.port.park(batch, reason)).await
    }

    async fn parked(&self) -> Result<Vec<String>> {
        self.through(reads("set_aside.parked", &""), self.port.parked()).await
    }

    async fn parked_batch(&self, name: &str) -> Result<Option<Batch>> {
        self.through(reads("set_aside.parked_batch", &name), self.port.parked_batch(name)).await
    }

    async fn unpark(&self, name: &str) -> Result<()> {
        self.through(writes("set_aside.unpark", &name), self.port.unpark(name)).await
    }
}

impl<P: Budget, F: Faults> Budget for Faulty<P, F> {
    async fn reserve_live(&self, provider: &SourceName, minute: Minute, calls: u32) -> Result<Reservation> {
        let arguments = from_fn(|f| write!(f, "{provider} {minute} {calls}"));
        let work = self.port.reserve_live(provider, minute, calls);
        self.through(writes("budget.reserve_live", &arguments), work).await
    }

    async fn lease_replay(&self, provider: &SourceName, minute: Minute, calls: u32, share: u32) -> Result<u32> {
        let arguments = from_fn(|f| write!(f, "{provider} {minute} {calls} {share}"));
        let work = self.port.lease_replay(provider, minute, calls, share);
        self.through(writes("budget.lease_replay", &arguments), work).await
    }
}

impl<P: Expectations, F: Faults> Expectations for Faulty<P, F> {
    async fn record(&self, expectation: &Expectation) -> Result<()> {
        let arguments = from_fn(|f| write!(f, "{expectation:?}"));
        self.through(writes("expectations.record", &arguments), self.port.record(expectation)).await
    }

    async fn expectations(&self, from: Minute, to: Minute) -> Result<Vec<Expectation>> {
        let arguments = from_fn(|f| write!(f, "{from} {to}"));
        self.through(reads("expectations.read", &arguments), self.port.expectations(from, to)).await
    }
}

impl<P: Gaps, F: Faults> Gaps for Faulty<P, F> {
    async fn gap(&self, on: NaiveDate, symbol: &Symbol) -> Result<Option<VersionedGap>> {
        let arguments = from_fn(|f| write!(f, "{on} {symbol}"));
        self.through(reads("gaps.gap", &arguments), self.port.gap(on, symbol)).await
    }

    async fn pending(&self) -> Result<Vec<VersionedGap>> {
        self.through(reads("gaps.pending", &""), self.port.pending()).await
    }

    async fn of_session(&self, on: NaiveDate) -> Result<Vec<VersionedGap>> {
        self.through(reads("gaps.of_session", &on), self.port.of_session(on)).await
    }

    async fn write(&self, gap: &Gap, version: u64) -> Result<Write> {
        let arguments = from_fn(|f| write!(f, "{version} {gap:?}"));
        self.through(writes("gaps.write", &arguments), self.port.write(gap, version)).await
    }
}

impl<P: SourceStates, F: Faults> SourceStates for Faulty<P, F> {
    async fn state(&self, source: &SourceName, endpoint: &str) -> Result<SourceState> {
        let arguments = from_fn(|f| write!(f, "{source} {endpoint}"));
        self.through(reads("source_states.state", &arguments), self.port.state(source, endpoint)).await
    }

    async fn set_state(&self, source: &SourceName, endpoint: &str, state: &SourceState) -> Result<()> {
        let arguments = from_fn(|f| write!(f, "{source} {endpoint} {state:?}"));
        self.through(writes("source_states.set_state", &arguments), self.port.set_state(source, endpoint, state)).await
    }
}

impl<P: Landing, F: Faults> Landing for Faulty<P, F> {
    async fn note_landed(&self, shard: &str, through: Timestamp) -> Result<()> {
        let arguments = from_fn(|f| write!(f, "{shard} {through}"));
        self.through(writes("landing.note_landed", &arguments), self.port.note_landed(shard, through)).await
    }

    async fn landed_through(&self) -> Result<Option<Timestamp>> {
        self.through(reads("landing.landed_through", &""), self.port.landed_through()).await
    }
}

impl<P: Runs, F: Faults> Runs for Faulty<P, F> {
    async fn record_run(&self, run: &Run) -> Result<()> {
        let arguments = from_fn(|f| write!(f, "{run:?}"));
        self.through(writes("runs.record_run", &arguments), self.port.record_run(run)).await
    }

    async fn last_run(&self) -> Result<Option<Run>> {
        self.through(reads("runs.last_run", &""), self.port.last_run()).await
    }
}

impl<P: QuoteSource, F: Faults> QuoteSource for Faulty<P, F> {
    fn name(&self) -> &SourceName {
        self.port.name()
    }

    async fn key_version(&self) -> KeyVersion {
        self.port.key_version().await
    }

    async fn quote(&self, symbol: &Symbol) -> Reply<Option<Quote>> {
        self.answered(reads("source.quote", symbol), self.port.quote(symbol)).await
    }
}

impl<P: CandleSource, F: Faults> CandleSource for Faulty<P, F> {
    fn name(&self) -> &SourceName {
        self.port.name()
    }

    fn lateness_ms(&self) -> i64 {
        self.port.lateness_ms()
    }

    async fn key_version(&self) -> KeyVersion {
        self.port.key_version().await
    }

    fn configured_limit(&self) -> u32 {
        self.port.configured_limit()
    }

    async fn candles(&self, symbol: &Symbol, from: Minute, to: Minute) -> Reply<Vec<Candle>> {
        let arguments = from_fn(|f| write!(f, "{} {symbol} {from} {to}", self.port.name()));
        self.answered(reads("source.candles", &arguments), self.port.candles(symbol, from, to)).await
    }
}

impl<P: MarketFacts, F: Faults> MarketFacts for Faulty<P, F> {
    fn name(&self) -> &SourceName {
        self.port.name()
    }

    async fn holidays(&self) -> Reply<Vec<Holiday>> {
        self.answered(reads("source.holidays", &""), self.port.holidays()).await
    }

    async fn lists(&self, symbol: &Symbol) -> Reply<bool> {
        self.answered(reads("source.lists", symbol), self.port.lists(symbol)).await
    }
}
