//! The contract of [`Queue`] and [`QueueConsumer`].

use mendlake_domain::minute::Timestamp;

use super::{Fresh, TestClock};
use crate::error::Kind;
use crate::queue::{Delivery, MAX_BODY_BYTES, MAX_DELAY_MS, Message, Queue, QueueConsumer};

/// An adapter with coarse delays may be late by less than this.
const COARSE_MS: i64 = 1_000;

/// How the queue under test is set up.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Its visibility time, in milliseconds.
    pub visibility_ms: i64,
    /// Its most receives, at least 2.
    pub most_receives: u32,
    /// How long the calls of one step may take, in milliseconds: 0 where time stands still meanwhile. What is to happen
    /// not before an instant is looked at this much earlier, what is to have happened this much later.
    pub slack_ms: i64,
}

/// Every check. The queue has no messages but those of this suite, and nobody else receives from it.
pub async fn all(queue: &(impl Queue + QueueConsumer), clock: &impl TestClock, settings: Settings, fresh: Fresh) {
    in_seconds(queue, clock, settings, fresh).await;
    in_a_quarter_of_an_hour(queue, clock, fresh).await;
    of_one_machine(queue, clock, settings, fresh).await;
}

/// What any queue keeps, in checks that wait no longer than some visibility times each: also for a queue whose time is
/// the world's.
pub async fn in_seconds(
    queue: &(impl Queue + QueueConsumer),
    clock: &impl TestClock,
    settings: Settings,
    fresh: Fresh,
) {
    an_accepted_message_is_delivered(queue, clock, fresh).await;
    a_message_is_not_delivered_before_its_time(queue, clock, settings, fresh).await;
    each_message_has_its_own_answer_in_order(queue, clock, fresh).await;
    a_body_over_the_limit_is_rejected_and_one_at_it_is_not(queue, clock, fresh).await;
    no_more_are_received_than_asked_for(queue, clock, fresh).await;
    a_received_message_is_invisible_and_then_delivered_again(queue, clock, settings, fresh).await;
    after_the_most_receives_a_message_is_a_dead_letter(queue, clock, settings, fresh).await;
    dead_letters_are_oldest_first(queue, clock, settings, fresh).await;
    an_acknowledged_message_is_never_delivered_again(queue, clock, settings, fresh).await;
    a_late_acknowledgement_holds_where_nobody_received_since(queue, clock, settings, fresh).await;
}

/// What any queue keeps, and what takes the longest delay to see.
pub async fn in_a_quarter_of_an_hour(queue: &(impl Queue + QueueConsumer), clock: &impl TestClock, fresh: Fresh) {
    a_delay_at_the_limit_is_accepted_and_kept(queue, clock, fresh).await;
}

/// What only the receiving end on one machine promises: what a receipt still holds, and when the next message comes.
pub async fn of_one_machine(
    queue: &(impl Queue + QueueConsumer),
    clock: &impl TestClock,
    settings: Settings,
    fresh: Fresh,
) {
    a_replaced_receipt_acknowledges_nothing_and_says_so(queue, clock, settings, fresh).await;
    a_receipt_acknowledges_once(queue, clock, fresh).await;
    the_next_visible_message_is_told(queue, clock, settings, fresh).await;
}

/// An accepted message is delivered at least once, whole.
pub async fn an_accepted_message_is_delivered(
    queue: &(impl Queue + QueueConsumer),
    clock: &impl TestClock,
    fresh: Fresh,
) {
    let prefix = fresh.text("delivered");
    let bodies = [format!("{prefix}plain"), format!("{prefix}{{\"text\":\"é € 𝄞 '\\\"\\n\"}}"), prefix.clone()];
    send_now(queue, clock, &bodies).await;
    let delivered = receive_until_empty(queue, &prefix).await;
    let mut found: Vec<_> = delivered.iter().map(|d| d.body.clone()).collect();
    found.sort();
    let mut sent = bodies.to_vec();
    sent.sort();
    assert_eq!(found, sent);
    assert!(delivered.iter().all(|d| d.receives == 1), "first deliveries count 1: {delivered:?}");
    acknowledge_all(queue, &delivered).await;
}

/// A message is not delivered before its `visible_at`, and less than a second after it.
pub async fn a_message_is_not_delivered_before_its_time(
    queue: &(impl Queue + QueueConsumer),
    clock: &impl TestClock,
    settings: Settings,
    fresh: Fresh,
) {
    let prefix = fresh.text("delayed");
    send_at(queue, &prefix, clock.now().plus_ms(5_000)).await;
    assert_eq!(receive_until_empty(queue, &prefix).await, []);
    clock.advance_ms(4_999 - settings.slack_ms).await;
    assert_eq!(receive_until_empty(queue, &prefix).await, [], "early by a millisecond and the slack");
    clock.advance_ms(COARSE_MS + 2 * settings.slack_ms).await;
    let delivered = receive_until_empty(queue, &prefix).await;
    assert_eq!(delivered.len(), 1, "a second late at most");
    acknowledge_all(queue, &delivered).await;
}

/// The answer has, for each message in order, whether it was accepted; a rejected one does not affect the others.
pub async fn each_message_has_its_own_answer_in_order(
    queue: &(impl Queue + QueueConsumer),
    clock: &impl TestClock,
    fresh: Fresh,
) {
    let prefix = fresh.text("answers");
    let now = clock.now();
    let large = format!("{prefix}{}", "x".repeat(MAX_BODY_BYTES));
    let message = |name: &str, visible_at| Message { body: format!("{prefix}{name}"), visible_at };
    let messages = [
        message("a", now),
        Message { body: large, visible_at: now },
        message("b", now),
        message("late", now.plus_ms(MAX_DELAY_MS + 60_000)),
        message("c", now),
    ];
    let outcomes = queue.send(&messages).await.expect("send");
    let kinds: Vec<_> = outcomes.iter().map(|o| o.as_ref().err().map(|e| e.kind)).collect();
    assert_eq!(kinds, [None, Some(Kind::Rejected), None, Some(Kind::Rejected), None]);
    let delivered = receive_until_empty(queue, &prefix).await;
    let mut bodies: Vec<_> = delivered.iter().map(|d| d.body.strip_prefix(&prefix)).collect();
    bodies.sort();
    assert_eq!(bodies, [Some("a"), Some("b"), Some("c")]);
    acknowledge_all(queue, &delivered).await;
    assert!(queue.send(&[]).await.expect("send nothing").is_empty());
}

/// A body over the limit is `Rejected`; one at the limit is accepted, and delivered whole. (A delay over the limit is among
/// the answers in order.)
pub async fn a_body_over_the_limit_is_rejected_and_one_at_it_is_not(
    queue: &(impl Queue + QueueConsumer),
    clock: &impl TestClock,
    fresh: Fresh,
) {
    let prefix = fresh.text("limits");
    let visible_at = clock.now();
    let body = |bytes: usize| format!("{prefix}{}", "x".repeat(bytes - prefix.len()));
    let messages = [MAX_BODY_BYTES, MAX_BODY_BYTES + 1].map(|bytes| Message { body: body(bytes), visible_at });
    let outcomes = queue.send(&messages).await.expect("send");
    let kinds: Vec<_> = outcomes.iter().map(|o| o.as_ref().err().map(|e| e.kind)).collect();
    assert_eq!(kinds, [None, Some(Kind::Rejected)]);
    let delivered = receive_until_empty(queue, &prefix).await;
    assert_eq!(delivered.len(), 1);
    assert!(delivered[0].body == messages[0].body, "whole");
    acknowledge_all(queue, &delivered).await;
}

/// A delay at the limit is accepted, and the message is delivered after it.
pub async fn a_delay_at_the_limit_is_accepted_and_kept(
    queue: &(impl Queue + QueueConsumer),
    clock: &impl TestClock,
    fresh: Fresh,
) {
    let prefix = fresh.text("longest delay");
    send_at(queue, &prefix, clock.now().plus_ms(MAX_DELAY_MS)).await;
    assert_eq!(receive_until_empty(queue, &prefix).await, []);
    clock.advance_ms(MAX_DELAY_MS + COARSE_MS).await;
    let delivered = receive_until_empty(queue, &prefix).await;
    assert_eq!(delivered.len(), 1);
    acknowledge_all(queue, &delivered).await;
}

/// Up to `max` messages are received, and none where none is visible.
pub async fn no_more_are_received_than_asked_for(
    queue: &(impl Queue + QueueConsumer),
    clock: &impl TestClock,
    fresh: Fresh,
) {
    let prefix = fresh.text("max");
    assert_eq!(queue.receive(10).await.expect("receive"), []);
    let bodies: Vec<_> = (0..5).map(|n| format!("{prefix}{n}")).collect();
    send_now(queue, clock, &bodies).await;
    let mut delivered = queue.receive(2).await.expect("receive");
    assert!((1..=2).contains(&delivered.len()), "two of five: {delivered:?}");
    delivered.extend(receive_until_empty(queue, &prefix).await);
    assert_eq!(delivered.len(), 5, "nothing is delivered twice within its visibility time: {delivered:?}");
    acknowledge_all(queue, &delivered).await;
}

/// A received message is invisible for the visibility time, then it is delivered again under another receipt.
pub async fn a_received_message_is_invisible_and_then_delivered_again(
    queue: &(impl Queue + QueueConsumer),
    clock: &impl TestClock,
    settings: Settings,
    fresh: Fresh,
) {
    let prefix = fresh.text("redelivery");
    send_now(queue, clock, std::slice::from_ref(&prefix)).await;
    let first = receive_one(queue, &prefix).await;
    clock.advance_ms(settings.visibility_ms - 1 - settings.slack_ms).await;
    assert_eq!(receive_until_empty(queue, &prefix).await, [], "still invisible");
    clock.advance_ms(COARSE_MS + 2 * settings.slack_ms).await;
    let second = receive_one(queue, &prefix).await;
    assert_eq!((first.receives, second.receives), (1, 2));
    assert_ne!(first.receipt, second.receipt, "a receipt names the delivery");
    acknowledge_all(queue, &[second]).await;
}

/// After the queue's most receives a message goes to the dead letters instead of being delivered once more.
pub async fn after_the_most_receives_a_message_is_a_dead_letter(
    queue: &(impl Queue + QueueConsumer),
    clock: &impl TestClock,
    settings: Settings,
    fresh: Fresh,
) {
    let prefix = fresh.text("dead");
    send_now(queue, clock, std::slice::from_ref(&prefix)).await;
    for receives in 1..=settings.most_receives {
        assert_eq!(receive_one(queue, &prefix).await.receives, receives);
        assert!(!is_dead(queue, &prefix).await, "dead after {receives} of {}", settings.most_receives);
        clock.advance_ms(settings.visibility_ms + COARSE_MS).await;
    }
    assert_eq!(receive_until_empty(queue, &prefix).await, []);
    assert!(is_dead(queue, &prefix).await);
    clock.advance_ms(settings.visibility_ms + COARSE_MS).await;
    assert_eq!(receive_until_empty(queue, &prefix).await, [], "a dead letter stays dead");
}

/// Dead letters are given oldest first.
pub async fn dead_letters_are_oldest_first(
    queue: &(impl Queue + QueueConsumer),
    clock: &impl TestClock,
    settings: Settings,
    fresh: Fresh,
) {
    let prefix = fresh.text("order of death");
    let names = ["c", "a", "b"].map(|name| format!("{prefix}{name}"));
    for name in &names {
        send_now(queue, clock, std::slice::from_ref(name)).await;
        for _ in 0..=settings.most_receives {
            receive_until_empty(queue, &prefix).await;
            clock.advance_ms(settings.visibility_ms + COARSE_MS).await;
        }
    }
    let dead = queue.dead_letters().await.expect("dead letters");
    let mine: Vec<_> = dead.iter().filter(|body| body.starts_with(&prefix)).collect();
    assert_eq!(mine, names.iter().collect::<Vec<_>>());
}

/// An acknowledged message is never delivered again, and is no dead letter either.
pub async fn an_acknowledged_message_is_never_delivered_again(
    queue: &(impl Queue + QueueConsumer),
    clock: &impl TestClock,
    settings: Settings,
    fresh: Fresh,
) {
    let prefix = fresh.text("acknowledged");
    send_now(queue, clock, std::slice::from_ref(&prefix)).await;
    let delivery = receive_one(queue, &prefix).await;
    assert!(queue.acknowledge(&delivery.receipt).await.expect("acknowledge"));
    for _ in 0..=settings.most_receives {
        clock.advance_ms(settings.visibility_ms + COARSE_MS).await;
        assert_eq!(receive_until_empty(queue, &prefix).await, []);
    }
    assert!(!is_dead(queue, &prefix).await);
}

/// A receipt that a later delivery replaced acknowledges nothing and says so; the later one holds the message.
pub async fn a_replaced_receipt_acknowledges_nothing_and_says_so(
    queue: &(impl Queue + QueueConsumer),
    clock: &impl TestClock,
    settings: Settings,
    fresh: Fresh,
) {
    let prefix = fresh.text("replaced");
    send_now(queue, clock, std::slice::from_ref(&prefix)).await;
    let first = receive_one(queue, &prefix).await;
    clock.advance_ms(settings.visibility_ms + COARSE_MS).await;
    let second = receive_one(queue, &prefix).await;
    assert!(!queue.acknowledge(&first.receipt).await.expect("acknowledge"), "the replaced receipt");
    assert!(queue.acknowledge(&second.receipt).await.expect("acknowledge"), "the one that replaced it");
}

/// A receipt holds its message past the visibility time, as long as no later delivery replaced it.
pub async fn a_late_acknowledgement_holds_where_nobody_received_since(
    queue: &(impl Queue + QueueConsumer),
    clock: &impl TestClock,
    settings: Settings,
    fresh: Fresh,
) {
    let prefix = fresh.text("late acknowledgement");
    send_now(queue, clock, std::slice::from_ref(&prefix)).await;
    let delivery = receive_one(queue, &prefix).await;
    clock.advance_ms(settings.visibility_ms + COARSE_MS).await;
    assert!(queue.acknowledge(&delivery.receipt).await.expect("acknowledge"));
    assert_eq!(receive_until_empty(queue, &prefix).await, []);
}

/// A receipt acknowledges once; one that is no receipt acknowledges nothing.
pub async fn a_receipt_acknowledges_once(queue: &(impl Queue + QueueConsumer), clock: &impl TestClock, fresh: Fresh) {
    let prefix = fresh.text("once");
    send_now(queue, clock, std::slice::from_ref(&prefix)).await;
    let delivery = receive_one(queue, &prefix).await;
    assert!(queue.acknowledge(&delivery.receipt).await.expect("acknowledge"));
    assert!(!queue.acknowledge(&delivery.receipt).await.expect("acknowledge"), "the second time");
    for none in ["", "-", "7", "1-x", "not a receipt"] {
        assert!(!queue.acknowledge(none).await.expect("acknowledge"), "`{none}`");
    }
}

/// `next_visible_at` tells when the next message becomes visible, in flight or not, and `None` where the queue is empty.
pub async fn the_next_visible_message_is_told(
    queue: &(impl Queue + QueueConsumer),
    clock: &impl TestClock,
    settings: Settings,
    fresh: Fresh,
) {
    let prefix = fresh.text("next");
    let next = async || queue.next_visible_at().await.expect("next visible");
    assert_eq!(next().await, None, "the queue is empty");
    let at = clock.now().plus_ms(30_000);
    send_at(queue, &format!("{prefix}later"), at.plus_ms(30_000)).await;
    send_at(queue, &format!("{prefix}sooner"), at).await;
    let told = next().await.expect("two messages wait");
    assert!((0..COARSE_MS).contains(&told.ms_since(at)), "{told} for {at}");
    clock.advance_ms(60_000 + COARSE_MS).await;
    assert!(next().await.expect("two messages are visible") <= clock.now());
    let delivered = receive_until_empty(queue, &prefix).await;
    let told = next().await.expect("two messages are in flight");
    let again = clock.now().plus_ms(settings.visibility_ms);
    assert!(told.ms_since(again).abs() < COARSE_MS, "{told} for {again}");
    acknowledge_all(queue, &delivered).await;
    assert_eq!(next().await, None, "all is acknowledged");
}

/// What was accepted survives power loss, and so does what was acknowledged. `power_loss` gives the queue as it is found
/// after one.
pub async fn what_was_accepted_survives_power_loss<Q: Queue + QueueConsumer>(
    queue: Q,
    clock: &impl TestClock,
    settings: Settings,
    fresh: Fresh,
    power_loss: impl FnOnce(Q) -> Q,
) {
    let prefix = fresh.text("power loss");
    send_now(&queue, clock, &[format!("{prefix}acknowledged")]).await;
    let first = receive_one(&queue, &prefix).await;
    assert!(queue.acknowledge(&first.receipt).await.expect("acknowledge"));
    send_now(&queue, clock, &[format!("{prefix}in flight")]).await;
    let in_flight = receive_one(&queue, &prefix).await;
    send_now(&queue, clock, &[format!("{prefix}waiting")]).await;
    send_at(&queue, &format!("{prefix}delayed"), clock.now().plus_ms(MAX_DELAY_MS)).await;

    let queue = power_loss(queue);
    let waiting = receive_one(&queue, &prefix).await;
    assert_eq!(waiting.body, format!("{prefix}waiting"), "what was in flight stays invisible");
    assert!(queue.acknowledge(&in_flight.receipt).await.expect("acknowledge"), "its receipt still holds it");
    clock.advance_ms(MAX_DELAY_MS + settings.visibility_ms + COARSE_MS).await;
    let mut bodies: Vec<_> = receive_until_empty(&queue, &prefix).await.into_iter().map(|d| d.body).collect();
    bodies.sort();
    assert_eq!(bodies, [format!("{prefix}delayed"), format!("{prefix}waiting")]);
}

async fn send_now(queue: &impl Queue, clock: &impl TestClock, bodies: &[String]) {
    let visible_at = clock.now();
    let messages: Vec<_> = bodies.iter().map(|body| Message { body: body.clone(), visible_at }).collect();
    accepted(queue.send(&messages).await.expect("send"));
}

async fn send_at(queue: &impl Queue, body: &str, visible_at: Timestamp) {
    accepted(queue.send(&[Message { body: body.to_owned(), visible_at }]).await.expect("send"));
}

fn accepted(outcomes: Vec<crate::error::Result<()>>) {
    for outcome in outcomes {
        outcome.expect("the message is accepted");
    }
}

/// Everything visible, of which those of this check are given; what others left stays in flight.
async fn receive_until_empty(queue: &impl QueueConsumer, prefix: &str) -> Vec<Delivery> {
    let mut mine = Vec::new();
    loop {
        let delivered = queue.receive(10).await.expect("receive");
        if delivered.is_empty() {
            return mine;
        }
        mine.extend(delivered.into_iter().filter(|d| d.body.starts_with(prefix)));
    }
}

async fn receive_one(queue: &impl QueueConsumer, prefix: &str) -> Delivery {
    let mut delivered = receive_until_empty(queue, prefix).await;
    assert_eq!(delivered.len(), 1, "one message is visible: {delivered:?}");
    delivered.remove(0)
}

async fn acknowledge_all(queue: &impl QueueConsumer, delivered: &[Delivery]) {
    for delivery in delivered {
        assert!(queue.acknowledge(&delivery.receipt).await.expect("acknowledge"), "{delivery:?}");
    }
}

async fn is_dead(queue: &impl QueueConsumer, body: &str) -> bool {
    queue.dead_letters().await.expect("dead letters").iter().any(|dead| dead == body)
}
