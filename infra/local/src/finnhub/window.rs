//! When a fault is there: an instant, or a time of day on every day.

use std::fmt;
use std::str::FromStr;

use chrono::{NaiveTime, Timelike};
use mendlake_domain::calendar::Calendar;
use mendlake_domain::minute::{Minute, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant (`2026-11-20T15:00:00Z`), or a time of day on the market's own clock (`10:30`, `10:30:15`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Once.
    Instant(Timestamp),
    /// Every day.
    TimeOfDay(NaiveTime),
}

/// A text that is no [`When`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither an instant such as 2026-11-20T15:00:00Z nor a time of day such as 10:30: `{0}`")]
pub struct WhenError(String);

impl When {
    /// The instant it names on the trading day of `day`.
    pub fn on_day_of(self, calendar: Calendar, day: Minute) -> Timestamp {
        match self {
            Self::Instant(at) => at,
            Self::TimeOfDay(time) => {
                let whole = time.with_second(0).unwrap_or(time);
                calendar.at_wall_time(calendar.day_of(day), whole).start().plus_s(i64::from(time.second()))
            }
        }
    }
}

impl FromStr for When {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<Self, WhenError> {
        let time = |format| NaiveTime::parse_from_str(text, format).ok();
        let time = time("%H:%M").or_else(|| time("%H:%M:%S")).map(Self::TimeOfDay);
        time.or_else(|| text.parse().ok().map(Self::Instant)).ok_or_else(|| WhenError(text.to_owned()))
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instant(at) => at.fmt(f),
            Self::TimeOfDay(time) => time.format("%H:%M:%S").fmt(f),
        }
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_new_yorks_across_its_change_of_clocks() {
        let half_past_ten: When = "10:30".parse().expect("a time");
        let on = |day: &str| half_past_ten.on_day_of(Calendar::Xnys, day.parse().expect("a minute")).to_string();
        assert_eq!(on("2026-10-30T15:00:00Z"), "2026-10-30T14:30:00.000Z");
        assert_eq!(on("2026-11-02T15:00:00Z"), "2026-11-02T15:30:00.000Z");
        let seconds: When = "10:30:15".parse().expect("a time");
        let day = "2026-11-02T15:00:00Z".parse().expect("a minute");
        assert_eq!(seconds.on_day_of(Calendar::Always, day).to_string(), "2026-11-02T10:30:15.000Z");
    }

    #[test]
    fn texts_survive_the_round_trip_and_others_are_refused() {
        for text in ["10:30:00", "2026-11-20T15:00:00.000Z"] {
            assert_eq!(text.parse::<When>().expect("a when").to_string(), text);
        }
        for text in ["noon", "25:00", "2026-11-20", "10"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }
}
