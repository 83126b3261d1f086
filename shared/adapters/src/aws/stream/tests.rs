use aws_smithy_types::retry::RetryConfig;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::stream::MAX_RECORD_BYTES;
use serde_json::{Value, json};

use super::*;
use crate::aws::canned::{Answer, Canned, WaitedClock};

const SLOW: &str = "ProvisionedThroughputExceededException";

fn arn() -> StreamArn {
    "arn:aws:kinesis:us-east-1:123456789012:stream/quotes".parse().expect("an arn")
}

fn stream(canned: &Canned, clock: &WaitedClock) -> KinesisStream<WaitedClock> {
    KinesisStream::new(Client::new(&canned.config()), arn(), clock.clone(), 7)
}

fn record(key: &str, bytes: usize) -> NewRecord {
    NewRecord { partition_key: key.into(), data: vec![b'x'; bytes] }
}

fn records<const N: usize>(keys: [&str; N]) -> Vec<NewRecord> {
    keys.iter().map(|key| record(key, 3)).collect()
}

/// An answer of one entry a record: taken where its code is empty.
fn told(codes: &[&str]) -> Answer {
    let entry = |code: &&str| match *code {
        "" => json!({ "SequenceNumber": "4965", "ShardId": "shardId-000000000000" }),
        code => json!({ "ErrorCode": code, "ErrorMessage": "in a test" }),
    };
    let failed = codes.iter().filter(|code| !code.is_empty()).count();
    let entries: Vec<Value> = codes.iter().map(entry).collect();
    Answer::Said(200, json!({ "FailedRecordCount": failed, "Records": entries }))
}

fn all_taken(records: usize) -> Answer {
    told(&vec![""; records])
}

fn kinds(outcomes: &[Result<()>]) -> Vec<Option<Kind>> {
    outcomes.iter().map(|outcome| outcome.as_ref().err().map(|error| error.kind)).collect()
}

/// Of each call, the keys put.
fn keys(canned: &Canned) -> Vec<Vec<String>> {
    let key = |entry: &Value| entry["PartitionKey"].as_str().expect("a key").to_owned();
    let entries = |asked: &Value| asked["Records"].as_array().expect("records").iter().map(key).collect();
    canned.asked().iter().map(entries).collect()
}

fn ms_since(clock: &WaitedClock, start: Timestamp) -> i64 {
    clock.now().ms_since(start)
}

#[tokio::test]
async fn of_a_half_failed_answer_only_what_failed_is_put_again_and_the_order_of_outcomes_stays() {
    let clock = WaitedClock::new();
    let canned = Canned::new([
        told(&["", SLOW, "", "InternalFailure", SLOW]),
        told(&["InternalFailure", "", SLOW]),
        told(&["", ""]),
    ]);
    let outcomes = stream(&canned, &clock).append(&records(["a", "b", "c", "d", "e"])).await.expect("append");
    assert_eq!(kinds(&outcomes), [None; 5]);
    assert_eq!(keys(&canned), [vec!["a", "b", "c", "d", "e"], vec!["b", "d", "e"], vec!["b", "e"]]);
    assert_eq!(canned.asked()[0]["StreamARN"], arn().as_str());
}

#[tokio::test]
async fn what_fails_to_the_end_is_told_by_its_last_failure_and_the_others_as_taken() {
    let clock = WaitedClock::new();
    let again = |codes: &[&str]| told(codes);
    let canned = Canned::new([
        told(&[SLOW, "", "InternalFailure", ""]),
        again(&[SLOW, "InternalFailure"]),
        again(&[SLOW, SLOW]),
        again(&["InternalFailure", SLOW]),
        again(&[SLOW, "InternalFailure"]),
    ]);
    let outcomes = stream(&canned, &clock).append(&records(["a", "b", "c", "d"])).await.expect("append");
    assert_eq!(kinds(&outcomes), [Some(Kind::Throttled), None, Some(Kind::Unavailable), None]);
    assert_eq!((canned.asked().len(), canned.left()), (5, 0), "bounded");
    let why = outcomes[0].as_ref().expect_err("throttled").chain();
    assert_eq!(why, format!("append record: {SLOW}: in a test"));
}

#[tokio::test]
async fn before_each_try_it_waits_twice_as_long_between_half_of_it_and_all() {
    let mut waited = Vec::new();
    for seed in 0..20 {
        let (clock, canned) = (WaitedClock::new(), Canned::new((0..5).map(|_| told(&[SLOW]))));
        let client = Client::new(&canned.config());
        let start = clock.now();
        KinesisStream::new(client, arn(), clock.clone(), seed).append(&records(["a"])).await.expect("append");
        waited.push(ms_since(&clock, start));
    }
    let most = 200 + 400 + 800 + 1_600;
    assert!(waited.iter().all(|ms| (most / 2..=most).contains(ms)), "{waited:?}");
    waited.sort_unstable();
    waited.dedup();
    assert!(waited.len() > 15, "writers with other seeds wait other times: {waited:?}");
}

#[tokio::test]
async fn a_call_has_500_records_and_five_megabytes_at_most() {
    let clock = WaitedClock::new();
    let canned = Canned::new([500, 500, 5, 4, 1].map(all_taken));
    let mut many: Vec<_> = (0..1_000).map(|_| record("k", 1)).collect();
    // Five megabytes with their keys, and a byte more.
    many.extend((0..5).map(|_| record("k", 999_999)));
    many.push(record("k", 1_000_000));
    many.extend((0..4).map(|_| record("k", 999_999)));
    let outcomes = stream(&canned, &clock).append(&many).await.expect("append");
    assert_eq!((outcomes.len(), kinds(&outcomes).iter().flatten().count()), (1_010, 0));
    assert_eq!(keys(&canned).iter().map(Vec::len).collect::<Vec<_>>(), [500, 500, 5, 4, 1]);
}

#[tokio::test]
async fn what_kinesis_would_not_take_is_rejected_without_a_call_and_the_others_are_put() {
    let (clock, canned) = (WaitedClock::new(), Canned::new([all_taken(3)]));
    let (long, longer) = ("é".repeat(256), "é".repeat(257));
    let records = [
        record("k", MAX_RECORD_BYTES),
        record("k", MAX_RECORD_BYTES - 1),
        record("", 1),
        record(&longer, 1),
        record(&long, 1),
        record("k", 0),
    ];
    let stream = stream(&canned, &clock);
    let outcomes = stream.append(&records).await.expect("append");
    let no = Some(Kind::Rejected);
    assert_eq!(kinds(&outcomes), [no, None, no, no, None, None]);
    assert_eq!(keys(&canned), [["k", &long, "k"]]);
    assert_eq!(kinds(&stream.append(&records[..1]).await.expect("append")), [no], "without a call");
    assert!(stream.append(&[]).await.expect("append nothing").is_empty());
}

#[tokio::test]
async fn a_call_that_failed_whole_is_told_for_each_of_its_records_and_the_other_calls_are_made() {
    let failures = [
        (Answer::refusal(400, SLOW), Kind::Throttled),
        (Answer::refusal(400, "AccessDeniedException"), Kind::Denied),
        (Answer::refusal(400, "KMSNotFoundException"), Kind::Denied),
        (Answer::refusal(400, "ValidationException"), Kind::Rejected),
        (Answer::refusal(500, "InternalFailure"), Kind::Unavailable),
        (Answer::Said(503, Value::Null), Kind::Unavailable),
        (Answer::Lost, Kind::Unavailable),
    ];
    for (failure, kind) in failures {
        let (clock, canned) = (WaitedClock::new(), Canned::new([failure, all_taken(2)]));
        let many: Vec<_> = (0..502).map(|_| record("k", 1)).collect();
        let start = clock.now();
        let outcomes = stream(&canned, &clock).append(&many).await.expect("append");
        assert_eq!(kinds(&outcomes), [vec![Some(kind); 500], vec![None; 2]].concat());
        assert_eq!(ms_since(&clock, start), 0, "the client did its tries before");
    }
}

#[tokio::test]
async fn the_client_tries_a_lost_call_again_and_a_half_failed_answer_is_ours() {
    let (clock, canned) = (WaitedClock::new(), Canned::new([Answer::Lost, told(&["", SLOW]), all_taken(1)]));
    let tries = RetryConfig::standard().with_initial_backoff(std::time::Duration::from_millis(1));
    let client = Client::new(&canned.config_trying(tries));
    let stream = KinesisStream::new(client, arn(), clock.clone(), 7);
    assert_eq!(kinds(&stream.append(&records(["a", "b"])).await.expect("append")), [None, None]);
    assert_eq!(keys(&canned), [vec!["a", "b"], vec!["a", "b"], vec!["b"]]);
}

#[tokio::test]
async fn an_unknown_stream_is_denied_and_the_message_says_what_to_look_at() {
    let (clock, canned) = (WaitedClock::new(), Canned::new([Answer::refusal(400, "ResourceNotFoundException")]));
    let outcomes = stream(&canned, &clock).append(&records(["a"])).await.expect("each is told");
    let error = outcomes[0].as_ref().expect_err("refused");
    assert_eq!(error.kind, Kind::Denied, "nothing is to be dropped");
    assert!(error.chain().contains("`quotes`") && error.chain().contains("outputs"), "{}", error.chain());
}

#[tokio::test]
async fn an_answer_that_tells_of_fewer_records_leaves_the_others_unknown_and_puts_them_again() {
    let (clock, canned) = (WaitedClock::new(), Canned::new([told(&["", ""]), all_taken(1)]));
    let outcomes = stream(&canned, &clock).append(&records(["a", "b", "c"])).await.expect("append");
    assert_eq!(kinds(&outcomes), [None; 3]);
    assert_eq!(keys(&canned)[1], ["c"]);
}

#[tokio::test]
async fn live_collection_is_not_paced_and_replay_takes_half_of_a_shards_rate() {
    let megabyte = || (0..20).map(|n| record(&format!("{n:02}"), 49_998)).collect::<Vec<_>>();
    let (clock, canned) = (WaitedClock::new(), Canned::new([all_taken(20)]));
    let start = clock.now();
    stream(&canned, &clock).append(&megabyte()).await.expect("append");
    assert_eq!(ms_since(&clock, start), 0);

    let canned = Canned::new((0..20).map(|_| all_taken(2)));
    let paced = stream(&canned, &clock).paced(WriteShare::new(1, 1));
    let outcomes = paced.append(&[megabyte(), megabyte()].concat()).await.expect("append");
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(keys(&canned).iter().map(Vec::len).collect::<Vec<_>>(), vec![2; 20], "a quarter of a second's each");
    assert_eq!(ms_since(&clock, start), 19 * 200, "two megabytes in four seconds, the last of them not waited for");
}

#[tokio::test]
async fn replay_halves_its_pace_on_a_throttled_answer_and_live_collection_does_not_wait_longer() {
    let answers = || [told(&["", SLOW]), all_taken(1), all_taken(2), all_taken(2)];
    let two = || vec![record("a", 49_999), record("b", 49_999)];
    let (clock, canned) = (WaitedClock::new(), Canned::new(answers()));
    let paced = stream(&canned, &clock).paced(WriteShare::new(1, 1));
    let mut sent_at = Vec::new();
    for _ in 0..3 {
        paced.append(&two()).await.expect("append");
        sent_at.push(clock.now());
    }
    assert_eq!(sent_at[1].ms_since(sent_at[0]), 200, "50 kB at half the pace");
    assert_eq!(sent_at[2].ms_since(sent_at[1]), 400, "100 kB at half the pace");

    let (clock, canned) = (WaitedClock::new(), Canned::new(answers()));
    let live = stream(&canned, &clock);
    live.append(&two()).await.expect("append");
    let start = clock.now();
    live.append(&two()).await.expect("append");
    live.append(&two()).await.expect("append");
    assert_eq!(ms_since(&clock, start), 0);
}
