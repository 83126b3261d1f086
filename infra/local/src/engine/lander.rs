//! The worker that lands: brings the stream to the lake, every landing window.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendlake_domain::minute::Timestamp;
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
    match reland(shared.place.lake(), shared.place.ledger()).await {
        Ok(reports) => reports.into_iter().for_each(|report| shared.observe(Event::Landed(report))),
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
