//! The contract of [`Stream`] and [`StreamConsumer`].

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::{Fresh, TestClock};
use crate::error::Kind;
use crate::stream::{MAX_RECORD_BYTES, NewRecord, Stream, StreamConsumer, StreamRecord};

/// Every check. Nobody else moves the stream's checkpoints; a record is dropped no earlier than `retention_ms` after it
/// arrived.
pub async fn all(stream: &(impl Stream + StreamConsumer), clock: &impl TestClock, retention_ms: i64, fresh: Fresh) {
    in_seconds(stream, clock, fresh).await;
    of_one_machine(stream, clock, retention_ms, fresh).await;
}

/// What any stream keeps, in checks of some seconds: also for a stream whose time is the world's.
pub async fn in_seconds(stream: &(impl Stream + StreamConsumer), clock: &impl TestClock, fresh: Fresh) {
    an_accepted_record_is_read_whole(stream, fresh).await;
    each_record_has_its_own_answer_in_order(stream, fresh).await;
    records_of_one_key_keep_to_one_shard_and_their_order(stream, fresh).await;
    keys_spread_over_the_shards(stream, fresh).await;
    the_same_is_read_until_the_checkpoint_moves(stream, fresh).await;
    no_more_are_read_than_asked_for_and_at_least_one(stream, fresh).await;
    sequences_of_a_shard_rise(stream, clock, fresh).await;
    arrival_times_never_fall_along_a_shard(stream, clock, fresh).await;
}

/// What the reading end on one machine promises of its checkpoints. On AWS they are the event source mapping's, and
/// records go when the retention is over, read or not.
pub async fn of_one_machine(
    stream: &(impl Stream + StreamConsumer),
    clock: &impl TestClock,
    retention_ms: i64,
    fresh: Fresh,
) {
    a_checkpoint_never_moves_backwards(stream, fresh).await;
    a_checkpoint_where_no_record_is_is_rejected(stream, fresh).await;
    what_is_after_the_checkpoint_is_kept_past_the_retention(stream, clock, retention_ms, fresh).await;
}

/// An accepted record is read, whole, with its key, whatever its bytes are.
pub async fn an_accepted_record_is_read_whole(stream: &(impl Stream + StreamConsumer), fresh: Fresh) {
    let prefix = fresh.text("whole");
    drain(stream, &prefix).await;
    let bytes: Vec<u8> = (0..=255).collect();
    let sent = [(format!("{prefix}a"), bytes), (format!("{prefix}b"), vec![]), (format!("{prefix}€"), vec![0; 3])];
    append(stream, &sent).await;
    let mut read: Vec<_> = drain(stream, &prefix).await.into_iter().map(|r| (r.partition_key, r.data)).collect();
    read.sort();
    assert_eq!(read, sent);
}

/// The answer has, for each record in order, whether it was accepted; one over the limit is `Rejected`, the others are
/// not affected, one at the limit is accepted.
pub async fn each_record_has_its_own_answer_in_order(stream: &(impl Stream + StreamConsumer), fresh: Fresh) {
    let prefix = fresh.text("answers");
    drain(stream, &prefix).await;
    let record = |bytes: usize| NewRecord { partition_key: prefix.clone(), data: vec![b'x'; bytes] };
    let largest = MAX_RECORD_BYTES - prefix.len();
    let records = [record(1), record(largest + 1), record(2), record(largest)];
    let outcomes = stream.append(&records).await.expect("append");
    let kinds: Vec<_> = outcomes.iter().map(|o| o.as_ref().err().map(|e| e.kind)).collect();
    assert_eq!(kinds, [None, Some(Kind::Rejected), None, None]);
    let lengths: Vec<_> = drain(stream, &prefix).await.iter().map(|r| r.data.len()).collect();
    assert_eq!(lengths, [1, 2, largest]);
    assert!(stream.append(&[]).await.expect("append nothing").is_empty());
}

/// Records of one key keep to one shard, and are read there in the order of their appends.
pub async fn records_of_one_key_keep_to_one_shard_and_their_order(
    stream: &(impl Stream + StreamConsumer),
    fresh: Fresh,
) {
    let prefix = fresh.text("keys");
    drain(stream, &prefix).await;
    for n in 0..3_u8 {
        append(stream, &[(format!("{prefix}a"), vec![n]), (format!("{prefix}b"), vec![n])]).await;
    }
    let mut shards: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut data: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (shard, records) in drain_by_shard(stream, &prefix).await {
        for record in records {
            shards.entry(record.partition_key.clone()).or_default().insert(shard.clone());
            data.entry(record.partition_key).or_default().extend(record.data);
        }
    }
    assert!(shards.len() == 2 && shards.values().all(|shards| shards.len() == 1), "{shards:?}");
    assert!(data.values().all(|data| data == &[0, 1, 2]), "{data:?}");
}

/// Partition keys spread records over the shards there are.
pub async fn keys_spread_over_the_shards(stream: &(impl Stream + StreamConsumer), fresh: Fresh) {
    let prefix = fresh.text("spread");
    drain(stream, &prefix).await;
    let shards = stream.shards().await.expect("shards");
    assert!(!shards.is_empty() && shards.iter().collect::<BTreeSet<_>>().len() == shards.len(), "{shards:?}");
    let sent: Vec<_> = (0..shards.len() * 50).map(|n| (format!("{prefix}{n}"), vec![])).collect();
    append(stream, &sent).await;
    let read = drain_by_shard(stream, &prefix).await;
    assert_eq!(read.len(), shards.len(), "fifty keys a shard leave none empty");
    assert_eq!(read.values().map(Vec::len).sum::<usize>(), sent.len());
}

/// `read` gives the records after the checkpoint in order, and the same again until the checkpoint moves.
pub async fn the_same_is_read_until_the_checkpoint_moves(stream: &(impl Stream + StreamConsumer), fresh: Fresh) {
    let prefix = fresh.text("again");
    let shard = three_in_one_shard(stream, &prefix).await;
    let first = stream.read(&shard, 10).await.expect("read");
    assert_eq!(data(&first.records), [[0], [1], [2]]);
    assert_eq!(stream.read(&shard, 10).await.expect("read"), first);
    assert!(first.shard == shard && !first.stream_id.is_empty());
    stream.checkpoint(&shard, &first.records[0].sequence).await.expect("checkpoint");
    let rest = stream.read(&shard, 10).await.expect("read");
    assert_eq!(rest.records, first.records[1..]);
    assert_eq!(rest.stream_id, first.stream_id, "a stream keeps its id");
    drain(stream, &prefix).await;
    assert_eq!(stream.read(&shard, 10).await.expect("read").records, []);
}

/// Up to `max` records are read, at least one where there is any.
pub async fn no_more_are_read_than_asked_for_and_at_least_one(stream: &(impl Stream + StreamConsumer), fresh: Fresh) {
    let prefix = fresh.text("max");
    let shard = three_in_one_shard(stream, &prefix).await;
    assert_eq!(data(&stream.read(&shard, 1).await.expect("read").records), [[0]]);
    assert_eq!(data(&stream.read(&shard, 2).await.expect("read").records)[0], [0]);
    assert!(stream.read(&shard, 2).await.expect("read").records.len() <= 2);
    drain(stream, &prefix).await;
}

/// Sequences of one shard rise, as numbers: a later append has a later sequence.
pub async fn sequences_of_a_shard_rise(stream: &(impl Stream + StreamConsumer), clock: &impl TestClock, fresh: Fresh) {
    let prefix = fresh.text("sequences");
    drain(stream, &prefix).await;
    for n in 0..24_u8 {
        append(stream, &[(prefix.clone(), vec![n]), (prefix.clone(), vec![n])]).await;
        clock.advance_ms(10).await;
    }
    let records = drain(stream, &prefix).await;
    assert_eq!(records.len(), 48);
    for pair in records.windows(2) {
        let (earlier, later) = (&pair[0].sequence, &pair[1].sequence);
        assert_eq!(by_number(earlier, later), Ordering::Less, "{earlier} before {later}");
    }
}

/// `arrived_at` never falls along one shard, and is no earlier than the append before.
pub async fn arrival_times_never_fall_along_a_shard(
    stream: &(impl Stream + StreamConsumer),
    clock: &impl TestClock,
    fresh: Fresh,
) {
    let prefix = fresh.text("arrivals");
    drain(stream, &prefix).await;
    for n in 0..10_u8 {
        append(stream, &[(prefix.clone(), vec![n])]).await;
        clock.advance_ms(i64::from(n % 3) * 1_000).await;
    }
    let arrivals: Vec<_> = drain(stream, &prefix).await.iter().map(|r| r.arrived_at).collect();
    assert!(arrivals.is_sorted(), "{arrivals:?}");
    assert!(arrivals[9] > arrivals[0], "ten appends over nine seconds arrive at more than one time: {arrivals:?}");
}

/// A checkpoint never moves backwards: what was checkpointed is not read again.
pub async fn a_checkpoint_never_moves_backwards(stream: &(impl Stream + StreamConsumer), fresh: Fresh) {
    let prefix = fresh.text("backwards");
    let shard = three_in_one_shard(stream, &prefix).await;
    let records = stream.read(&shard, 10).await.expect("read").records;
    stream.checkpoint(&shard, &records[1].sequence).await.expect("checkpoint");
    stream.checkpoint(&shard, &records[0].sequence).await.expect("checkpoint");
    assert_eq!(stream.read(&shard, 10).await.expect("read").records, records[2..]);
    drain(stream, &prefix).await;
}

/// A checkpoint past every record, of no number or of no shard is `Rejected`: taken, it would skip what is yet to come.
pub async fn a_checkpoint_where_no_record_is_is_rejected(stream: &(impl Stream + StreamConsumer), fresh: Fresh) {
    let prefix = fresh.text("nowhere");
    let shard = three_in_one_shard(stream, &prefix).await;
    let last = stream.read(&shard, 10).await.expect("read").records.pop().expect("three records").sequence;
    for (shard, sequence) in [(&*shard, &*format!("{last}9")), (&*shard, "x"), (&*shard, ""), ("no shard", &*last)] {
        let refused = stream.checkpoint(shard, sequence).await.expect_err("refused");
        assert_eq!(refused.kind, Kind::Rejected, "`{shard}` `{sequence}`");
    }
    assert_eq!(stream.read("no shard", 1).await.expect_err("refused").kind, Kind::Rejected);
    assert_eq!(drain(stream, &prefix).await.len(), 3);
}

/// Records are dropped only once they are both older than the retention and before the checkpoint.
pub async fn what_is_after_the_checkpoint_is_kept_past_the_retention(
    stream: &(impl Stream + StreamConsumer),
    clock: &impl TestClock,
    retention_ms: i64,
    fresh: Fresh,
) {
    let prefix = fresh.text("retention");
    let shard = three_in_one_shard(stream, &prefix).await;
    let records = stream.read(&shard, 10).await.expect("read").records;
    clock.advance_ms(retention_ms + 60_000).await;
    append(stream, &[(prefix.clone(), vec![3])]).await;
    stream.checkpoint(&shard, &records[0].sequence).await.expect("checkpoint");
    clock.advance_ms(retention_ms + 60_000).await;
    append(stream, &[(prefix.clone(), vec![4])]).await;
    assert_eq!(data(&drain(stream, &prefix).await), [[1], [2], [3], [4]]);
}

/// An accepted record and a checkpoint survive power loss, and so do sequences and the stream's id. `power_loss` gives
/// the stream as it is found after one.
pub async fn what_was_accepted_survives_power_loss<S: Stream + StreamConsumer>(
    stream: S,
    fresh: Fresh,
    power_loss: impl FnOnce(S) -> S,
) {
    let prefix = fresh.text("power loss");
    let shard = three_in_one_shard(&stream, &prefix).await;
    let before = stream.read(&shard, 10).await.expect("read");
    stream.checkpoint(&shard, &before.records[0].sequence).await.expect("checkpoint");

    let stream = power_loss(stream);
    let after = stream.read(&shard, 10).await.expect("read");
    assert_eq!((after.stream_id, &after.records[..]), (before.stream_id, &before.records[1..]));
    append(&stream, &[(prefix.clone(), vec![3])]).await;
    let records = drain(&stream, &prefix).await;
    assert_eq!(data(&records), [[1], [2], [3]]);
    assert_eq!(by_number(&records[1].sequence, &records[2].sequence), Ordering::Less);
    assert!(records[1].arrived_at <= records[2].arrived_at);
}

async fn append(stream: &impl Stream, records: &[(String, Vec<u8>)]) {
    let new = |(key, data): &(String, Vec<u8>)| NewRecord { partition_key: key.clone(), data: data.clone() };
    let outcomes = stream.append(&records.iter().map(new).collect::<Vec<_>>()).await.expect("append");
    assert_eq!(outcomes.len(), records.len());
    for outcome in outcomes {
        outcome.expect("the record is accepted");
    }
}

/// Leaves three unread records of this check in one shard, and nothing else in any; gives the shard.
async fn three_in_one_shard(stream: &(impl Stream + StreamConsumer), prefix: &str) -> String {
    drain(stream, prefix).await;
    append(stream, &[0_u8, 1, 2].map(|n| (prefix.to_owned(), vec![n]))).await;
    for shard in stream.shards().await.expect("shards") {
        if !stream.read(&shard, 1).await.expect("read").records.is_empty() {
            return shard;
        }
    }
    panic!("none of the shards has the records");
}

/// Reads everything and moves the checkpoints past it; gives the records of this check.
async fn drain(stream: &impl StreamConsumer, prefix: &str) -> Vec<StreamRecord> {
    drain_by_shard(stream, prefix).await.into_values().flatten().collect()
}

async fn drain_by_shard(stream: &impl StreamConsumer, prefix: &str) -> BTreeMap<String, Vec<StreamRecord>> {
    let mut mine: BTreeMap<String, Vec<StreamRecord>> = BTreeMap::new();
    for shard in stream.shards().await.expect("shards") {
        loop {
            let records = stream.read(&shard, 100).await.expect("read").records;
            let Some(last) = records.last() else { break };
            stream.checkpoint(&shard, &last.sequence).await.expect("checkpoint");
            let records = records.into_iter().filter(|r| r.partition_key.starts_with(prefix));
            mine.entry(shard.clone()).or_default().extend(records);
        }
    }
    mine.retain(|_, records| !records.is_empty());
    mine
}

fn data(records: &[StreamRecord]) -> Vec<Vec<u8>> {
    records.iter().map(|r| r.data.clone()).collect()
}

/// Compares two decimal numbers of any length.
fn by_number(a: &str, b: &str) -> Ordering {
    assert!(a.bytes().chain(b.bytes()).all(|c| c.is_ascii_digit()), "`{a}` `{b}`: decimal digits");
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then(a.cmp(b))
}
