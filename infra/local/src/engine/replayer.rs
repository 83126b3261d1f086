//! The worker that replays: runs `replay` for each task of the replay queue, one at a time.

use std::sync::Arc;

use mendlake_domain::digest;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::task::ReplayTask;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Result, chain};
use mendlake_ports::queue::{Delivery, QueueConsumer};
use mendlake_ports::set_aside::{Rejected, SetAside};
use mendlake_reconcile::{Patience, replay};

use super::{Event, Observer, Shared, Station, Stopping};

/// The longest wait after the queue could not be read.
const AFTER_FAILURE_MS: i64 = 10_000;

pub(super) async fn run<P: Station, O: Observer>(shared: Arc<Shared<P, O>>, mut stopping: Stopping) {
    while !stopping.is_asked() {
        match shared.place.replay_queue().receive(1).await {
            Ok(deliveries) if deliveries.is_empty() => {
                let until = next_look(&shared).await;
                if stopping.wait(shared.place.clock(), until, &shared.tasks_sent).await {
                    return;
                }
            }
            Ok(deliveries) => {
                for delivery in deliveries {
                    if let Err(error) = work(&shared, &delivery).await {
                        shared.failed("replay", &error);
                    }
                }
            }
            Err(error) => {
                shared.failed("replay", &error);
                let until = shared.place.clock().now().plus_ms(AFTER_FAILURE_MS);
                if stopping.wait(shared.place.clock(), until, &shared.tasks_sent).await {
                    return;
                }
            }
        }
    }
}

/// Works on one visible task; tells whether there was one.
pub(super) async fn once<P: Station, O: Observer>(shared: &Shared<P, O>) -> Result<bool> {
    let deliveries = shared.place.replay_queue().receive(1).await?;
    for delivery in &deliveries {
        if let Err(error) = work(shared, delivery).await {
            shared.failed("replay", &error);
        }
    }
    Ok(!deliveries.is_empty())
}

/// When the next task becomes visible, or when to look for tasks of other processes.
async fn next_look<P: Station, O: Observer>(shared: &Shared<P, O>) -> Timestamp {
    let poll = shared.place.clock().now().plus_ms(shared.poll_ms);
    match shared.place.replay_queue().next_visible_at().await {
        Ok(visible) => visible.unwrap_or(poll).min(poll),
        Err(error) => {
            shared.failed("replay", &error);
            poll
        }
    }
}

/// Replays one task and acknowledges it. What fails is delivered again after its visibility time.
async fn work<P: Station, O: Observer>(shared: &Shared<P, O>, delivery: &Delivery) -> Result<()> {
    let place = &shared.place;
    match ReplayTask::parse(&delivery.body, place.clock().now()) {
        Ok(task) => {
            let report = replay(place, &shared.settings, &task, Patience::Minute).await?;
            shared.observe(Event::Replayed(Box::new(report)));
        }
        Err(error) => {
            let input = delivery.body.as_bytes();
            let (origin, id) = ("replay-queue".to_owned(), digest::short(input));
            let (at, reason) = (place.clock().now(), chain(&error));
            let rejected = Rejected { at, origin, id, reason, input: input.to_vec() };
            place.lake().quarantine(&rejected).await?;
        }
    }
    place.replay_queue().acknowledge(&delivery.receipt).await?;
    Ok(())
}
