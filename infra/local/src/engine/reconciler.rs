//! The worker that reconciles: every five minutes in session, hourly around the clock, each morning, at start, and when
//! it is asked to.

use std::sync::Arc;

use chrono::NaiveTime;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::overlay::Schedule;
use mendlake_ports::clock::Clock;
use mendlake_ports::control;
use mendlake_ports::error::Result;
use mendlake_ports::queue::QueueConsumer;
use mendlake_reconcile::{Window, reconcile};
use tokio::sync::Notify;

use super::{Event, Observer, Shared, Station, Stopping};

/// Minutes between near reconciliations.
const NEAR_MIN: i64 = 5;

/// The minute of each hour of the hourly one.
const HOURLY_AT_MIN: u32 = 5;

/// The hour of the morning one, on the calendar's wall clock: before the open, after every source's night.
const MORNING_AT: (u32, u32) = (7, 35);

/// How long after a session near reconciliations go on: the last minutes settle and heal.
const AFTER_CLOSE_MIN: i64 = 30;

/// How far into its minute a reconciliation runs: after the landing of the minute before.
const INTO_MINUTE_MS: i64 = 10_000;

pub(super) async fn run<P: Station, O: Observer>(shared: Arc<Shared<P, O>>, mut stopping: Stopping) {
    let clock = shared.place.clock();
    let never = Notify::new();
    // What was missed while nobody ran: the window reaches back to the last completed run.
    once(&shared, Window::Hourly).await;
    let mut after = clock.now();
    while !stopping.is_asked() {
        let due = match due(&shared, after).await {
            Ok(due) => due,
            Err(error) => {
                shared.failed("reconcile", &error);
                (clock.now().plus_ms(NEAR_MIN * 60_000), Window::Near)
            }
        };
        while clock.now() < due.0 {
            requested(&shared).await;
            let until = due.0.min(clock.now().plus_ms(shared.poll_ms));
            if stopping.wait(clock, until, &never).await {
                return;
            }
        }
        once(&shared, due.1).await;
        after = due.0.max(clock.now());
    }
}

async fn once<P: Station, O: Observer>(shared: &Shared<P, O>, window: Window) {
    match reconcile(&shared.place, &shared.settings, window).await {
        Ok(report) => {
            if report.tasks > 0 {
                shared.tasks_sent.notify_one();
            }
            shared.observe(Event::Reconciled(Box::new(report)));
        }
        Err(error) => shared.failed("reconcile", &error),
    }
}

/// Serves requests of other processes.
async fn requested<P: Station, O: Observer>(shared: &Shared<P, O>) {
    let queue = shared.place.reconcile_queue();
    let deliveries = match queue.receive(1).await {
        Ok(deliveries) => deliveries,
        Err(error) => return shared.failed("reconcile", &error),
    };
    for delivery in deliveries {
        // A request that cannot be read asks for the widest look.
        let window = serde_json::from_str(&delivery.body).unwrap_or(Window::Morning);
        once(shared, window).await;
        if let Err(error) = queue.acknowledge(&delivery.receipt).await {
            shared.failed("reconcile", &error);
        }
    }
}

async fn due<P: Station, O: Observer>(shared: &Shared<P, O>, after: Timestamp) -> Result<(Timestamp, Window)> {
    let overlay = control::overlay(shared.place.lake()).await?;
    Ok(next_due(&Schedule { calendar: shared.settings.calendar, overlay }, after))
}

/// When the next reconciliation after an instant is due, and of which window. Of two in one minute, the wider one.
pub fn next_due(schedule: &Schedule, after: Timestamp) -> (Timestamp, Window) {
    let first = after.plus_ms(-INTO_MINUTE_MS).minute() + 1;
    let minutes = first.until(first + 61);
    let due = minutes.filter_map(|minute| Some((minute, window_at(schedule, minute)?))).next();
    let (minute, window) = due.unwrap_or((first + 60, Window::Hourly));
    (minute.start().plus_ms(INTO_MINUTE_MS), window)
}

fn window_at(schedule: &Schedule, minute: Minute) -> Option<Window> {
    let (hour, of_hour) = MORNING_AT;
    let morning = NaiveTime::from_hms_opt(hour, of_hour, 0).expect("a time of day");
    if schedule.calendar.at_wall_time(schedule.calendar.day_of(minute), morning) == minute {
        return Some(Window::Morning);
    }
    if minute.of_hour() == HOURLY_AT_MIN {
        return Some(Window::Hourly);
    }
    let in_session = |minute| matches!(schedule.session_of(minute), Ok(Some(_)));
    let near =
        minute.index().rem_euclid(NEAR_MIN) == 0 && (in_session(minute) || in_session(minute + -AFTER_CLOSE_MIN));
    near.then_some(Window::Near)
}

#[cfg(test)]
mod tests {
    use mendlake_domain::calendar::Calendar;
    use mendlake_domain::overlay::Overlay;

    use super::*;

    fn due(after: &str) -> (String, Window) {
        let schedule = Schedule { calendar: Calendar::Xnys, overlay: Overlay::default() };
        let (at, window) = next_due(&schedule, after.parse().expect("an instant"));
        (at.to_string(), window)
    }

    #[test]
    fn in_session_it_is_every_five_minutes_and_hourly_at_five_past() {
        assert_eq!(due("2026-11-20T15:55:10.000Z"), ("2026-11-20T16:00:10.000Z".into(), Window::Near));
        assert_eq!(due("2026-11-20T16:00:10.000Z"), ("2026-11-20T16:05:10.000Z".into(), Window::Hourly));
        assert_eq!(due("2026-11-20T21:25:10.000Z"), ("2026-11-20T22:05:10.000Z".into(), Window::Hourly));
    }

    #[test]
    fn at_night_and_on_weekends_it_is_hourly_and_each_morning_before_the_open() {
        assert_eq!(due("2026-11-22T03:05:10.000Z"), ("2026-11-22T04:05:10.000Z".into(), Window::Hourly));
        assert_eq!(due("2026-11-20T12:05:10.000Z"), ("2026-11-20T12:35:10.000Z".into(), Window::Morning));
        assert_eq!(
            due("2026-07-20T11:05:10.000Z"),
            ("2026-07-20T11:35:10.000Z".into(), Window::Morning),
            "in summer too"
        );
    }
}
