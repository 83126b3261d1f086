//! The event source of a queue: messages to a function, those that it hands back again later, and in the end to the dead
//! letters.
//!
//! SQS's own clock is not asked. A message is received when it becomes visible in virtual time, or held since an earlier call
//! that brought it along; what is to be delivered again is made visible at once and held until its virtual time has come. How
//! often a message may be received, and that it then goes to the dead letters, is the stand-in's doing.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::function::{Ended, Stage, invoke};
use super::world::World;
use crate::proxy::Due;

/// What the template says of one.
pub(crate) struct QueueSource {
    pub(super) stage: Stage,
    /// Messages in one event.
    pub(super) batch: usize,
    /// Functions at once.
    pub(super) most: usize,
    pub(super) visibility_s: i64,
}

/// Of the live queue.
pub(crate) const LIVE: QueueSource = QueueSource { stage: Stage::Collect, batch: 4, most: 8, visibility_s: 120 };

/// Of the replay queue.
pub(crate) const REPLAY: QueueSource = QueueSource { stage: Stage::Replay, batch: 1, most: 2, visibility_s: 900 };

struct Source {
    world: Rc<World>,
    client: Client,
    url: String,
    told: &'static QueueSource,
    state: RefCell<State>,
    ended: Notify,
}

#[derive(Default)]
struct State {
    due: BTreeSet<(Timestamp, String)>,
    /// Received, and not handed over yet.
    held: BTreeMap<String, Message>,
    /// Which message a receipt was for.
    receipts: BTreeMap<String, String>,
    /// What was done once already.
    done: BTreeSet<String>,
    running: usize,
}

/// Delivers for ever.
pub(crate) async fn run(world: Rc<World>, url: String, told: &'static QueueSource) {
    let client = Client::new(world.wire.aws("event-source").config());
    let mut news = world.proxy.seen().news();
    let source = Rc::new(Source { world, client, url, told, state: RefCell::default(), ended: Notify::new() });
    loop {
        source.take_in().await;
        while let Some(batch) = source.next_batch().await {
            source.state.borrow_mut().running += 1;
            let delivering = source.clone();
            source.world.spawn(async move {
                delivering.deliver(batch).await;
                delivering.state.borrow_mut().running -= 1;
                delivering.ended.notify_one();
            });
        }
        let next = source.next_due();
        tokio::select! {
            changed = news.changed() => changed.expect("the proxy lives as long as this"),
            () = source.ended.notified() => {}
            () = async { match next {
                Some(at) => source.world.clock.sleep_until(at).await,
                None => std::future::pending().await,
            } } => {}
        }
    }
}

impl Source {
    /// Notes what was sent, and brings back what was not deleted.
    async fn take_in(&self) {
        for (at, due) in self.world.proxy.seen().take_due(&self.url) {
            let id = match due {
                Due::Sent(id) => Some(id),
                Due::Back(receipt) => {
                    self.make_visible(&receipt).await;
                    self.state.borrow().receipts.get(&receipt).cloned()
                }
            };
            self.state.borrow_mut().due.extend(id.map(|id| (at, id)));
        }
    }

    /// When the next message is due, if there is a function free for it.
    fn next_due(&self) -> Option<Timestamp> {
        let state = self.state.borrow();
        state.due.first().filter(|_| state.running < self.told.most).map(|(at, _)| *at)
    }

    /// The next event's messages, if some are due and a function is free.
    async fn next_batch(&self) -> Option<Vec<Message>> {
        let now = self.world.clock.now();
        let due: Vec<String> = {
            let state = self.state.borrow();
            let free = state.running < self.told.most;
            let due = state.due.iter().take_while(|(at, _)| free && *at <= now);
            due.take(self.told.batch).map(|(_, id)| id.clone()).collect()
        };
        if due.is_empty() {
            return None;
        }
        if due.iter().any(|id| !self.state.borrow().held.contains_key(id)) {
            self.receive().await;
        }
        let mut state = self.state.borrow_mut();
        state.due.retain(|(_, id)| !due.contains(id));
        let batch: Vec<Message> = due.iter().filter_map(|id| state.held.remove(id)).collect();
        // What is not there any more was received as often as it may be.
        let held = |id: &String| batch.iter().any(|message| id_of(message) == *id);
        let (done, given_up): (Vec<_>, Vec<_>) =
            due.iter().filter(|id| !held(id)).partition(|id| state.done.contains(*id));
        let mut told = self.world.told.borrow_mut();
        told.dead_though_done += done.len();
        *told.dead.entry(self.told.stage).or_default() += given_up.len();
        Some(batch)
    }

    /// Receives everything that there is.
    async fn receive(&self) {
        loop {
            let asked = self.client.receive_message().queue_url(&self.url).max_number_of_messages(10);
            let asked = asked.message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
            let received = asked.send().await.expect("the event source receives");
            if received.messages().is_empty() {
                return;
            }
            let mut state = self.state.borrow_mut();
            for message in received.messages.unwrap_or_default() {
                let (id, receipt) = (id_of(&message), receipt_of(&message));
                state.receipts.insert(receipt, id.clone());
                state.held.insert(id, message);
            }
        }
    }

    async fn deliver(&self, batch: Vec<Message>) {
        if batch.is_empty() {
            return;
        }
        let again_at = self.world.clock.now().plus_s(self.told.visibility_s);
        let event = json!({ "Records": batch.iter().map(record).collect::<Vec<_>>() });
        let ended = invoke(&self.world, self.told.stage, event).await;
        let (left, done): (Vec<_>, Vec<_>) = match ended {
            Ended::Answered(failures) => {
                // A name that is none of the batch's fails all of it.
                let known = |name: &String| batch.iter().any(|message| id_of(message) == *name);
                let whole = !failures.iter().all(known);
                batch.into_iter().partition(|message| whole || failures.contains(&id_of(message)))
            }
            _ => (batch, Vec::new()),
        };
        self.delete(&done).await;
        self.state.borrow_mut().done.extend(done.iter().map(id_of));
        for message in &left {
            self.make_visible(&receipt_of(message)).await;
            self.state.borrow_mut().due.insert((again_at, id_of(message)));
        }
    }

    async fn delete(&self, done: &[Message]) {
        if done.is_empty() {
            return;
        }
        let entry = |(n, message): (usize, &Message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(n.to_string());
            entry.receipt_handle(receipt_of(message)).build().expect("an entry")
        };
        let entries: Vec<_> = done.iter().enumerate().map(entry).collect();
        let deleted = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
        deleted.send().await.expect("the event source deletes");
    }

    async fn make_visible(&self, receipt: &str) {
        let changed = self.client.change_message_visibility().queue_url(&self.url).receipt_handle(receipt);
        changed.visibility_timeout(0).send().await.expect("the event source hands back");
    }
}

fn id_of(message: &Message) -> String {
    message.message_id().unwrap_or_default().to_owned()
}

fn receipt_of(message: &Message) -> String {
    message.receipt_handle().unwrap_or_default().to_owned()
}

/// A message as its event has it.
fn record(message: &Message) -> Value {
    let received = message.attributes().and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    json!({
        "messageId": id_of(message),
        "receiptHandle": receipt_of(message),
        "body": message.body().unwrap_or_default(),
        "attributes": { "ApproximateReceiveCount": received },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "awsRegion": "us-east-1",
    })
}
