//! Times as people give and read them: UTC, with the exchange's wall clock where that helps.

use std::str::FromStr;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use mendlake_domain::calendar::{Calendar, Session};
use mendlake_domain::minute::{Minute, TimeError};
use mendlake_domain::overlay::Schedule;
use mendlake_ports::error::{Kind, PortError, Result};

use crate::heat_map::wall_clock;

/// A minute as it is given: RFC 3339, or a wall-clock time of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// `2026-11-20T14:30:00Z`, or with another offset.
    Instant(Minute),
    /// `2026-11-20T09:30`, on the exchange's wall clock.
    Wall(NaiveDateTime),
}

impl Moment {
    /// The minute it names on a calendar.
    pub fn minute(self, calendar: Calendar) -> Minute {
        match self {
            Self::Instant(minute) => minute,
            Self::Wall(wall) => calendar.at_wall_time(wall.date(), wall.time()),
        }
    }
}

impl FromStr for Moment {
    type Err = TimeError;

    fn from_str(text: &str) -> std::result::Result<Self, TimeError> {
        // Read back, since chrono takes `2026-11-1` too, and what is short of a digit may be short of another one.
        let wall = |form: &str| {
            let read = NaiveDateTime::parse_from_str(text, form).ok();
            read.filter(|wall| wall.format(form).to_string() == text)
        };
        match ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"].into_iter().find_map(wall) {
            Some(wall) => Ok(Self::Wall(wall)),
            None => text.parse().map(Self::Instant),
        }
    }
}

/// A day as it is given: `2026-11-20` and nothing else. A value parser of flags.
pub fn day(text: &str) -> std::result::Result<NaiveDate, String> {
    let read = text.parse().ok().filter(|day: &NaiveDate| day.to_string() == text);
    read.ok_or_else(|| "a day is written YYYY-MM-DD, such as 2026-11-20".to_owned())
}

/// A minute in UTC, short: `2026-11-20 14:30`.
pub fn utc(minute: Minute) -> String {
    minute.to_string().replace('T', " ").trim_end_matches(":00Z").to_owned()
}

/// The time of day of a minute on the exchange's wall clock, `09:30 in New York`; `None` where that is UTC.
pub fn at_exchange(calendar: Calendar, minute: Minute) -> Option<String> {
    let city = match calendar {
        Calendar::Xnys => "New York",
        Calendar::Always => return None,
    };
    Some(format!("{} in {city}", time_of_day(wall_clock(calendar, minute))))
}

/// A session's times: `2026-11-20, 14:30 to 21:00 UTC (09:30 to 16:00 in New York)`.
pub fn session(calendar: Calendar, session: &Session) -> String {
    let times = |of: fn(Calendar, Minute) -> NaiveTime| {
        format!("{} to {}", time_of_day(of(calendar, session.open)), time_of_day(of(calendar, session.close)))
    };
    let in_utc = times(|_, minute| wall_clock(Calendar::Always, minute));
    match at_exchange(calendar, session.open) {
        Some(_) => format!("{}, {in_utc} UTC ({} in New York)", session.on, times(wall_clock)),
        None => format!("{}, {in_utc} UTC", session.on),
    }
}

/// A stretch of time in words: `3 h 12 min`.
pub fn stretch(ms: i64) -> String {
    let minutes = ms.max(0) / 60_000;
    match (minutes / 1440, minutes / 60, minutes % 60) {
        (0, 0, 0) => format!("{} s", ms.max(0) / 1000),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes:02} min"),
        (days, hours, _) => format!("{days} d {} h", hours % 24),
    }
}

/// The session of a day. A day without one, or outside the calendar, is `Rejected` with its neighbours.
pub fn session_on(schedule: &Schedule, on: NaiveDate) -> Result<Session> {
    let found = schedule.session_on(on);
    let found = found.map_err(|error| PortError::caused(Kind::Rejected, "find the session", error))?;
    found.ok_or_else(|| {
        let near = neighbours(schedule, schedule.calendar.at_wall_time(on, NaiveTime::MIN));
        let what = format!("there is no session on {on}, the market is closed that day{near}");
        PortError::new(Kind::Rejected, what)
    })
}

/// The sessions of a range that must hold some. `Rejected` where it is reversed, outside the calendar or holds none.
pub fn sessions_in(schedule: &Schedule, from: Minute, to: Minute) -> Result<Vec<Session>> {
    let refuse = |what: String| Err(PortError::new(Kind::Rejected, what));
    if to <= from {
        return refuse(format!("`--from` must be before `--to`: {from} .. {to}"));
    }
    let found = schedule.sessions(from, to);
    let found = found.map_err(|error| PortError::caused(Kind::Rejected, "find the sessions", error))?;
    if found.is_empty() {
        let near = neighbours(schedule, from);
        return refuse(format!("no session has a minute from {from} to {to}, the market is closed{near}"));
    }
    Ok(found)
}

/// The sessions before and after a minute that lies in none.
fn neighbours(schedule: &Schedule, minute: Minute) -> String {
    let tomorrow = schedule.calendar.day_of(minute).succ_opt().unwrap_or(NaiveDate::MAX);
    let over = |session: &Session| session.close <= minute;
    let before = schedule.sessions_before(tomorrow, 2).into_iter().find(over).map(|session| session.on);
    let after = schedule.session_after(minute).ok().flatten().map(|session| session.on);
    match (before, after) {
        (Some(before), Some(after)) => format!(": the sessions around it are {before} and {after}"),
        (Some(only), None) | (None, Some(only)) => format!(": the nearest session is {only}"),
        (None, None) => String::new(),
    }
}

fn time_of_day(time: NaiveTime) -> String {
    time.format("%H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use mendlake_domain::overlay::Overlay;

    use super::*;

    fn schedule() -> Schedule {
        Schedule { calendar: Calendar::Xnys, overlay: Overlay::default() }
    }

    fn minute(text: &str) -> Minute {
        text.parse().expect("minute")
    }

    #[test]
    fn a_moment_is_an_instant_or_a_time_on_the_exchanges_clock() {
        let read = |text: &str| text.parse::<Moment>().map(|moment| moment.minute(Calendar::Xnys));
        let expected = minute("2026-11-20T14:30:00Z");
        for text in ["2026-11-20T14:30:00Z", "2026-11-20T15:30:00+01:00", "2026-11-20T09:30", "2026-11-20 09:30"] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        assert_eq!(read("2026-07-20T09:30"), Ok(minute("2026-07-20T13:30:00Z")), "in summer");
        for text in ["2026-11-20", "2026-11-20T14:30:30Z", "2026-11-1T09:30", "2026-11-20T9:30", " 2026-11-20T09:30"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_has_all_its_digits() {
        assert_eq!(day("2026-11-01"), Ok(NaiveDate::from_ymd_opt(2026, 11, 1).expect("a day")));
        for text in ["2026-11-1", "2026-1-01", "26-11-01", "2026-11-31", "2026-11-01 ", "+2026-11-01", "20261101", ""] {
            assert!(day(text).is_err_and(|why| why.contains("YYYY-MM-DD")), "{text}");
        }
    }

    #[test]
    fn times_are_told_in_utc_and_on_the_exchanges_clock() {
        let half_day = session_on(&schedule(), "2026-11-27".parse().expect("day")).expect("a session");
        assert_eq!(session(Calendar::Xnys, &half_day), "2026-11-27, 14:30 to 18:00 UTC (09:30 to 13:00 in New York)");
        assert_eq!(utc(half_day.open), "2026-11-27 14:30");
        assert_eq!(at_exchange(Calendar::Always, half_day.open), None);
        let told: Vec<String> = [4_000, 240_000, 7_260_000, 90_000_000, -5].map(stretch).into();
        assert_eq!(told, ["4 s", "4 min", "2 h 01 min", "1 d 1 h", "0 s"]);
    }

    #[test]
    fn a_holiday_is_refused_with_the_sessions_around_it() {
        let error = session_on(&schedule(), "2026-11-26".parse().expect("day")).expect_err("Thanksgiving");
        assert!(error.chain().ends_with("the sessions around it are 2026-11-25 and 2026-11-27"), "{}", error.chain());
        let error = session_on(&schedule(), "2031-01-02".parse().expect("day")).expect_err("outside");
        assert!(error.chain().contains("2027-12-31") && error.kind == Kind::Rejected, "{}", error.chain());
    }

    #[test]
    fn a_range_is_refused_where_it_is_reversed_or_holds_no_session() {
        let refusal = |from, to| sessions_in(&schedule(), minute(from), minute(to)).expect_err("refused").chain();
        assert!(refusal("2026-11-20T15:00:00Z", "2026-11-20T15:00:00Z").contains("`--from` must be before `--to`"));
        let weekend = refusal("2026-11-21T00:00:00Z", "2026-11-23T00:00:00Z");
        assert!(weekend.contains("2026-11-20 and 2026-11-23"), "{weekend}");
        assert!(refusal("1999-12-30T15:00:00Z", "1999-12-30T16:00:00Z").contains("2000-01-01"));
    }
}
