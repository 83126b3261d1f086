//! SQS on ministack, in real time.
//!
//! What ministack does otherwise than SQS, and what is therefore not shown here:
//! - It takes a batch of a mebibyte; that ours end at a quarter of one is shown by canned answers, beside the adapter.
//! - It takes a delay of more than 15 minutes, which is why the refusal here is the adapter's own.
//! - Its `SenderFault` is always true, and it never throttles, fails or loses an answer: canned answers again.
//! - It receives in the order of sending, one queue one server; SQS promises neither order nor one delivery, and a short
//!   poll of SQS may come back empty though messages wait.
//! - A receipt that was replaced is an error there and a success that does nothing on SQS. What a receipt still holds is
//!   asked on one machine only, so that part of the contract is not run.

use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use mendlake_adapters::aws::queue::{Depth, SqsQueue, depth};
use mendlake_aws_tests::{Server, StandIns};
use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use mendlake_ports::contracts::{Fresh, queue};
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::queue::{Delivery, Message, Queue, QueueConsumer, failures};

use crate::machine::{MachineClock, run};

const VISIBILITY_S: u32 = 2;
const MOST_RECEIVES: u32 = 2;

/// For the calls of one step, on a machine where much else runs.
const SLACK_MS: i64 = 900;

pub(crate) fn the_queue_on_sqs_keeps_its_contract_as_far_as_seconds_show(standins: &StandIns) {
    let server = standins.ministack();
    run(async {
        let queue = Consumed::on(&server, 1).await;
        let settings = queue::Settings {
            visibility_ms: i64::from(VISIBILITY_S) * 1_000,
            most_receives: MOST_RECEIVES,
            slack_ms: SLACK_MS,
        };
        queue::in_seconds(&queue, &MachineClock, settings, Fresh(0)).await;
    });
}

pub(crate) fn more_messages_than_a_call_takes_are_all_sent_once(standins: &StandIns) {
    let server = standins.ministack();
    run(async {
        let queue = Consumed::on(&server, 1).await;
        let visible_at = MachineClock.now();
        let message = |n: usize| Message { body: format!("{n:03} {}", "x".repeat(n * 700)), visible_at };
        let messages: Vec<_> = (0..64).map(message).collect();
        assert_eq!(failures(&queue.send(&messages).await.expect("send")).0, 0);
        let mut bodies = Vec::new();
        loop {
            let delivered = queue.receive(10).await.expect("receive");
            if delivered.is_empty() {
                break;
            }
            bodies.extend(delivered.into_iter().map(|d| d.body));
        }
        bodies.sort();
        assert!(bodies.iter().eq(messages.iter().map(|m| &m.body)), "{} bodies", bodies.len());
    });
}

pub(crate) fn the_depth_tells_the_waiting_the_received_the_delayed_and_the_dead(standins: &StandIns) {
    let server = standins.ministack();
    run(async {
        let queue = Consumed::on(&server, 1).await;
        assert_eq!(queue.sending.depth().await.expect("a depth"), Depth::default());
        let at = |ms| MachineClock.now().plus_ms(ms);
        let send = |body: &str, visible_at| [Message { body: body.into(), visible_at }];
        for _ in 0..2 {
            queue.send(&send("dies", at(0))).await.expect("send");
        }
        for _ in 0..MOST_RECEIVES {
            assert_eq!(queue.receive(10).await.expect("receive").len(), 2);
            MachineClock.sleep_until(at(i64::from(VISIBILITY_S) * 1_000 + 500)).await;
        }
        assert_eq!(queue.receive(10).await.expect("receive"), []);
        for (body, ms) in [("a", 0), ("b", 0), ("c", 0), ("later", 600_000)] {
            queue.send(&send(body, at(ms))).await.expect("send");
        }
        assert_eq!(queue.receive(1).await.expect("receive").len(), 1);
        let told = queue.sending.depth().await.expect("a depth");
        assert_eq!(told, Depth { visible: 2, in_flight: 1, delayed: 1 });
        let dead = depth(&queue.client, &queue.dead_url).await.expect("a depth");
        assert_eq!(dead.total(), 2);
    });
}

pub(crate) fn the_queue_of_another_account_is_denied_by_name(standins: &StandIns) {
    let server = standins.ministack();
    run(async {
        let url = format!("{}/000000000007/nowhere", server.endpoint());
        let queue = SqsQueue::new(Client::new(server.aws(1).config()), &url, MachineClock);
        let outcomes = queue.send(&[Message { body: "a".into(), visible_at: MachineClock.now() }]).await;
        let outcomes = outcomes.expect("a refused call is told for each message");
        for error in [outcomes.into_iter().next().expect("one message").err(), queue.depth().await.err()] {
            let error = error.expect("refused");
            assert!(error.kind == Kind::Denied && error.chain().contains(&url), "{}", error.chain());
        }
    });
}

/// The sending end under test, and a receiving end that only tests have: a function is handed its messages.
struct Consumed {
    client: Client,
    sending: SqsQueue<MachineClock>,
    url: String,
    dead_url: String,
    /// What was found among the dead letters, by when it was sent.
    dead: Mutex<BTreeMap<(i64, String), String>>,
}

impl Consumed {
    async fn on(server: &Server, account: u32) -> Self {
        let client = Client::new(server.aws(account).config());
        let dead = client.create_queue().queue_name("dead").send().await.expect("a queue for dead letters");
        let dead_url = dead.queue_url().expect("its url").to_owned();
        let arn = QueueAttributeName::QueueArn;
        let asked = client.get_queue_attributes().queue_url(&dead_url).attribute_names(arn.clone());
        let told = asked.send().await.expect("its attributes");
        let dead_arn = told.attributes().and_then(|all| all.get(&arn)).expect("its arn");
        let redrive = format!("{{\"deadLetterTargetArn\":\"{dead_arn}\",\"maxReceiveCount\":\"{MOST_RECEIVES}\"}}");
        let queue = client
            .create_queue()
            .queue_name("live")
            .attributes(QueueAttributeName::VisibilityTimeout, VISIBILITY_S.to_string())
            .attributes(QueueAttributeName::RedrivePolicy, redrive)
            .send()
            .await
            .expect("a queue");
        let url = queue.queue_url().expect("its url").to_owned();
        let sending = SqsQueue::new(client.clone(), &url, MachineClock);
        Self { client, sending, url, dead_url, dead: Mutex::default() }
    }

    /// Takes the dead letters out of their queue.
    async fn bury(&self) {
        loop {
            let asked = self.client.receive_message().queue_url(&self.dead_url).max_number_of_messages(10);
            let sent = MessageSystemAttributeName::SentTimestamp;
            let found = asked.message_system_attribute_names(sent.clone()).send().await.expect("receive dead letters");
            if found.messages().is_empty() {
                return;
            }
            for letter in found.messages() {
                let at = letter.attributes().and_then(|all| all.get(&sent)).expect("when it was sent");
                let id = letter.message_id().expect("an id").to_owned();
                let body = letter.body().expect("a body").to_owned();
                let at = at.parse().expect("milliseconds since 1970");
                self.dead.lock().expect("no test panics inside").insert((at, id), body);
                let receipt = letter.receipt_handle().expect("a receipt");
                let gone = self.client.delete_message().queue_url(&self.dead_url).receipt_handle(receipt);
                gone.send().await.expect("delete a dead letter");
            }
        }
    }
}

impl Queue for Consumed {
    async fn send(&self, messages: &[Message]) -> Result<Vec<Result<()>>> {
        self.sending.send(messages).await
    }
}

impl QueueConsumer for Consumed {
    async fn receive(&self, max: usize) -> Result<Vec<Delivery>> {
        let count = MessageSystemAttributeName::ApproximateReceiveCount;
        let max = i32::try_from(max.min(10)).expect("at most ten");
        let asked = self.client.receive_message().queue_url(&self.url).max_number_of_messages(max);
        let received = asked.message_system_attribute_names(count.clone()).send().await.expect("receive");
        let delivery = |message: &aws_sdk_sqs::types::Message| Delivery {
            receipt: message.receipt_handle().expect("a receipt").to_owned(),
            body: message.body().expect("a body").to_owned(),
            receives: message.attributes().and_then(|all| all.get(&count)?.parse().ok()).expect("a count"),
        };
        Ok(received.messages().iter().map(delivery).collect())
    }

    async fn acknowledge(&self, receipt: &str) -> Result<bool> {
        match self.client.delete_message().queue_url(&self.url).receipt_handle(receipt).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ReceiptHandleIsInvalid") => Ok(false),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// SQS does not tell.
    async fn next_visible_at(&self) -> Result<Option<Timestamp>> {
        Err(PortError::new(Kind::Rejected, "ask SQS when its next message is visible"))
    }

    async fn dead_letters(&self) -> Result<Vec<String>> {
        self.bury().await;
        Ok(self.dead.lock().expect("no test panics inside").values().cloned().collect())
    }
}
