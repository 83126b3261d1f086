//! The contract of [`Runs`].

use mendlake_domain::minute::Timestamp;
use serde_json::json;

use super::Fresh;
use crate::runs::{Run, Runs};

/// Every check. Nobody else records runs meanwhile.
pub async fn all(runs: &impl Runs, fresh: Fresh) {
    a_run_is_read_back_whole(runs, fresh).await;
    the_last_run_is_the_one_with_the_newest_now(runs, fresh).await;
    runs_with_the_same_now_are_told_apart(runs, fresh).await;
}

/// A recorded run is read back whole.
pub async fn a_run_is_read_back_whole(runs: &impl Runs, fresh: Fresh) {
    let run = after_the_last(runs, fresh, "whole", 1).await;
    runs.record_run(&run).await.expect("record");
    assert_eq!(runs.last_run().await.expect("read"), Some(run));
}

/// The last run is the one with the newest `at`, in whatever order runs were recorded.
pub async fn the_last_run_is_the_one_with_the_newest_now(runs: &impl Runs, fresh: Fresh) {
    let newest = after_the_last(runs, fresh, "newest", 600_000).await;
    let older = Run { at: newest.at.plus_ms(-300_000), id: fresh.text("older"), ..newest.clone() };
    runs.record_run(&newest).await.expect("record");
    runs.record_run(&older).await.expect("record");
    assert_eq!(runs.last_run().await.expect("read"), Some(newest));
}

/// Two runs with the same *now* are both recorded: recording one does not change the other.
pub async fn runs_with_the_same_now_are_told_apart(runs: &impl Runs, fresh: Fresh) {
    let a = after_the_last(runs, fresh, "same a", 60_000).await;
    let b = Run { id: fresh.text("same b"), report: json!({ "other": true }), ..a.clone() };
    runs.record_run(&b).await.expect("record");
    runs.record_run(&a).await.expect("record");
    let last = runs.last_run().await.expect("read").expect("two are recorded");
    assert!(last == a || last == b, "{last:?}");
}

/// A recorded run survives power loss. `power_loss` gives the runs as they are found after one.
pub async fn what_was_recorded_survives_power_loss<R: Runs>(runs: R, fresh: Fresh, power_loss: impl FnOnce(R) -> R) {
    let run = after_the_last(&runs, fresh, "power loss", 1).await;
    runs.record_run(&run).await.expect("record");
    let runs = power_loss(runs);
    assert_eq!(runs.last_run().await.expect("read"), Some(run));
}

async fn after_the_last(runs: &impl Runs, fresh: Fresh, name: &str, ms: i64) -> Run {
    let last = runs.last_run().await.expect("read").map_or(Timestamp::from_epoch_s(1_700_000_000), |run| run.at);
    Run {
        at: last.plus_ms(ms),
        id: fresh.text(name),
        reconciled_through: last.plus_ms(-300_000),
        report: json!({ "open_gaps": 3, "planned": [{ "symbol": "AAPL", "minutes": 7 }], "note": "é \"quoted\"" }),
    }
}
