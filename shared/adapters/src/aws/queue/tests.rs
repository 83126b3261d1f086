use mendlake_ports::queue::{MAX_BODY_BYTES, failures};
use serde_json::{Value, json};

use super::*;
use crate::aws::canned::{Answer, Canned, WaitedClock};

const URL: &str = "https://sqs.us-east-1.amazonaws.com/123456789012/live";

fn queue(canned: &Canned, clock: &WaitedClock) -> SqsQueue<WaitedClock> {
    SqsQueue::new(Client::new(&canned.config()), URL, clock.clone())
}

fn message(body: &str, clock: &WaitedClock, delay_ms: i64) -> Message {
    Message { body: body.into(), visible_at: clock.now().plus_ms(delay_ms) }
}

/// An answer that names the entries sent as taken or refused, by their ids.
fn told(taken: &[usize], refused: &[(usize, &str, bool)]) -> Answer {
    let id = |id: &usize| json!({ "Id": id.to_string(), "MessageId": "m", "MD5OfMessageBody": "5" });
    let no =
        |(id, code, fault): &(usize, &str, bool)| json!({ "Id": id.to_string(), "Code": code, "SenderFault": fault });
    let successful: Vec<Value> = taken.iter().map(id).collect();
    let failed: Vec<Value> = refused.iter().map(no).collect();
    Answer::Said(200, json!({ "Successful": successful, "Failed": failed }))
}

fn kinds(outcomes: &[Result<()>]) -> Vec<Option<Kind>> {
    outcomes.iter().map(|outcome| outcome.as_ref().err().map(|error| error.kind)).collect()
}

/// Of each call, the bodies sent.
fn bodies(canned: &Canned) -> Vec<Vec<String>> {
    let body = |entry: &Value| entry["MessageBody"].as_str().expect("a body").to_owned();
    let entries = |asked: &Value| asked["Entries"].as_array().expect("entries").iter().map(body).collect();
    canned.asked().iter().map(entries).collect()
}

#[tokio::test]
async fn a_half_failed_answer_is_told_in_the_order_of_the_messages() {
    let (clock, refused) = (
        WaitedClock::new(),
        [
            (3, "ThrottlingException", true),
            (0, "InvalidMessageContents", true),
            (4, "InternalError", false),
            (1, "KMS.AccessDeniedException", true),
        ],
    );
    let canned = Canned::new([told(&[5, 2], &refused)]);
    let messages: Vec<_> = ["a", "b", "c", "d", "e", "f", "g"].map(|body| message(body, &clock, 0)).into();
    let outcomes = queue(&canned, &clock).send(&messages).await.expect("send");
    let [rejected, denied, throttled] = [Kind::Rejected, Kind::Denied, Kind::Throttled].map(Some);
    let unavailable = Some(Kind::Unavailable);
    let untold = unavailable;
    assert_eq!(kinds(&outcomes), [rejected, denied, None, throttled, unavailable, None, untold]);
    let (_, first) = failures(&outcomes);
    assert_eq!(first.expect("some failed").chain(), "send message: InvalidMessageContents: no reason given");
}

#[tokio::test]
async fn a_call_has_ten_messages_and_a_quarter_of_a_mebibyte_at_most() {
    let clock = WaitedClock::new();
    let canned = Canned::new([10, 2, 2, 1].map(|n| told(&(0..n).collect::<Vec<_>>(), &[])));
    let large = |letter: &str, bytes| message(&letter.repeat(bytes), &clock, 0);
    let mut messages: Vec<_> = (0..11).map(|n| message(&n.to_string(), &clock, 0)).collect();
    messages.extend([
        large("w", MAX_BODY_BYTES - 2),
        large("x", MAX_BODY_BYTES / 2),
        large("y", MAX_BODY_BYTES / 2),
        large("z", 1),
    ]);
    let outcomes = queue(&canned, &clock).send(&messages).await.expect("send");
    assert_eq!(failures(&outcomes).0, 0);
    let sizes: Vec<Vec<usize>> = bodies(&canned).iter().map(|call| call.iter().map(String::len).collect()).collect();
    let half = MAX_BODY_BYTES / 2;
    assert_eq!(sizes, [vec![1; 10], vec![2, MAX_BODY_BYTES - 2], vec![half, half], vec![1]]);
}

#[tokio::test]
async fn what_is_over_a_limit_is_rejected_without_a_call_and_the_others_are_sent() {
    let clock = WaitedClock::new();
    let canned = Canned::new([told(&[0, 1], &[])]);
    let messages = [
        message(&"x".repeat(MAX_BODY_BYTES + 1), &clock, 0),
        message("first", &clock, 0),
        message("late", &clock, MAX_DELAY_MS + 1),
        message("", &clock, 0),
        message("\u{1}", &clock, 0),
        message("\u{FFFE}", &clock, 0),
        message("\t\r\n €𝄞", &clock, MAX_DELAY_MS),
    ];
    let outcomes = queue(&canned, &clock).send(&messages).await.expect("send");
    let no = Some(Kind::Rejected);
    assert_eq!(kinds(&outcomes), [no, None, no, no, no, no, None]);
    assert_eq!(bodies(&canned), [["first", "\t\r\n €𝄞"]]);
    assert!(outcomes[4].as_ref().expect_err("rejected").chain().contains("U+0001"));

    let none = Canned::new([]);
    assert_eq!(kinds(&queue(&none, &clock).send(&messages[2..3]).await.expect("send")), [no]);
    assert!(queue(&none, &clock).send(&[]).await.expect("send nothing").is_empty());
}

#[tokio::test]
async fn a_delay_is_whole_seconds_rounded_up_from_when_its_call_is_made() {
    let clock = WaitedClock::new();
    let delays = [-5_000, 0, 1, 1_000, 1_001, 899_001, MAX_DELAY_MS];
    let canned = Canned::new([told(&[0, 1, 2, 3, 4, 5, 6], &[])]);
    let messages: Vec<_> = delays.iter().map(|delay| message("a", &clock, *delay)).collect();
    queue(&canned, &clock).send(&messages).await.expect("send");
    let entries = canned.asked()[0]["Entries"].clone();
    let told: Vec<_> = entries.as_array().expect("entries").iter().map(|e| e["DelaySeconds"].as_i64()).collect();
    assert_eq!(told, [0, 0, 1, 1, 2, 900, 900].map(Some));
}

#[tokio::test]
async fn a_refused_call_refuses_each_of_its_messages_and_no_other() {
    let clock = WaitedClock::new();
    let messages: Vec<_> = (0..12).map(|n| message(&n.to_string(), &clock, 0)).collect();
    let refusals = [
        (Answer::refusal(400, "ThrottlingException"), Kind::Throttled),
        (Answer::refusal(403, "AccessDeniedException"), Kind::Denied),
        (Answer::refusal(400, "AWS.SimpleQueueService.BatchRequestTooLong"), Kind::Rejected),
    ];
    for (refusal, kind) in refusals {
        let canned = Canned::new([refusal, told(&[0, 1], &[])]);
        let outcomes = queue(&canned, &clock).send(&messages).await.expect("each is told");
        assert_eq!(kinds(&outcomes), [vec![Some(kind); 10], vec![None; 2]].concat());
    }
}

#[tokio::test]
async fn an_unknown_queue_is_denied_and_not_rejected_so_that_nothing_is_dropped() {
    let clock = WaitedClock::new();
    let canned = Canned::new([0, 1].map(|_| Answer::refusal(400, "com.amazonaws.sqs#QueueDoesNotExist")));
    let queue = queue(&canned, &clock);
    let outcomes = queue.send(&[message("a", &clock, 0)]).await.expect("each is told");
    let error = outcomes[0].as_ref().expect_err("refused");
    assert!(error.kind == Kind::Denied && error.chain().contains(URL), "{}", error.chain());
    assert_eq!(queue.depth().await.expect_err("refused").kind, Kind::Denied);
}

#[tokio::test]
async fn of_a_lost_answer_or_a_servers_error_nothing_is_known_and_it_is_not_tried_again() {
    for unknown in [Answer::Lost, Answer::refusal(500, "InternalError"), Answer::refusal(503, "ServiceUnavailable")] {
        let clock = WaitedClock::new();
        let canned = Canned::new([unknown, told(&[0, 1], &[])]);
        let messages: Vec<_> = (0..12).map(|n| message(&n.to_string(), &clock, 0)).collect();
        // A client that tries three times by itself.
        let client = Client::new(&canned.config_trying(RetryConfig::standard()));
        let queue = SqsQueue::new(client, URL, clock.clone());
        let error = queue.send(&messages).await.expect_err("nothing is known of ten");
        assert_eq!(error.kind, Kind::Unavailable, "{}", error.chain());
        let calls = bodies(&canned);
        assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [10, 2], "each message in one call");
    }
}

#[tokio::test]
async fn a_depth_is_read_from_the_three_counts() {
    let counts = json!({
        "ApproximateNumberOfMessages": "7",
        "ApproximateNumberOfMessagesNotVisible": "2",
        "ApproximateNumberOfMessagesDelayed": "30",
    });
    let clock = WaitedClock::new();
    let canned = Canned::new([
        Answer::Said(200, json!({ "Attributes": counts })),
        Answer::Said(200, json!({ "Attributes": { "ApproximateNumberOfMessages": "7" } })),
    ]);
    let queue = queue(&canned, &clock);
    let depth = queue.depth().await.expect("a depth");
    assert_eq!(depth, Depth { visible: 7, in_flight: 2, delayed: 30 });
    assert_eq!(depth.total(), 39);
    assert_eq!(queue.depth().await.expect_err("a count is missing").kind, Kind::Corrupt);
}
