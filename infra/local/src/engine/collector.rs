//! The worker that samples: runs `collect` for each message of the live queue, several at once.

use std::sync::Arc;

use mendlake_ingest::{Overlays, collect};
use mendlake_ports::clock::Clock;
use mendlake_ports::queue::{Delivery, QueueConsumer};
use tokio::task::JoinSet;

use super::{Event, Observer, Shared, Station, Stopping};

/// The most messages taken at once: a minute has at most eight.
const MESSAGES: usize = 16;

/// The longest wait for a message: the ticker wakes this worker, so this only bounds what a lost wake-up costs.
const LOOK_AGAIN_MS: i64 = 60_000;

pub(super) async fn run<P: Station, O: Observer>(shared: Arc<Shared<P, O>>, mut stopping: Stopping) {
    let mut working = JoinSet::new();
    let overlays = Arc::new(Overlays::default());
    while !stopping.is_asked() {
        let now = shared.place.clock().now();
        let mut until = now.plus_ms(LOOK_AGAIN_MS);
        match shared.place.live_queue().receive(MESSAGES).await {
            Ok(deliveries) if deliveries.is_empty() => match shared.place.live_queue().next_visible_at().await {
                Ok(visible) => until = visible.unwrap_or(until).min(until),
                Err(error) => shared.failed("collect", &error),
            },
            Ok(deliveries) => {
                for delivery in deliveries {
                    working.spawn(sample(shared.clone(), overlays.clone(), delivery));
                }
                until = now;
            }
            Err(error) => shared.failed("collect", &error),
        }
        while working.try_join_next().is_some() {}
        if until > now && stopping.wait(shared.place.clock(), until, &shared.live_sent).await {
            break;
        }
    }
    working.join_all().await;
}

/// Samples one message and acknowledges it, unless its quotes could not be made durable.
async fn sample<P: Station, O: Observer>(shared: Arc<Shared<P, O>>, overlays: Arc<Overlays>, delivery: Delivery) {
    match collect(&shared.place, &shared.settings, &overlays, &delivery.body).await {
        Ok(report) => {
            shared.observe(Event::Collected(report));
            if let Err(error) = shared.place.live_queue().acknowledge(&delivery.receipt).await {
                shared.failed("collect", &error);
            }
        }
        Err(error) => shared.failed("collect", &error),
    }
}
