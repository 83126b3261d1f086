//! A queue on SQS: the sending end. The receiving end is the function's event source.
//!
//! Asks for `sqs:SendMessage` (which covers batches) and, for depths, `sqs:GetQueueAttributes`, both on the queue; and
//! `kms:GenerateDataKey` and `kms:Decrypt` where it is encrypted under a key of its owner's.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Config;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::operation::send_message_batch::{SendMessageBatchError, SendMessageBatchOutput};
use aws_sdk_sqs::types::{BatchResultErrorEntry, QueueAttributeName, SendMessageBatchRequestEntry};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::queue::{MAX_DELAY_MS, Message, Queue};

use super::error::{code, failed, kind_of_code};
use crate::settings::check_message;

/// The most messages of one call.
const BATCH_MESSAGES: usize = 10;

/// The most bytes of one call's bodies. SQS takes a mebibyte by now; a queue may be set up for a quarter of it, which is
/// what one message may have here, and a batch of ours is seldom a hundredth.
const BATCH_BYTES: usize = 256 * 1024;

/// A standard queue of SQS, by its URL.
///
/// A delay is told in whole seconds, rounded up, from when the call is made: a message is never visible early, unless
/// SQS's clock is ahead of ours. A call of which nothing is known is not repeated, not by the client either: whoever
/// sends decides whether a second copy is worth it. All other calls are then made all the same.
#[derive(Clone, Debug)]
pub struct SqsQueue<C> {
    client: Client,
    url: String,
    clock: C,
}

/// How many messages a queue holds, as SQS estimates it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Ready to be received.
    pub visible: u64,
    /// Received and not acknowledged.
    pub in_flight: u64,
    /// Not to be delivered yet.
    pub delayed: u64,
}

impl Depth {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

/// How many messages a queue holds. Dead letters are in a queue of their own: their number is that queue's `total`.
pub async fn depth(client: &Client, url: &str) -> Result<Depth> {
    use QueueAttributeName as Name;
    let doing = || format!("count messages of `{url}`");
    let names = [
        Name::ApproximateNumberOfMessages,
        Name::ApproximateNumberOfMessagesNotVisible,
        Name::ApproximateNumberOfMessagesDelayed,
    ];
    let asked = client.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
    let told = asked.send().await.map_err(|error| {
        if code(&error).is_some_and(is_absent) { no_such_queue(url) } else { failed(doing(), error) }
    })?;
    let count = |name: &Name| {
        let text = told.attributes().and_then(|counts| counts.get(name)).map_or("", String::as_str);
        let unreadable = || PortError::new(Kind::Corrupt, format!("{}: `{name}` is no number: `{text}`", doing()));
        text.parse::<u64>().map_err(|_| unreadable())
    };
    Ok(Depth { visible: count(&names[0])?, in_flight: count(&names[1])?, delayed: count(&names[2])? })
}

impl<C: Clock> SqsQueue<C> {
    /// The queue with this URL.
    pub fn new(client: Client, url: impl Into<String>, clock: C) -> Self {
        Self { client, url: url.into(), clock }
    }

    /// How many messages it holds.
    pub async fn depth(&self) -> Result<Depth> {
        depth(&self.client, &self.url).await
    }

    /// Sends what fits one call. `Err`: nothing is known of any of them.
    async fn send_batch(&self, messages: &[&Message]) -> Result<Vec<Result<()>>> {
        let now = self.clock.now();
        let entries = messages.iter().enumerate().map(|(id, message)| entry(id, message, now)).collect();
        // Not tried again: see the type.
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let call = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries));
        match call.customize().config_override(once).send().await {
            Ok(output) => Ok(outcomes(messages.len(), &output)),
            Err(error) => {
                let error = self.refused(messages.len(), error);
                let each = |_| PortError::new(error.kind, error.chain());
                match error.kind {
                    Kind::Unavailable => Err(error),
                    _ => Ok((0..messages.len()).map(|index| Err(each(index))).collect()),
                }
            }
        }
    }

    fn refused(&self, messages: usize, error: SdkError<SendMessageBatchError, HttpResponse>) -> PortError {
        match code(&error).is_some_and(is_absent) {
            true => no_such_queue(&self.url),
            false => failed(format!("send {messages} messages to `{}`", self.url), error),
        }
    }
}

impl<C: Clock> Queue for SqsQueue<C> {
    async fn send(&self, messages: &[Message]) -> Result<Vec<Result<()>>> {
        let now = self.clock.now();
        let mut all: Vec<Result<()>> = messages.iter().map(|message| check(message, now)).collect();
        let mut unknown = None;
        for batch in batches(messages, &all) {
            let taken: Vec<&Message> = batch.iter().map(|index| &messages[*index]).collect();
            match self.send_batch(&taken).await {
                Ok(outcomes) => batch.into_iter().zip(outcomes).for_each(|(index, outcome)| all[index] = outcome),
                Err(error) => unknown = unknown.or(Some(error)),
            }
        }
        unknown.map_or(Ok(all), Err)
    }
}

/// Whether SQS takes the message: one that it does not would cost the others of its call.
fn check(message: &Message, now: Timestamp) -> Result<()> {
    check_message(message, now)?;
    let refuse = |why: String| Err(PortError::new(Kind::Rejected, format!("send message: {why}")));
    match message.body.chars().find(|c| !is_taken(*c)) {
        _ if message.body.is_empty() => refuse("the body is empty".into()),
        Some(c) => refuse(format!("the body has a character SQS does not take: U+{:04X}", u32::from(c))),
        None => Ok(()),
    }
}

const fn is_taken(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// The messages without a refusal, by their places, in calls that SQS takes.
fn batches(messages: &[Message], checked: &[Result<()>]) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for (index, message) in messages.iter().enumerate().filter(|(index, _)| checked[*index].is_ok()) {
        bytes += message.body.len();
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_MESSAGES && bytes <= BATCH_BYTES => batch.push(index),
            _ => {
                bytes = message.body.len();
                batches.push(vec![index]);
            }
        }
    }
    batches
}

fn entry(id: usize, message: &Message, now: Timestamp) -> SendMessageBatchRequestEntry {
    let entry = SendMessageBatchRequestEntry::builder().id(id.to_string()).message_body(&message.body);
    entry.delay_seconds(delay_s(message.visible_at, now)).build().expect("an entry has an id and a body")
}

/// The whole seconds until then, rounded up.
fn delay_s(visible_at: Timestamp, now: Timestamp) -> i32 {
    let delay_ms = visible_at.ms_since(now).clamp(0, MAX_DELAY_MS);
    i32::try_from((delay_ms + 999) / 1_000).expect("at most 900 seconds")
}

/// The outcomes in the order of the entries, whose ids are their places.
fn outcomes(entries: usize, output: &SendMessageBatchOutput) -> Vec<Result<()>> {
    let untold = || Err(PortError::new(Kind::Unavailable, "send message: the answer does not name it"));
    let mut outcomes: Vec<Result<()>> = (0..entries).map(|_| untold()).collect();
    let mut tell = |id: &str, outcome| {
        if let Some(told) = id.parse().ok().and_then(|place: usize| outcomes.get_mut(place)) {
            *told = outcome;
        }
    };
    output.successful().iter().for_each(|entry| tell(entry.id(), Ok(())));
    output.failed().iter().for_each(|entry| tell(entry.id(), Err(refusal(entry))));
    outcomes
}

fn refusal(entry: &BatchResultErrorEntry) -> PortError {
    let kind = match kind_of_code(entry.code()) {
        Some(kind) => kind,
        None if entry.sender_fault() => Kind::Rejected,
        None => Kind::Unavailable,
    };
    let message = entry.message().unwrap_or("no reason given");
    PortError::new(kind, format!("send message: {}: {message}", entry.code()))
}

/// Whether a refusal's code says that there is no such queue: in the words of either of SQS's protocols.
fn is_absent(code: &str) -> bool {
    matches!(code.rsplit(['.', '#']).next(), Some("NonExistentQueue" | "QueueDoesNotExist"))
}

/// Nothing is wrong with the messages: were they rejected, they would be dropped.
fn no_such_queue(url: &str) -> PortError {
    let what = format!("find queue `{url}`: there is none with this url: check it against the stack's outputs");
    PortError::new(Kind::Denied, what)
}

#[cfg(test)]
mod tests;
