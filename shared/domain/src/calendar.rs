//! Trading calendars: which minutes of which days are sessions, before any overlay.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::LazyLock;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeZone, Utc, Weekday};
use chrono_tz::America::New_York;
use serde::{Deserialize, Serialize};

use crate::coverage::MinuteSet;
use crate::minute::{Minute, Timestamp};

/// One trading day: its minutes are `[open, close)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Session {
    /// The trading day, in the calendar's own zone.
    pub on: NaiveDate,
    /// The first minute.
    pub open: Minute,
    /// The minute after the last.
    pub close: Minute,
}

impl Session {
    /// How many minutes the session has.
    pub fn len(&self) -> usize {
        self.minutes().len()
    }

    /// Whether an overlay left no minute of it.
    pub fn is_empty(&self) -> bool {
        self.close <= self.open
    }

    /// Whether the minute is one of the session's.
    pub fn contains(&self, minute: Minute) -> bool {
        self.open <= minute && minute < self.close
    }

    /// The session's minutes.
    pub fn minutes(&self) -> MinuteSet {
        MinuteSet::between(self.open, self.close)
    }
}

/// A day the calendar knows nothing of. Never answered with a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "calendar `{calendar}` knows {first} to {last}, not {day}: use a release with a newer calendar, or a day in that range"
)]
pub struct OutOfRange {
    /// The calendar's name.
    pub calendar: Calendar,
    /// The first day it knows.
    pub first: NaiveDate,
    /// The last day it knows.
    pub last: NaiveDate,
    /// The day asked for.
    pub day: NaiveDate,
}

/// A trading calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Calendar {
    /// New York Stock Exchange and Nasdaq, regular hours, 2000 to 2027.
    #[serde(rename = "XNYS")]
    Xnys,
    /// Every minute; a session is one UTC day. For tests and demos.
    #[serde(rename = "always")]
    Always,
}

impl std::fmt::Display for Calendar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Xnys => "XNYS",
            Self::Always => "always",
        })
    }
}

impl FromStr for Calendar {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "XNYS" => Ok(Self::Xnys),
            "always" => Ok(Self::Always),
            _ => Err(format!("not a calendar, there are `XNYS` and `always`: `{text}`")),
        }
    }
}

impl Calendar {
    /// The first and the last day the calendar knows.
    pub fn range(self) -> (NaiveDate, NaiveDate) {
        match self {
            Self::Xnys => (XNYS.first, XNYS.last),
            // As far as four-digit years go, so that every minute has its RFC 3339 text.
            Self::Always => (DateTime::<Utc>::UNIX_EPOCH.date_naive(), date(9998, 12, 31)),
        }
    }

    /// The session of a trading day, or `None` on a day without one.
    pub fn session_on(self, day: NaiveDate) -> Result<Option<Session>, OutOfRange> {
        let (first, last) = self.range();
        if day < first || day > last {
            return Err(OutOfRange { calendar: self, first, last, day });
        }
        Ok(match self {
            Self::Xnys => XNYS.session_on(day),
            Self::Always => {
                let open = Timestamp::from_epoch_ms(day.and_time(NaiveTime::MIN).and_utc().timestamp_millis()).minute();
                Some(Session { on: day, open, close: open + 24 * 60 })
            }
        })
    }

    /// The trading day an instant belongs to in the calendar's own zone.
    pub fn day_of(self, minute: Minute) -> NaiveDate {
        match self {
            Self::Xnys => DateTime::from_timestamp(minute.epoch_s(), 0)
                .map_or(minute.date(), |at| at.with_timezone(&New_York).date_naive()),
            Self::Always => minute.date(),
        }
    }

    /// The instant a wall-clock time of a trading day falls on.
    pub fn at_wall_time(self, day: NaiveDate, time: NaiveTime) -> Minute {
        match self {
            Self::Xnys => new_york(day, time),
            Self::Always => Timestamp::from_epoch_ms(day.and_time(time).and_utc().timestamp_millis()).minute(),
        }
    }
}

/// The exceptions from "every weekday, 09:30-16:00 New York".
struct Exceptions {
    first: NaiveDate,
    last: NaiveDate,
    closes: BTreeMap<NaiveDate, Exception>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Exception {
    Closed,
    Early,
}

static XNYS: LazyLock<Exceptions> = LazyLock::new(|| Exceptions::read(include_str!("../data/xnys.txt")));

impl Exceptions {
    fn read(text: &str) -> Self {
        let mut this = Self { first: NaiveDate::MAX, last: NaiveDate::MIN, closes: BTreeMap::new() };
        let day = |word: Option<&str>| word.and_then(|w| w.parse().ok()).expect("the calendar file names a day");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            match words.next() {
                Some("range") => (this.first, this.last) = (day(words.next()), day(words.next())),
                Some("closed") => drop(this.closes.insert(day(words.next()), Exception::Closed)),
                Some("early") => drop(this.closes.insert(day(words.next()), Exception::Early)),
                other => unreachable!("the calendar file has no such line: {other:?}"),
            }
        }
        this
    }

    fn session_on(&self, day: NaiveDate) -> Option<Session> {
        let exception = self.closes.get(&day);
        if matches!(day.weekday(), Weekday::Sat | Weekday::Sun) || exception == Some(&Exception::Closed) {
            return None;
        }
        let close_hour = if exception == Some(&Exception::Early) { 13 } else { 16 };
        let open = new_york(day, time(9, 30));
        Some(Session { on: day, open, close: new_york(day, time(close_hour, 0)) })
    }
}

fn time(hour: u32, minute: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, minute, 0).expect("a time of day")
}

fn date(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).expect("a date")
}

/// New York wall time in UTC. Clocks change at 02:00 on Sundays: a time that exists twice or never is read as the earlier
/// offset's, and no session has one.
fn new_york(day: NaiveDate, time: NaiveTime) -> Minute {
    let wall = day.and_time(time);
    let utc = match New_York.from_local_datetime(&wall).earliest() {
        Some(at) => at.with_timezone(&Utc),
        None => New_York.from_utc_datetime(&wall).with_timezone(&Utc),
    };
    Timestamp::from_epoch_ms(utc.timestamp_millis()).minute()
}

/// The days of `[first, last]`.
pub fn days(first: NaiveDate, last: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    first.iter_days().take_while(move |day| *day <= last)
}

/// The day `n` days earlier, no earlier than chrono's first.
pub fn days_before(day: NaiveDate, n: u64) -> NaiveDate {
    day.checked_sub_days(Days::new(n)).unwrap_or(NaiveDate::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    /// A day's hours in UTC as `xnys_check.txt` writes them.
    fn letter(session: Option<Session>) -> char {
        let Some(session) = session else { return '.' };
        let clock = |minute: Minute| minute.to_string()[11..16].to_owned();
        match (clock(session.open).as_str(), clock(session.close).as_str()) {
            ("14:30", "21:00") => 'W',
            ("13:30", "20:00") => 'S',
            ("14:30", "18:00") => 'w',
            ("13:30", "17:00") => 's',
            other => panic!("no session has these hours: {other:?}"),
        }
    }

    #[test]
    fn every_day_from_2000_to_2027_has_the_hours_of_the_exchange() {
        let mut sessions = 0;
        for line in include_str!("../data/xnys_check.txt").lines() {
            let (year, expected) = line.split_once(' ').expect("a year and its days");
            let year: i32 = year.parse().expect("a year");
            let ours: String = days(date(year, 1, 1), date(year, 12, 31))
                .map(|day| letter(Calendar::Xnys.session_on(day).expect("in range")))
                .collect();
            assert_eq!(ours, expected, "{year}");
            sessions += expected.chars().filter(|c| *c != '.').count();
        }
        assert_eq!(sessions, 7041);
    }

    #[test]
    fn days_that_calendars_get_wrong_are_right() {
        let session = |text| Calendar::Xnys.session_on(day(text)).expect("in range");
        for closed in ["2001-09-11", "2001-09-14", "2004-06-11", "2007-01-02", "2012-10-29", "2018-12-05", "2025-01-09"]
        {
            assert_eq!(session(closed), None, "{closed}");
        }
        assert_eq!(session("2023-07-03").map(|s| s.len()), Some(210));
        assert_eq!(session("2010-12-31").map(|s| s.len()), Some(390), "New Year's Day on a Saturday is not moved");
    }

    #[test]
    fn a_full_day_expects_390_minutes_and_a_half_day_210() {
        let full = Calendar::Xnys.session_on(day("2026-11-20")).expect("in range").expect("a session");
        assert_eq!((full.len(), full.open.to_string().as_str()), (390, "2026-11-20T14:30:00Z"));
        let half = Calendar::Xnys.session_on(day("2026-11-27")).expect("in range").expect("a session");
        assert_eq!(half.len(), 210);
        assert!(half.contains(half.open) && !half.contains(half.close));
    }

    #[test]
    fn outside_the_range_is_an_error_that_names_it() {
        for outside in ["1999-12-31", "2028-01-01"] {
            let error = Calendar::Xnys.session_on(day(outside)).expect_err(outside).to_string();
            assert!(error.contains("2000-01-01 to 2027-12-31") && error.contains(outside), "{error}");
        }
    }

    #[test]
    fn an_evening_in_utc_is_still_the_trading_day_of_new_york() {
        let minute: Minute = "2026-11-21T02:00:00Z".parse().expect("minute");
        assert_eq!(Calendar::Xnys.day_of(minute), day("2026-11-20"));
        assert_eq!(Calendar::Always.day_of(minute), day("2026-11-21"));
    }

    #[test]
    fn always_is_every_minute_of_a_utc_day() {
        let session = Calendar::Always.session_on(day("2026-11-22")).expect("in range").expect("a session");
        assert_eq!((session.len(), session.open.to_string().as_str()), (1440, "2026-11-22T00:00:00Z"));
    }
}
