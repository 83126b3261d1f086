//! A replay on a stack: its function does the work, invoked for one part after the other; this process watches the lake.

use mendlake_domain::minute::Timestamp;
use mendlake_domain::task::{Mode, ReplayTask};
use mendlake_ports::clock::Clock;
use mendlake_ports::place::Place;
use mendlake_reconcile::{Patience, ReplayReport, replay};

use super::{Asked, Replayed, There, bar, priced};
use crate::cli::Failure;
use crate::clock::ScaledClock;
use crate::look::Look;
use crate::stack::{StackLook, StackPlace};

/// How often the lake is looked at while rows land.
const LOOK_MS: i64 = 2_000;

/// Beyond two landing windows, what a function may take to start and to publish.
const LANDS_FOR_MS: i64 = 60_000;

/// Has the function do it, and waits until what came of it has landed. Parts are invoked once: what a part left undone is
/// still missing, and whoever runs this again asks for it anew.
pub(super) async fn apply(stack: &StackLook, place: &StackPlace, asked: Asked) -> Result<Replayed, Failure> {
    let priced = priced(place, stack, &asked).await?;
    let mut done = ReplayReport::default();
    let mut parts = 0;
    let requested_at = stack.clock().now();
    let there = There::look(stack.lake(), stack.settings(), &asked, requested_at).await?;
    if priced.0.symbol_sessions > 0 {
        parts = asked.tasks(requested_at).len();
        done = invoke(stack, &asked, requested_at).await?;
        let landed = landed(stack, place, &asked, &priced.0, (&done, &there)).await;
        landed.map_err(|failure| failure.after(parts, parts))?;
    }
    asked.applied(place, stack, priced, Some(done), &there).await.map_err(|failure| failure.after(parts, parts))
}

/// Invokes the function for each part. `requested_at` is that of all of them: their corrections have one revision.
async fn invoke(stack: &StackLook, asked: &Asked, requested_at: Timestamp) -> Result<ReplayReport, Failure> {
    let machine = ScaledClock::steady();
    let deadline = asked.timeout_s.map(|s| machine.now().plus_s(s));
    let tasks = asked.tasks(requested_at);
    let (all, bar) = (tasks.len(), bar(tasks.len()));
    let mut done = ReplayReport::default();
    for (part, task) in tasks.into_iter().enumerate() {
        if deadline.is_some_and(|at| machine.now() >= at) {
            return Err(Failure::not_now(format!(
                "not done in time: {part} of {all} parts are, run this again for the others"
            )));
        }
        let on = stack.settings().calendar.day_of(task.from);
        bar.set_message(format!("{on}, {} symbols", task.symbols.len()));
        let report = stack.replay(&task).await.map_err(|error| Failure::from(error).after(part, all))?;
        done.join(report);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(done)
}

/// Waits until the rows that the function put into the stream are in the lake, or would be if they came.
async fn landed(
    stack: &StackLook,
    place: &StackPlace,
    asked: &Asked,
    before: &ReplayReport,
    (done, there): (&ReplayReport, &There),
) -> Result<(), Failure> {
    let rows: usize = done.healed.values().sum();
    let healed = rows.saturating_sub(done.corrected + done.outranked);
    let most_ms = 2 * stack.settings().landing_window_ms + LANDS_FOR_MS;
    let until = place.clock().now().plus_ms(most_ms);
    while rows > 0 && place.clock().now() < until {
        let task = ReplayTask { force: false, ..asked.task(Mode::Plan, place.clock().now()) };
        let left = replay(place, stack.settings(), &task, Patience::Minute).await?;
        // Rows that came otherwise count too: then the lake holds what it was to hold, whoever brought it.
        let healed_came = before.missing.saturating_sub(left.missing) >= healed;
        let corrected = match asked.force {
            true => there.len().saturating_sub(there.not_replaced(stack.lake(), asked).await?),
            false => before.suspects.saturating_sub(left.suspects),
        };
        let corrections_came = corrected >= done.corrected;
        if healed_came && corrections_came {
            break;
        }
        stack.clock().sleep_until(place.clock().now().plus_ms(LOOK_MS)).await;
    }
    Ok(())
}
