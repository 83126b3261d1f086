//! The engine: the stages as workers on one machine, driven by a clock, each restartable at any moment.
//!
//! A worker holds no state that matters: what it knows is in the queues, the stream, the ledger and the lake. Stopping
//! lets each finish what it is doing; killing loses nothing that was acknowledged.

mod collector;
mod lander;
mod reconciler;
mod replayer;
mod ticker;

use std::future::Future;
use std::sync::Arc;

use mendlake_domain::minute::Timestamp;
use mendlake_domain::settings::Settings;
use mendlake_ingest::{CollectReport, LandReport, RequestReport};
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::place::Place;
use mendlake_ports::queue::QueueConsumer;
use mendlake_ports::stream::StreamConsumer;
use mendlake_reconcile::{ReconcileReport, ReplayReport};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub use lander::PARK_AFTER_MS;
pub use reconciler::next_due;

/// How often messages of other processes are looked for.
const POLL_MS: i64 = 2_000;

/// A place on one machine: its queues and its stream can be read here, and it takes requests to reconcile.
pub trait Station: Place<Queue: QueueConsumer, Stream: StreamConsumer> + 'static {
    /// The queue of requests to reconcile: a message's body is the window's name.
    fn reconcile_queue(&self) -> &Self::Queue;
}

/// What a worker did.
#[derive(Debug)]
pub enum Event {
    /// A tick.
    Requested(RequestReport),
    /// A sampled message.
    Collected(CollectReport),
    /// A landed batch.
    Landed(LandReport),
    /// A parked batch: infrastructure kept refusing it, and a person must act.
    Parked {
        /// Its shard.
        shard: String,
        /// Its records.
        records: usize,
    },
    /// A parked batch that cannot be read and stays where it is: a person must act.
    Unreadable {
        /// Its name.
        batch: String,
        /// Why.
        reason: String,
    },
    /// A reconciliation.
    Reconciled(Box<ReconcileReport>),
    /// A replayed task.
    Replayed(Box<ReplayReport>),
    /// A stage failed; it will be tried again.
    Failed {
        /// The stage.
        stage: &'static str,
        /// What kind of failure.
        kind: Kind,
        /// The error and its causes.
        chain: String,
    },
}

/// Told everything the workers do, in order.
pub trait Observer: Send + Sync + 'static {
    /// Takes one event.
    fn observe(&self, at: Timestamp, event: &Event);
}

/// The stages as workers.
pub struct Engine<P, O> {
    shared: Arc<Shared<P, O>>,
    stop: watch::Sender<bool>,
}

/// What workers share.
pub(crate) struct Shared<P, O> {
    pub(crate) place: P,
    pub(crate) settings: Settings,
    pub(crate) observer: O,
    /// Told when messages were sent by this process; other processes' messages are found by polling.
    pub(crate) live_sent: Notify,
    pub(crate) tasks_sent: Notify,
    pub(crate) poll_ms: i64,
}

impl<P: Station, O: Observer> Engine<P, O> {
    /// An engine at rest.
    pub fn new(place: P, settings: Settings, observer: O) -> Self {
        let (live_sent, tasks_sent) = (Notify::new(), Notify::new());
        let shared = Shared { place, settings, observer, live_sent, tasks_sent, poll_ms: POLL_MS };
        Self { shared: Arc::new(shared), stop: watch::Sender::new(false) }
    }

    /// Looks for other processes' messages this often: rarely where there is no other process.
    ///
    /// # Panics
    /// Where workers have been started already.
    pub fn polling(mut self, poll_ms: i64) -> Self {
        Arc::get_mut(&mut self.shared).expect("no worker has been started").poll_ms = poll_ms;
        self
    }

    /// The place it stands in.
    pub fn place(&self) -> &P {
        &self.shared.place
    }

    /// Its observer.
    pub fn observer(&self) -> &O {
        &self.shared.observer
    }

    /// Starts the worker that ticks every minute.
    pub fn start_ticker(&self) -> JoinHandle<()> {
        self.start(ticker::run)
    }

    /// Starts the worker that samples.
    pub fn start_collector(&self) -> JoinHandle<()> {
        self.start(collector::run)
    }

    /// Starts the worker that lands.
    pub fn start_lander(&self) -> JoinHandle<()> {
        self.start(lander::run)
    }

    /// Starts the worker that reconciles.
    pub fn start_reconciler(&self) -> JoinHandle<()> {
        self.start(reconciler::run)
    }

    /// Starts the worker that replays.
    pub fn start_replayer(&self) -> JoinHandle<()> {
        self.start(replayer::run)
    }

    /// Starts every worker.
    pub fn start_all(&self) -> Vec<JoinHandle<()>> {
        let starts = [
            self.start_ticker(),
            self.start_collector(),
            self.start_lander(),
            self.start_reconciler(),
            self.start_replayer(),
        ];
        starts.into()
    }

    /// Lands what is in the stream now, without a worker. What fails stays in the stream and is told to the observer.
    pub async fn land_once(&self) -> Result<()> {
        lander::once(&self.shared).await
    }

    /// Works on one visible task of the replay queue, without a worker; tells whether there was one.
    pub async fn replay_once(&self) -> Result<bool> {
        replayer::once(&self.shared).await
    }

    /// Asks every worker to finish what it is doing and to end; the lander lands what is in the stream first.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    fn start<F>(&self, worker: impl FnOnce(Arc<Shared<P, O>>, Stopping) -> F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        tokio::spawn(worker(self.shared.clone(), Stopping(self.stop.subscribe())))
    }
}

impl<P: Station, O: Observer> Shared<P, O> {
    pub(crate) fn observe(&self, event: Event) {
        self.observer.observe(self.place.clock().now(), &event);
    }

    pub(crate) fn failed(&self, stage: &'static str, error: &PortError) {
        self.observe(Event::Failed { stage, kind: error.kind, chain: error.chain() });
    }
}

/// Tells a worker that it is to end.
pub(crate) struct Stopping(watch::Receiver<bool>);

impl Stopping {
    pub(crate) fn is_asked(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the instant, or until it is woken, or until it is asked to stop; tells whether it was asked.
    pub(crate) async fn wait(&mut self, clock: &impl Clock, until: Timestamp, woken: &Notify) -> bool {
        tokio::select! {
            biased;
            _ = self.0.wait_for(|stop| *stop) => true,
            () = woken.notified() => false,
            () = clock.sleep_until(until) => false,
        }
    }
}
