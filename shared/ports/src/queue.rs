//! Queues: the live queue of samples and the replay queue of tasks.

use std::future::Future;

use mendlake_domain::minute::Timestamp;

use crate::error::{PortError, Result};

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The text, at most [`MAX_BODY_BYTES`].
    pub body: String,
    /// Not delivered before this. At most [`MAX_DELAY_MS`] ahead.
    pub visible_at: Timestamp,
}

/// The largest body.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// The longest delay: 15 minutes, as SQS has it.
pub const MAX_DELAY_MS: i64 = 900_000;

/// The sending end of a queue.
///
/// - An accepted message survives power loss and is delivered at least once, in no promised order, not before its
///   `visible_at`; an adapter with coarse delays rounds up by less than a second.
/// - Messages are accepted one by one: the answer has, for each message in order, whether it was.
/// - `Err` as a whole: nothing is known of any of them.
/// - A message with a body over the limit or a delay over the limit is `Rejected`, the others are not affected.
pub trait Queue: Send + Sync {
    /// Sends messages.
    fn send(&self, messages: &[Message]) -> impl Future<Output = Result<Vec<Result<()>>>> + Send;
}

/// A message as delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Names this delivery, not the message: a later delivery has another.
    pub receipt: String,
    /// The text.
    pub body: String,
    /// How often it has been delivered, this time included.
    pub receives: u32,
}

/// The receiving end of a queue on one machine; on AWS the event source does this.
///
/// - A received message is invisible for the queue's visibility time, then it is delivered again.
/// - After the queue's most receives, it goes to the dead letters instead of being delivered once more.
/// - An acknowledged message is never delivered again. A receipt that a later delivery replaced acknowledges nothing
///   and says so with `false`; one that nothing replaced still holds its message, late as it may be.
pub trait QueueConsumer: Send + Sync {
    /// Up to `max` visible messages; empty where there is none.
    fn receive(&self, max: usize) -> impl Future<Output = Result<Vec<Delivery>>> + Send;

    /// Ends a message; tells whether this receipt still held it.
    fn acknowledge(&self, receipt: &str) -> impl Future<Output = Result<bool>> + Send;

    /// When the next message becomes visible, or `None` where the queue is empty.
    fn next_visible_at(&self) -> impl Future<Output = Result<Option<Timestamp>>> + Send;

    /// The bodies of the dead letters, oldest first.
    fn dead_letters(&self) -> impl Future<Output = Result<Vec<String>>> + Send;
}

/// How many of these outcomes failed, and the first failure.
pub fn failures(outcomes: &[Result<()>]) -> (usize, Option<&PortError>) {
    let mut failed = outcomes.iter().filter_map(|o| o.as_ref().err()).peekable();
    let first = failed.peek().copied();
    (failed.count(), first)
}
