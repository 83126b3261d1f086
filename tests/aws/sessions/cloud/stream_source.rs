//! The event source of the stream: batches of a shard to `land`, in order, each again until it is done.
//!
//! As the template has it: a batch after the batching window, counted from its first record's arrival; an answer that names a
//! record is read again from there; an error halves the batch. Giving up after six hours is not played here, but in
//! `event_source`, by the same rules.

use std::rc::Rc;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use aws_smithy_types::base64;
use mendlake_ports::clock::Clock;
use serde_json::{Value, json};

use super::function::{Ended, Stage, invoke};
use super::world::World;

/// The template's batch size.
pub(super) const BATCH: usize = 2_000;

/// The longest wait between two tries: it doubles from a second.
const LONGEST_WAIT_MS: i64 = 60_000;

/// What an event source may get wrong, to see that it is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum StreamFlaw {
    /// Nothing.
    #[default]
    None,
    /// It goes on after a batch that failed.
    GoesOn,
}

/// Delivers one shard for ever.
pub(crate) async fn run(world: Rc<World>, shard: String, flaw: StreamFlaw) {
    let client = Client::new(world.wire.aws("event-source").config());
    let mut news = world.proxy.seen().news();
    let (mut checkpoint, mut most, mut failed) = (String::new(), BATCH, 0_u32);
    loop {
        let Some(first) = world.proxy.seen().next_arrival(&shard, &checkpoint) else {
            news.changed().await.expect("the proxy lives as long as this");
            continue;
        };
        world.clock.sleep_until(first.plus_ms(world.config.settings.landing_window_ms)).await;
        let records = read(&world, &client, &shard, &checkpoint, most).await;
        let ended = invoke(&world, Stage::Land, event(&world, &shard, &records)).await;
        let done = if flaw == StreamFlaw::GoesOn { records.len() } else { done(&records, &ended) };
        if let Some(last) = done.checked_sub(1) {
            // A batch that was read from an earlier place may end before the checkpoint.
            checkpoint = checkpoint.max(records[last].sequence_number().to_owned());
        }
        if done == records.len() {
            (most, failed) = (BATCH, 0);
            continue;
        }
        if !matches!(ended, Ended::Answered(_)) {
            most = (records.len() / 2).max(1);
        }
        let wait_ms = (1_000 << failed.min(10)).min(LONGEST_WAIT_MS);
        failed += 1;
        world.clock.sleep_until(world.clock.now().plus_ms(wait_ms)).await;
    }
}

/// The records after the checkpoint.
async fn read(world: &World, client: &Client, shard: &str, checkpoint: &str, most: usize) -> Vec<Record> {
    let from = client.get_shard_iterator().stream_arn(world.config.stream.as_str()).shard_id(shard);
    let from = match checkpoint {
        "" => from.shard_iterator_type(ShardIteratorType::TrimHorizon),
        after => from.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(after),
    };
    let from = from.send().await.expect("a place in the shard");
    let most = i32::try_from(most).expect("a batch is small");
    let read = client.get_records().shard_iterator(from.shard_iterator().expect("an iterator")).limit(most);
    read.send().await.expect("the event source reads").records
}

/// How many records are done, from the first on.
fn done(records: &[Record], ended: &Ended) -> usize {
    let Ended::Answered(failures) = ended else { return 0 };
    let place = |name: &String| records.iter().position(|record| record.sequence_number() == name);
    // A name that is none of the batch's fails all of it.
    failures.iter().map(|name| place(name).unwrap_or(0)).min().unwrap_or(records.len())
}

fn event(world: &World, shard: &str, records: &[Record]) -> Value {
    let told = |record: &Record| {
        let sequence = record.sequence_number();
        let arrived_at = world.proxy.seen().arrived_at(shard, sequence).expect("it came through the proxy");
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record.partition_key(),
                "sequenceNumber": sequence,
                "data": base64::encode(record.data()),
                "approximateArrivalTimestamp": arrived_at.epoch_ms() as f64 / 1_000.0,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("{shard}:{sequence}"),
            "eventName": "aws:kinesis:record",
            "awsRegion": "us-east-1",
            "eventSourceARN": world.config.stream.as_str(),
        })
    };
    json!({ "Records": records.iter().map(told).collect::<Vec<_>>() })
}
