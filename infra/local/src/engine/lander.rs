//! The worker that lands: brings the stream to the lake, every landing window.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendlake_domain::minute::Timestamp;
use mendlake_ingest::RelandReport;
use mendlake_ingest::land::{land, park, reland};
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{PortError, Result};
use mendlake_ports::stream::{Batch, StreamConsumer};
use tokio::sync::Notify;

use super::{Event, Observer, Shared, Station, Stopping};

/// The most records in one batch: a landing window of the largest watchlist fits many times.
const RECORDS: usize = 2_000;

/// How long a batch may fail before it is parked, so that what is behind it can land: as long as the event source on AWS
/// keeps one.
pub const PARK_AFTER_MS: i64 = 6 * 3_600_000;

/// How often parked batches are landed again, first when the worker starts.
const RELAND_MS: i64 = 3_600_000;

pub(super) async fn run<P: Station, O: Observer>(shared: Arc<Shared<P, O>>, mut stopping: Stopping) {
    let mut failing = Failing::default();
    let never = Notify::new();
    let mut reland_at = shared.place.clock().now();
    loop {
        let begun = shared.place.clock().now();
        if begun >= reland_at {
            parked(&shared).await;
            reland_at = begun.plus_ms(RELAND_MS);
        }
        if let Err(error) = shards(&shared, &mut failing).await {
            shared.failed("land", &error);
        }
        if stopping.is_asked() {
            return;
        }
        let next = begun.plus_ms(shared.settings.landing_window_ms);
        // Asked to stop, it lands once more.
        stopping.wait(shared.place.clock(), next, &never).await;
    }
}

/// Lands what was parked, in case what refused it was mended.
async fn parked<P: Station, O: Observer>(shared: &Shared<P, O>) {
    let place = &shared.place;
    match reland(place.lake(), place.ledger(), place.clock(), None).await {
        Ok(RelandReport { landed, unreadable, .. }) => {
            landed.into_iter().for_each(|landed| shared.observe(Event::Landed(landed.report)));
            unreadable
                .into_iter()
                .for_each(|it| shared.observe(Event::Unreadable { batch: it.batch, reason: it.reason }));
        }
        Err(error) => shared.failed("reland", &error),
    }
}

/// Lands what is in the stream now. What fails stays in the stream.
pub(super) async fn once<P: Station, O: Observer>(shared: &Shared<P, O>) -> Result<()> {
    shards(shared, &mut Failing::default()).await
}

/// Since when the batch at the head of each shard has been failing.
#[derive(Default)]
struct Failing(BTreeMap<String, (String, Timestamp)>);

async fn shards<P: Station, O: Observer>(shared: &Shared<P, O>, failing: &mut Failing) -> Result<()> {
    for shard in shared.place.stream().shards().await? {
        loop {
            let batch = shared.place.stream().read(&shard, RECORDS).await?;
            let Some(last) = batch.records.last().map(|record| record.sequence.clone()) else {
                break;
            };
            if !bring(shared, &batch, failing).await? {
                break;
            }
            shared.place.stream().checkpoint(&shard, &last).await?;
        }
    }
    Ok(())
}

/// Lands a batch, or parks it where it has failed for too long; tells whether the checkpoint may move.
async fn bring<P: Station, O: Observer>(shared: &Shared<P, O>, batch: &Batch, failing: &mut Failing) -> Result<bool> {
    match land(shared.place.lake(), shared.place.ledger(), batch).await {
        Ok(report) => {
            failing.0.remove(&batch.shard);
            shared.observe(Event::Landed(report));
            Ok(true)
        }
        Err(error) => {
            shared.failed("land", &error);
            set_aside(shared, batch, failing, &error).await
        }
    }
}

async fn set_aside<P: Station, O: Observer>(
    shared: &Shared<P, O>,
    batch: &Batch,
    failing: &mut Failing,
    error: &PortError,
) -> Result<bool> {
    let now = shared.place.clock().now();
    let head = batch.records.first().map(|record| record.sequence.clone()).unwrap_or_default();
    let since = match failing.0.get(&batch.shard) {
        Some((failing_head, since)) if *failing_head == head => *since,
        _ => now,
    };
    failing.0.insert(batch.shard.clone(), (head, since));
    if now.ms_since(since) < PARK_AFTER_MS {
        return Ok(false);
    }
    park(shared.place.lake(), batch, &error.chain()).await?;
    failing.0.remove(&batch.shard);
    shared.observe(Event::Parked { shard: batch.shard.clone(), records: batch.records.len() });
    Ok(true)
}

#[cfg(test)]
mod tests {
    use mendlake_adapters::faulty::{Call, Fault, Faults, Faulty, Text};
    use mendlake_adapters::memory::clock::ManualClock;
    use mendlake_adapters::memory::lake::MemoryLake;
    use mendlake_adapters::memory::ledger::MemoryLedger;
    use mendlake_ports::error::Kind;
    use mendlake_ports::set_aside::SetAside;
    use mendlake_ports::stream::StreamRecord;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_epoch_s(1_795_185_000)
    }

    /// A lake with three parked batches of one poisoned record each, and their names.
    async fn three_parked() -> (MemoryLake, Vec<String>) {
        let lake = MemoryLake::new();
        for number in 1..=3 {
            let arrived_at = now().plus_s(number);
            let record = StreamRecord {
                sequence: number.to_string(),
                arrived_at,
                partition_key: "A".into(),
                data: b"not a row".to_vec(),
            };
            let batch = Batch { stream_id: "4f2c".into(), shard: "0".into(), records: vec![record] };
            lake.park(&batch, "why").await.expect("parked");
        }
        let names = lake.parked().await.expect("names");
        (lake, names)
    }

    fn landed(report: &RelandReport) -> Vec<&str> {
        report.landed.iter().map(|landed| landed.batch.as_str()).collect()
    }

    #[tokio::test]
    async fn one_parked_batch_that_cannot_be_read_is_named_and_stays_and_the_others_land() {
        let (lake, names) = three_parked().await;
        lake.damage_parked(&names[1]);
        let (ledger, clock) = (MemoryLedger::new(), ManualClock::new(now()));
        for others in [&[names[0].as_str(), &names[2]][..], &[]] {
            let report = reland(&lake, &ledger, &clock, None).await.expect("relanded");
            assert_eq!(landed(&report), others);
            assert_eq!(report.unreadable.len(), 1, "again and again");
            assert!(report.unreadable[0].reason.contains(&names[1]), "{}", report.unreadable[0].reason);
            assert_eq!((&report.unreadable[0].batch, report.left), (&names[1], 0));
        }
        assert_eq!(lake.parked().await.expect("names"), names[1..2], "it is neither lost nor taken away");
        assert_eq!(lake.quarantined().await.expect("quarantined").len(), 2);
    }

    #[tokio::test]
    async fn where_the_time_is_over_the_rest_is_counted_and_lands_the_next_time() {
        let (lake, names) = three_parked().await;
        let (ledger, clock) = (MemoryLedger::new(), ManualClock::new(now()));
        let ticking = Faulty::new(lake, TakesTime(clock.clone()));
        let report = reland(&ticking, &ledger, &clock, Some(now().plus_ms(1_500))).await.expect("relanded");
        assert_eq!((landed(&report), report.left), (vec![names[0].as_str(), &names[1]], 1));
        let report = reland(&ticking, &ledger, &clock, Some(now())).await.expect("relanded");
        assert_eq!((landed(&report), report.left), (vec![], 1));
        let report = reland(&ticking, &ledger, &clock, None).await.expect("relanded");
        assert_eq!((landed(&report), report.left), (vec![names[2].as_str()], 0));
    }

    #[tokio::test]
    async fn what_infrastructure_refuses_ends_it_and_what_nobody_may_read_does_not() {
        let (ledger, clock) = (MemoryLedger::new(), ManualClock::new(now()));
        for (call, kind) in [
            ("set_aside.parked_batch", Kind::Unavailable),
            ("set_aside.parked_batch", Kind::Throttled),
            ("set_aside.quarantine", Kind::Denied),
        ] {
            let refusing = Faulty::new(three_parked().await.0, Refuses(call, kind));
            let error = reland(&refusing, &ledger, &clock, None).await.expect_err("refused");
            assert_eq!((error.kind, refusing.parked().await.expect("names").len()), (kind, 3));
        }
        let denied = Faulty::new(three_parked().await.0, Refuses("set_aside.parked_batch", Kind::Denied));
        let report = reland(&denied, &ledger, &clock, None).await.expect("it went through them");
        assert_eq!((report.landed.len(), report.unreadable.len(), report.left), (0, 3, 0));
        assert_eq!(denied.parked().await.expect("names").len(), 3);
    }

    /// Calls of a name fail.
    struct Refuses(&'static str, Kind);

    impl Faults for Refuses {
        async fn before(&self, call: Call<'_>) -> Fault {
            if call.name == self.0 { Fault::FailBefore(self.1) } else { Fault::None }
        }

        async fn after(&self, _call: Call<'_>, _answer: Text<'_>) {}
    }

    /// A second passes with each batch that is read.
    struct TakesTime(ManualClock);

    impl Faults for TakesTime {
        async fn before(&self, call: Call<'_>) -> Fault {
            if call.name == "set_aside.parked_batch" {
                self.0.advance_ms(1_000);
            }
            Fault::None
        }

        async fn after(&self, _call: Call<'_>, _answer: Text<'_>) {}
    }
}
