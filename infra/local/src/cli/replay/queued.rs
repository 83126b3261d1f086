//! A replay through the queue of a running pipeline: another process does the work, this one watches the lake.

use mendlake_domain::minute::Timestamp;
use mendlake_domain::task::Mode;
use mendlake_ports::clock::Clock;
use mendlake_ports::landing::Landing;
use mendlake_ports::place::Place;
use mendlake_ports::queue::{Message, Queue, QueueConsumer, failures};
use mendlake_reconcile::{Patience, replay};

use super::{Asked, Replayed, There, bar, priced};
use crate::cli::Failure;
use crate::clock::ScaledClock;
use crate::lock;
use crate::look::Look;
use crate::open::{Reading, RealPlace};

/// How often the lake is looked at, on the machine's clock.
const LOOK_MS: i64 = 500;

/// How long corrections are waited for after the queue is empty, on the machine's clock: two landing windows of a fast clock
/// may be shorter than a landing takes.
const LANDS_FOR_MS: i64 = 5_000;

/// Sends the work to the running pipeline and waits for its effect.
pub(super) async fn apply(place: &RealPlace, reading: &Reading, asked: Asked) -> Result<Replayed, Failure> {
    let priced = priced(place, reading, &asked).await?;
    let before = priced.0.missing + priced.0.suspects;
    let requested_at = place.clock().now();
    let there = There::look(reading.lake(), &reading.settings, &asked, requested_at).await?;
    if priced.0.symbol_sessions > 0 {
        send(place, &asked, requested_at).await?;
        wait(place, reading, &asked, before, &there).await?;
    }
    asked.applied(place, reading, priced, None, &there).await
}

async fn send(place: &RealPlace, asked: &Asked, now: Timestamp) -> Result<(), Failure> {
    let message = |task| Message {
        body: serde_json::to_string(&task).expect("a task is JSON: its keys are text"),
        visible_at: now,
    };
    let messages: Vec<Message> = asked.tasks(now).into_iter().map(message).collect();
    let sent = place.replay_queue().send(&messages).await?;
    match failures(&sent) {
        (1.., Some(error)) => Err(Failure::failed(error.chain())),
        _ => Ok(()),
    }
}

/// Waits until the queue is empty and what came of it has landed.
async fn wait(
    place: &RealPlace,
    reading: &Reading,
    asked: &Asked,
    before: usize,
    there: &There,
) -> Result<(), Failure> {
    let machine = ScaledClock::steady();
    let deadline = asked.timeout_s.map(|s| machine.now().plus_s(s));
    let bar = bar(before);
    // On the lake's clock, and on the machine's.
    let mut drained: Option<(Timestamp, Timestamp)> = None;
    loop {
        let task = asked.task(Mode::Plan, reading.clock.now());
        let left = replay(place, &reading.settings, &task, Patience::Minute).await?;
        let left = left.missing + left.suspects;
        bar.set_position(before.saturating_sub(left) as u64);
        // Queues say when they are empty, not whose messages they held.
        let empty = place.replay_queue().next_visible_at().await?.is_none();
        drained = if empty { drained.or_else(|| Some((place.clock().now(), machine.now()))) } else { None };
        let whole = left == 0 && (!asked.force || there.not_replaced(reading.lake(), asked).await? == 0);
        let waits = asked.force && drained.is_some_and(|(_, at)| machine.now().ms_since(at) <= LANDS_FOR_MS);
        if whole || (!waits && landed_since(place, reading, drained.map(|(at, _)| at)).await?) {
            bar.finish_and_clear();
            return Ok(());
        }
        if deadline.is_some_and(|at| machine.now() >= at) {
            return Err(Failure::not_now(
                "not done in time: the running pipeline goes on with it, run this again to look",
            ));
        }
        if lock::holder(reading.lake.root())?.is_none() {
            return Err(Failure::not_now(
                "`mendlake run` has ended: what was not done is queued, run this again to do it here",
            ));
        }
        machine.sleep_until(machine.now().plus_ms(LOOK_MS)).await;
    }
}

/// Whether everything that came before the queue was empty has landed.
async fn landed_since(place: &RealPlace, reading: &Reading, drained: Option<Timestamp>) -> Result<bool, Failure> {
    let Some(drained) = drained else { return Ok(false) };
    let landed = place.ledger().landed_through().await?.is_some_and(|through| through >= drained);
    // Nothing may have come of it: then a landing window passes without a mark.
    let window_ms = 2 * reading.settings.landing_window_ms;
    Ok(landed || place.clock().now().ms_since(drained) > window_ms)
}
