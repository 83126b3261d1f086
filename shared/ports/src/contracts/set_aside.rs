//! The contract of quarantine and parking place.
//!
//! The checks tell their own by origin and shard, so they may share one place, which must not have seen the suite
//! before. `again` is a second handle to the same place. That what was put here survives power loss is tested with each
//! adapter's own crashes.

use futures_util::future::join;
use mendlake_domain::minute::Timestamp;

use crate::error::Kind;
use crate::set_aside::{Rejected, SetAside};
use crate::stream::{Batch, StreamRecord};

/// Every check. `damage` breaks the parked batch of a name where it is stored.
pub async fn all(place: &impl SetAside, again: &impl SetAside, damage: impl FnOnce(&str)) {
    rejected_input_comes_back_whole(place, again).await;
    the_same_input_on_one_day_is_kept_once(place, again).await;
    quarantine_is_of_every_day_oldest_first(place, again).await;
    a_parked_batch_comes_back_whole(place, again).await;
    parking_the_same_batch_twice_leaves_one(place, again).await;
    parked_batches_come_oldest_first(place, again).await;
    an_unparked_batch_is_gone_and_unparking_it_again_is_no_error(place, again).await;
    an_unreadable_batch_is_named_and_the_others_can_still_be_read(place, again, damage).await;
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
    assert_eq!(batches(of_shard(again, "whole").await), [batch]);
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
    let parked = batches(of_shard(again, "age").await);
    assert_eq!(parked.len(), 4);
    assert!(parked.is_sorted_by_key(|batch| batch.records[0].arrived_at), "{parked:?}");
}

/// An unparked batch is gone; unparking it again, or what never was there, is no error; it can be parked again.
pub async fn an_unparked_batch_is_gone_and_unparking_it_again_is_no_error(
    place: &impl SetAside,
    again: &impl SetAside,
) {
    let two = [batch("gone", 0, &[b"a"]), batch("gone", 60, &[b"b"])];
    for batch in &two {
        place.park(batch, "why").await.expect("park");
    }
    let (name, _) = of_shard(place, "gone").await.remove(0);
    for _ in 0..2 {
        again.unpark(&name).await.expect("unpark");
        assert_eq!(batches(of_shard(place, "gone").await), two[1..]);
        assert_eq!(place.parked_batch(&name).await.expect("read"), None);
    }
    for nobodys in ["no-such-batch", "../mendlake"] {
        again.unpark(nobodys).await.expect("unpark");
        assert_eq!(again.parked_batch(nobodys).await.expect("read"), None);
    }
    place.park(&two[0], "why").await.expect("park");
    assert_eq!(of_shard(again, "gone").await[0].0, name, "the same batch has the same name");
}

/// A batch that cannot be read is listed like any other and is `Corrupt`; the error names it, the others can still be read,
/// and it stays until it is taken away.
///
/// `damage` breaks the parked batch of a name where it is stored.
pub async fn an_unreadable_batch_is_named_and_the_others_can_still_be_read(
    place: &impl SetAside,
    again: &impl SetAside,
    damage: impl FnOnce(&str),
) {
    let three = [0, 60, 120].map(|arrived_s| batch("damaged", arrived_s, &[b"a"]));
    for batch in &three {
        place.park(batch, "why").await.expect("park");
    }
    let names: Vec<String> = of_shard(place, "damaged").await.into_iter().map(|(name, _)| name).collect();
    damage(&names[1]);
    for _ in 0..2 {
        let error = again.parked_batch(&names[1]).await.expect_err("it is damaged");
        assert_eq!(error.kind, Kind::Corrupt, "{}", error.chain());
        assert!(error.chain().contains(&names[1]), "names `{}`: {}", names[1], error.chain());
        let listed = again.parked().await.expect("parked");
        assert!(names.iter().all(|name| listed.contains(name)), "{listed:?}");
    }
    for index in [0, 2] {
        assert_eq!(again.parked_batch(&names[index]).await.expect("read").as_ref(), Some(&three[index]));
    }
    again.unpark(&names[1]).await.expect("unpark");
    assert!(!place.parked().await.expect("parked").contains(&names[1]));
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

/// The parked batches of a shard with their names, in the order they are listed.
async fn of_shard(place: &impl SetAside, shard: &str) -> Vec<(String, Batch)> {
    let mut found = Vec::new();
    for name in place.parked().await.expect("parked") {
        let batch = place.parked_batch(&name).await.expect("read");
        found.extend(batch.filter(|batch| batch.shard == shard).map(|batch| (name, batch)));
    }
    found
}

fn batches(parked: Vec<(String, Batch)>) -> Vec<Batch> {
    parked.into_iter().map(|(_, batch)| batch).collect()
}
