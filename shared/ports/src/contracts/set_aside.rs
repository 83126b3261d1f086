//! The contract of quarantine and parking place.
//!
//! The checks tell their own by origin and shard, so they may share one place, which must not have seen the suite
//! before. `again` is a second handle to the same place. That what was put here survives power loss is tested with each
//! adapter's own crashes.

use futures_util::future::join;
use mendlake_domain::minute::Timestamp;

use crate::set_aside::{Parked, Rejected, SetAside};
use crate::stream::{Batch, StreamRecord};

/// Every check.
pub async fn all(place: &impl SetAside, again: &impl SetAside) {
    rejected_input_comes_back_whole(place, again).await;
    the_same_input_on_one_day_is_kept_once(place, again).await;
    quarantine_is_of_every_day_oldest_first(place, again).await;
    a_parked_batch_comes_back_whole(place, again).await;
    parking_the_same_batch_twice_leaves_one(place, again).await;
    parked_batches_come_oldest_first(place, again).await;
    an_unparked_batch_is_gone_and_unparking_it_again_is_no_error(place, again).await;
}

/// Rejected input comes back whole, whatever its bytes, with all that was said of it.
pub async fn rejected_input_comes_back_whole(place: &impl SetAside, again: &impl SetAside) {
    let inputs = [&b"{\"v\":1}\n"[..], b"", b"\xff\xfe\x00", "\u{2028}\"\\".as_bytes(), &[b'x'; 300_000]];
    let mut put = Vec::new();
    for (index, input) in inputs.into_iter().enumerate() {
        let rejected = Rejected {
            reason: "line 1: a `reason` with \"quotes\"".into(),
            ..rejected("whole/../origin", &format!("shardId-0/{index}"), index as i64, input)
        };
        place.quarantine(&rejected).await.expect("quarantine");
        put.push(rejected);
    }
    assert_eq!(of_origin(again, "whole/../origin").await, put);
}

/// Setting the same input aside twice on one day leaves one; other input, and another day, is another.
pub async fn the_same_input_on_one_day_is_kept_once(place: &impl SetAside, again: &impl SetAside) {
    let first = rejected("once", "1", 0, b"input");
    let (one, other) = join(place.quarantine(&first), again.quarantine(&first)).await;
    one.and(other).expect("quarantine");
    again.quarantine(&rejected("once", "1", 60, b"input")).await.expect("quarantine");
    assert_eq!(of_origin(place, "once").await, [first]);
    again.quarantine(&rejected("once", "2", 0, b"input")).await.expect("quarantine");
    again.quarantine(&rejected("once", "1", 86_400, b"input")).await.expect("quarantine");
    assert_eq!(of_origin(place, "once").await.len(), 3);
}

/// Quarantine is listed whole, of every day, oldest first.
pub async fn quarantine_is_of_every_day_oldest_first(place: &impl SetAside, again: &impl SetAside) {
    for at_s in [86_400, 60, 10 * 86_400, 0, 86_399] {
        place.quarantine(&rejected("days", &at_s.to_string(), at_s, b"input")).await.expect("quarantine");
    }
    let at: Vec<String> = of_origin(again, "days").await.into_iter().map(|rejected| rejected.id).collect();
    assert_eq!(at, ["0", "60", "86399", "86400", "864000"]);
    let all = again.quarantined().await.expect("quarantined");
    assert!(all.is_sorted_by_key(|rejected| rejected.at));
}

/// A parked batch comes back whole, every record in its order.
pub async fn a_parked_batch_comes_back_whole(place: &impl SetAside, again: &impl SetAside) {
    let batch = batch("whole", 0, &[b"{\"v\":1}\n", b"\xff\x00", b""]);
    place.park(&batch, "the disk is full").await.expect("park");
    let parked = of_shard(again, "whole").await;
    assert_eq!(parked.into_iter().map(|parked| parked.batch).collect::<Vec<_>>(), [batch]);
}

/// Parking the same batch twice leaves one, whatever the reasons were.
pub async fn parking_the_same_batch_twice_leaves_one(place: &impl SetAside, again: &impl SetAside) {
    let batch = batch("twice", 0, &[b"a"]);
    let (one, other) = join(place.park(&batch, "one reason"), again.park(&batch, "another")).await;
    one.and(other).expect("park");
    place.park(&batch, "one reason").await.expect("park");
    assert_eq!(of_shard(again, "twice").await.len(), 1);
    let longer = Batch { records: self::batch("twice", 0, &[b"a", b"b"]).records, ..batch };
    place.park(&longer, "one reason").await.expect("park");
    assert_eq!(of_shard(again, "twice").await.len(), 2, "a batch cut differently is another");
}

/// Parked batches come oldest first.
pub async fn parked_batches_come_oldest_first(place: &impl SetAside, again: &impl SetAside) {
    for arrived_s in [100_000_000, 5, 1_000, 60] {
        place.park(&batch("age", arrived_s, &[b"a"]), "why").await.expect("park");
    }
    let arrived = |parked: &Parked| parked.batch.records[0].arrived_at;
    let parked = of_shard(again, "age").await;
    assert_eq!(parked.len(), 4);
    assert!(parked.is_sorted_by_key(arrived), "{parked:?}");
}

/// An unparked batch is gone; unparking it again, or what never was there, is no error; it can be parked again.
pub async fn an_unparked_batch_is_gone_and_unparking_it_again_is_no_error(
    place: &impl SetAside,
    again: &impl SetAside,
) {
    let batches = [batch("gone", 0, &[b"a"]), batch("gone", 60, &[b"b"])];
    for batch in &batches {
        place.park(batch, "why").await.expect("park");
    }
    let name = of_shard(place, "gone").await[0].name.clone();
    for _ in 0..2 {
        again.unpark(&name).await.expect("unpark");
        let left: Vec<Batch> = of_shard(place, "gone").await.into_iter().map(|parked| parked.batch).collect();
        assert_eq!(left, batches[1..]);
    }
    again.unpark("no-such-batch").await.expect("unpark");
    place.park(&batches[0], "why").await.expect("park");
    assert_eq!(of_shard(again, "gone").await[0].name, name, "the same batch has the same name");
}

const NOON_S: i64 = 1_957_435_200; // 2032-01-11T12:00:00Z

fn rejected(origin: &str, id: &str, at_s: i64, input: &[u8]) -> Rejected {
    let at = Timestamp::from_epoch_s(NOON_S - 12 * 3600 + at_s);
    Rejected { at, origin: origin.into(), id: id.into(), reason: "why".into(), input: input.to_vec() }
}

fn batch(shard: &str, arrived_s: i64, data: &[&[u8]]) -> Batch {
    let record = |(index, data): (usize, &&[u8])| StreamRecord {
        sequence: (arrived_s + index as i64).to_string(),
        arrived_at: Timestamp::from_epoch_s(NOON_S + arrived_s),
        partition_key: format!("key {index}"),
        data: data.to_vec(),
    };
    Batch { stream_id: "contract".into(), shard: shard.into(), records: data.iter().enumerate().map(record).collect() }
}

async fn of_origin(place: &impl SetAside, origin: &str) -> Vec<Rejected> {
    let all = place.quarantined().await.expect("quarantined");
    all.into_iter().filter(|rejected| rejected.origin == origin).collect()
}

async fn of_shard(place: &impl SetAside, shard: &str) -> Vec<Parked> {
    place.parked().await.expect("parked").into_iter().filter(|parked| parked.batch.shard == shard).collect()
}
