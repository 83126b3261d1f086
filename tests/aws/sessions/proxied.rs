//! Each kind of fault, as the SDK's real clients meet it, and what the adapters make of it.

use aws_sdk_kinesis::types::ShardIteratorType;
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use mendlake_adapters::aws::secrets::{SecretPlace, SecretsManager};
use mendlake_aws_tests::StandIns;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::budget::{Budget, Reservation};
use mendlake_ports::clock::Clock;
use mendlake_ports::control::{Appended, Control, Log};
use mendlake_ports::error::{Kind, Result};
use mendlake_ports::place::Place;
use mendlake_ports::queue::{Message, Queue};
use mendlake_ports::secrets::Secrets;
use mendlake_ports::set_aside::{Rejected, SetAside};
use mendlake_ports::source::QuoteSource;
use mendlake_ports::stream::{NewRecord, Stream};

use crate::Case;
use crate::bench::{Bench, epoch};
use crate::cloud::resources::SHARD;
use crate::proxy::Service::{DynamoDb, Kinesis, S3, Secrets as SecretsService, Sqs};
use crate::proxy::{Due, Fault, Service, What};

pub(crate) const CASES: &[(&str, Case)] = &[
    ("a_service_that_throttles_or_fails_is_told_by_its_kind", Case::Standing(told_by_its_kind)),
    ("what_fails_once_is_tried_again_and_done_once", Case::Standing(tried_again)),
    ("of_a_half_failed_batch_records_are_put_again_and_messages_told", Case::Standing(half_failed)),
    ("a_write_whose_answer_was_lost_is_known_again_or_there_twice", Case::Standing(answer_lost)),
    ("slowness_is_waited_for_in_virtual_time_and_given_up_in_the_end", Case::Standing(slow)),
    ("a_message_that_was_deleted_comes_again", Case::Standing(redelivered)),
    ("a_record_that_was_read_is_read_again", Case::Standing(read_again)),
    ("a_function_is_killed_in_the_middle_of_a_call", Case::Standing(killed)),
    ("a_delay_is_the_virtual_clocks_and_an_arrival_too", Case::Standing(virtual_times)),
];

/// A call of each service.
const CALLS: [(Service, &str); 5] = [
    (DynamoDb, "PutItem"),
    (Kinesis, "PutRecords"),
    (Sqs, "SendMessageBatch"),
    (S3, "PutObject"),
    (SecretsService, "GetSecretValue"),
];

fn told_by_its_kind(standins: &StandIns) {
    Bench::run(standins, async |bench| {
        for (what, kind) in [
            (What::Throttled, Kind::Throttled),
            (What::Down(500), Kind::Unavailable),
            (What::Down(503), Kind::Unavailable),
            (What::Reset, Kind::Unavailable),
        ] {
            for (service, operation) in CALLS {
                bench.fails([Fault::on(service, operation, what)]);
                let error = call(&bench, service).await.expect_err("it fails to the end");
                assert_eq!(error.kind, kind, "{operation} {what:?}: {}", error.chain());
                // Messages are never tried twice: whoever sends them decides.
                let tries = if service == Sqs { 1 } else { 3 };
                assert_eq!(bench.hits(), tries, "{operation} {what:?}");
            }
        }
        bench.fails([]);
        assert_eq!(bench.world.proxy.seen().arrivals().len(), 0, "nothing was done");
        assert_eq!(bench.world.proxy.seen().take_due(&bench.world.config.live_queue_url), []);
        assert!(bench.place.lake().quarantined().await.expect("a list").is_empty());
        assert_eq!(reserve(&bench).await.expect("reserved"), Reservation::Reserved);
    });
}

fn tried_again(standins: &StandIns) {
    Bench::run(standins, async |bench| {
        for what in [What::Throttled, What::Down(500), What::Reset] {
            for (service, operation) in CALLS.into_iter().filter(|(service, _)| *service != Sqs) {
                bench.fails([Fault::on(service, operation, what).most(2)]);
                call(&bench, service).await.unwrap_or_else(|error| panic!("{operation} {what:?}: {}", error.chain()));
                assert_eq!(bench.hits(), 2, "{operation} {what:?}");
            }
        }
        assert_eq!(bench.world.proxy.seen().arrivals().len(), 3, "each record once");
    });
}

fn half_failed(standins: &StandIns) {
    Bench::run(standins, async |bench| {
        bench.fails([Fault::on(Kinesis, "PutRecords", What::HalfFailed)]);
        let records: Vec<NewRecord> = ["a", "b", "c", "d"].map(record).into();
        let outcomes = bench.place.stream().append(&records).await.expect("each is told");
        assert!(outcomes.iter().all(|outcome| outcome.is_ok()), "{outcomes:?}");
        let mut arrived: Vec<_> = bench.world.proxy.seen().arrivals().into_iter().map(|arrival| arrival.data).collect();
        arrived.sort();
        assert_eq!(arrived, [b"a", b"b", b"c", b"d"], "those that failed are put again, the others are not");
        bench.fails([Fault::on(Sqs, "SendMessageBatch", What::HalfFailed)]);
        let sent = bench.place.live_queue().send(&["x", "y", "z"].map(message)).await.expect("each is told");
        let kinds: Vec<_> = sent.iter().map(|outcome| outcome.as_ref().err().map(|error| error.kind)).collect();
        assert_eq!(kinds, [Some(Kind::Unavailable), None, Some(Kind::Unavailable)]);
        assert_eq!(bench.world.proxy.seen().take_due(&bench.world.config.live_queue_url).len(), 1);
    });
}

fn answer_lost(standins: &StandIns) {
    Bench::run(standins, async |bench| {
        let lost = |service, operation| Fault::on(service, operation, What::AnswerLost);
        bench.fails([lost(DynamoDb, "PutItem").most(1)]);
        assert_eq!(reserve(&bench).await.expect("known again"), Reservation::Reserved);
        assert_eq!(reserve(&bench).await.expect("asked anew"), Reservation::AlreadyReserved);
        bench.fails([lost(S3, "PutObject").most(1)]);
        call(&bench, S3).await.expect("it is there: that is what was wanted");
        bench.fails([lost(S3, "PutObject")]);
        let entry = bench.place.lake().append(Log::Overlay, 1, b"{}").await.expect_err("nobody knows whose it is");
        assert_eq!((entry.kind, bench.hits()), (Kind::Unavailable, 1), "not tried again");
        bench.fails([]);
        let taken = bench.place.lake().append(Log::Overlay, 1, b"{ }").await.expect("an answer");
        assert_eq!(taken, Appended::Taken, "it was written");
        bench.fails([lost(Kinesis, "PutRecords").most(1)]);
        call(&bench, Kinesis).await.expect("put again");
        assert_eq!(bench.world.proxy.seen().arrivals().len(), 2, "at least once: the view has one row of both");
        bench.fails([lost(Sqs, "SendMessageBatch")]);
        let unknown = bench.place.live_queue().send(&[message("x")]).await.expect_err("nothing is known");
        assert_eq!((unknown.kind, bench.hits()), (Kind::Unavailable, 1), "not sent again");
        assert_eq!(bench.world.proxy.seen().take_due(&bench.world.config.live_queue_url).len(), 1, "it was sent");
    });
}

fn slow(standins: &StandIns) {
    Bench::run(standins, async |bench| {
        let clock = &bench.world.clock;
        bench.fails([Fault::on(Kinesis, "PutRecords", What::Slow(4_000))]);
        let begun = clock.now();
        call(&bench, Kinesis).await.expect("it is waited for");
        assert_eq!((clock.now().ms_since(begun), bench.hits()), (4_000, 1));
        // Longer than one try may take: the second meets what the first did.
        bench.fails([Fault::on(DynamoDb, "PutItem", What::Slow(12_000)).most(1)]);
        let begun = clock.now();
        assert_eq!(reserve(&bench).await.expect("known again"), Reservation::Reserved);
        assert!((10_000..12_000).contains(&clock.now().ms_since(begun)), "{}", clock.now().ms_since(begun));
        // Longer than the call may take.
        bench.fails([Fault::on(S3, "PutObject", What::Slow(12_000))]);
        let begun = clock.now();
        let error = call(&bench, S3).await.expect_err("given up");
        assert_eq!((error.kind, clock.now().ms_since(begun)), (Kind::Unavailable, 25_000), "{}", error.chain());
    });
}

fn redelivered(standins: &StandIns) {
    Bench::run(standins, async |bench| {
        let (world, url) = (&bench.world, &bench.world.config.live_queue_url);
        let sqs = aws_sdk_sqs::Client::new(world.wire.aws("event-source").config());
        bench.place.live_queue().send(&[message("x")]).await.expect("sent");
        assert_eq!(world.proxy.seen().take_due(url).len(), 1);
        let receive = async || sqs.receive_message().queue_url(url).send().await.expect("received").messages;
        let first = receive().await.expect("a message").remove(0);
        assert!(receive().await.is_none_or(|none| none.is_empty()), "in flight");
        bench.fails([Fault::on(Sqs, "DeleteMessageBatch", What::Redelivered(2_000)).most(1)]);
        let receipt = first.receipt_handle().expect("a receipt");
        let delete = async || {
            let entry = DeleteMessageBatchRequestEntry::builder().id("0").receipt_handle(receipt).build();
            let deleted = sqs.delete_message_batch().queue_url(url).entries(entry.expect("an entry"));
            deleted.send().await.expect("an answer").successful.len()
        };
        assert_eq!(delete().await, 1, "it says so");
        let back = (world.clock.now().plus_ms(2_000), Due::Back(receipt.to_owned()));
        assert_eq!(world.proxy.seen().take_due(url), [back], "and it comes again");
        assert_eq!(delete().await, 1, "it was still there");
    });
}

fn read_again(standins: &StandIns) {
    Bench::run(standins, async |bench| {
        let (world, stream) = (&bench.world, bench.place.stream());
        let kinesis = aws_sdk_kinesis::Client::new(world.wire.aws("event-source").config());
        let from = kinesis.get_shard_iterator().stream_arn(world.config.stream.as_str()).shard_id(SHARD);
        let from = from.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.expect("a place");
        let read = async |from: &str| {
            let read = kinesis.get_records().shard_iterator(from).send().await.expect("records");
            let texts = read.records().iter().map(|record| record.data().as_ref().to_vec()).collect::<Vec<_>>();
            (texts, read.next_shard_iterator.expect("the shard is open"))
        };
        stream.append(&[record("a")]).await.expect("told")[0].as_ref().expect("put");
        let (first, next) = read(from.shard_iterator().expect("an iterator")).await;
        stream.append(&[record("b")]).await.expect("told")[0].as_ref().expect("put");
        bench.fails([Fault::on(Kinesis, "GetRecords", What::Redelivered(0)).most(1)]);
        let (again, _) = read(&next).await;
        let (then, _) = read(&next).await;
        assert_eq!((first, again, then), (texts(&["a"]), texts(&["a", "b"]), texts(&["b"])));
    });
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn killed(standins: &StandIns) {
    Bench::run(standins, async |bench| {
        for (what, arrived) in [(What::KilledBefore, 0), (What::KilledAfter, 1)] {
            bench.fails([Fault::on(Kinesis, "PutRecords", what).of("tester").most(1)]);
            let death = bench.world.proxy.seen().death_of("tester-1");
            tokio::select! {
                biased;
                _ = call(&bench, Kinesis) => panic!("the call of the dead returns"),
                death = death => death.expect("it is told"),
            }
            assert_eq!(bench.world.proxy.seen().arrivals().len(), arrived, "{what:?}");
        }
        bench.fails([]);
        call(&bench, Kinesis).await.expect("another call is answered");
    });
}

fn virtual_times(standins: &StandIns) {
    Bench::run(standins, async |bench| {
        let clock = &bench.world.clock;
        clock.sleep_until(epoch().plus_ms(90_500)).await;
        let visible_at = epoch().plus_ms(100_000);
        bench.place.replay_queue().send(&[Message { body: "x".into(), visible_at }]).await.expect("sent");
        let due = bench.world.proxy.seen().take_due(&bench.world.config.replay_queue_url);
        let instants: Vec<Timestamp> = due.into_iter().map(|(at, _)| at).collect();
        assert_eq!(instants, [epoch().plus_ms(100_500)], "whole seconds, rounded up");
        call(&bench, Kinesis).await.expect("put");
        assert_eq!(bench.world.proxy.seen().arrivals()[0].at, epoch().plus_ms(90_500));
        assert_eq!(clock.now(), epoch().plus_ms(90_500), "it stood still meanwhile");
    });
}

/// Makes a call of a service, through the adapter that does in real use.
async fn call(bench: &Bench, service: Service) -> Result<()> {
    let place = &bench.place;
    match service {
        DynamoDb => reserve(bench).await.map(drop),
        Kinesis => place.stream().append(&[record("x")]).await?.remove(0),
        Sqs => place.live_queue().send(&[message("x")]).await?.remove(0),
        S3 => {
            let (at, origin, id) = (epoch(), "tests".to_owned(), bench.world.clock.now().to_string());
            let rejected = Rejected { at, origin, id, reason: "none".to_owned(), input: b"x".to_vec() };
            place.lake().quarantine(&rejected).await
        }
        SecretsService => {
            let client = aws_sdk_secretsmanager::Client::new(bench.world.wire.aws("tester-1").config());
            let kept = ("finnhub".to_owned(), SecretPlace::Kept("finnhub".to_owned()));
            let secrets = SecretsManager::new(client, bench.world.clock.clone(), [kept]);
            secrets.secret("finnhub", true).await.map(drop)
        }
    }
}

/// Reserves the calls of a minute.
async fn reserve(bench: &Bench) -> Result<Reservation> {
    let minute = epoch().minute() + 1;
    bench.place.ledger().reserve_live(bench.place.quotes().name(), minute, 4).await
}

fn record(text: &str) -> NewRecord {
    NewRecord { partition_key: "k".to_owned(), data: text.as_bytes().to_vec() }
}

fn message(text: &str) -> Message {
    Message { body: text.to_owned(), visible_at: epoch() }
}
