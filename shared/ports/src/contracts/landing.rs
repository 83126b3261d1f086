//! The contract of [`Landing`].

use mendlake_domain::minute::Timestamp;

use crate::landing::{IDLE_AFTER_MS, Landing};

/// Every check. The store has no marks yet: the smallest mark of all shards is one for the whole store.
pub async fn all(landing: &impl Landing) {
    there_is_no_mark_at_first(landing).await;
    the_smallest_mark_of_all_shards_is_given(landing).await;
    a_mark_never_moves_backwards(landing).await;
    a_shard_that_nothing_came_to_does_not_hold_the_others(landing).await;
}

/// `landed_through` is `None` where there is no mark yet.
pub async fn there_is_no_mark_at_first(landing: &impl Landing) {
    assert_eq!(landing.landed_through().await.expect("read"), None);
}

/// `landed_through` is the smallest mark of all shards.
pub async fn the_smallest_mark_of_all_shards_is_given(landing: &impl Landing) {
    for (shard, mark, smallest) in [("a", 50, 50), ("b", 70, 50), ("a", 90, 70), ("c", 60, 60), ("c", 99, 70)] {
        note(landing, shard, mark).await;
        assert_eq!(landed(landing).await, at(smallest), "shard `{shard}` at {mark}");
    }
}

/// A mark never moves backwards.
pub async fn a_mark_never_moves_backwards(landing: &impl Landing) {
    for shard in ["a", "b", "c"] {
        note(landing, shard, 1_000).await;
    }
    note(landing, "b", 999).await;
    assert_eq!(landed(landing).await, at(1_000));
    note(landing, "b", 1_000).await;
    note(landing, "b", 2_000).await;
    assert_eq!(landed(landing).await, at(1_000), "the other shards hold it");
}

/// A shard whose mark is far behind the newest, since it is idle or closed, does not count until something lands again.
pub async fn a_shard_that_nothing_came_to_does_not_hold_the_others(landing: &impl Landing) {
    let later = 2_000 + IDLE_AFTER_MS;
    note(landing, "b", later).await;
    note(landing, "c", later - 1).await;
    assert_eq!(landed(landing).await, at(later - 1), "`a` was last heard of at 1,000");
    note(landing, "a", 2_000).await;
    assert_eq!(landed(landing).await, at(2_000), "not further behind than that");
}

/// A mark survives power loss, or a replay in flight would be planned again. `power_loss` gives the landing as it is
/// found after one; its store has no marks yet.
pub async fn marks_survive_power_loss<L: Landing>(landing: L, power_loss: impl FnOnce(L) -> L) {
    note(&landing, "a", 3_000).await;
    note(&landing, "b", 2_500).await;
    let landing = power_loss(landing);
    assert_eq!(landed(&landing).await, at(2_500));
}

async fn note(landing: &impl Landing, shard: &str, mark: i64) {
    landing.note_landed(shard, at(mark)).await.expect("note");
}

async fn landed(landing: &impl Landing) -> Timestamp {
    landing.landed_through().await.expect("read").expect("there is a mark")
}

fn at(mark: i64) -> Timestamp {
    Timestamp::from_epoch_ms(4_000_000_000_000 + mark)
}
