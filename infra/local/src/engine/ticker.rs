//! The worker that ticks: runs `request` for each minute of each session, shortly before it.

use std::sync::Arc;

use mendlake_domain::minute::Minute;
use mendlake_domain::overlay::Schedule;
use mendlake_ingest::request;
use mendlake_ports::clock::Clock;
use mendlake_ports::control;
use mendlake_ports::error::{Kind, PortError, Result};
use tokio::sync::Notify;

use super::{Event, Observer, Shared, Station, Stopping};

/// How long before its minute a tick runs: long enough for a slow disk, short enough that the watchlist is the newest.
const LEAD_MS: i64 = 20_000;

/// The longest sleep: the overlay and the watchlist are looked at again after it.
const LOOK_AGAIN_MIN: i64 = 60;

pub(super) async fn run<P: Station, O: Observer>(shared: Arc<Shared<P, O>>, mut stopping: Stopping) {
    let clock = shared.place.clock();
    let mut next = clock.now().minute();
    let never = Notify::new();
    while !stopping.is_asked() {
        // After a stall, the minutes that passed are dark: nobody can sample them any more.
        next = next.max(clock.now().minute());
        let due = match due(&shared, next).await {
            Ok(due) => due,
            Err(error) => {
                shared.failed("request", &error);
                Due::Look(next + 1)
            }
        };
        let (Due::Tick(minute) | Due::Look(minute)) = due;
        if stopping.wait(clock, minute.start().plus_ms(-LEAD_MS), &never).await {
            return;
        }
        if let Due::Tick(minute) = due {
            match request(&shared.place, &shared.settings, minute).await {
                Ok(report) => shared.observe(Event::Requested(report)),
                Err(error) => shared.failed("request", &error),
            }
            shared.live_sent.notify_one();
        }
        next = minute + i64::from(matches!(due, Due::Tick(_)));
    }
}

enum Due {
    Tick(Minute),
    Look(Minute),
}

/// The next session minute from `next` on, or when to look again where none is near.
async fn due<P: Station, O: Observer>(shared: &Shared<P, O>, next: Minute) -> Result<Due> {
    let overlay = control::overlay(shared.place.lake()).await?;
    let schedule = Schedule { calendar: shared.settings.calendar, overlay };
    let session = schedule.session_after(next).map_err(|e| PortError::caused(Kind::Rejected, "find session", e))?;
    let look_again = next + LOOK_AGAIN_MIN;
    Ok(match session.map(|session| session.open.max(next)) {
        Some(minute) if minute <= look_again => Due::Tick(minute),
        _ => Due::Look(look_again),
    })
}
