//! Instants, minutes and hours, and how each is rounded to the next.

use std::fmt;
use std::ops::Add;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, SecondsFormat};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Milliseconds in a minute.
const MINUTE_MS: i64 = 60_000;

/// An instant: milliseconds since the Unix epoch, UTC.
///
/// Written and read as RFC 3339 with exactly three decimals and `Z`. Finer input is rounded down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// An instant from milliseconds since the epoch.
    pub const fn from_epoch_ms(epoch_ms: i64) -> Self {
        Self(epoch_ms)
    }

    /// An instant from whole seconds since the epoch; saturates at the ends of the range.
    pub const fn from_epoch_s(epoch_s: i64) -> Self {
        Self(epoch_s.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn epoch_ms(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch, rounded down.
    pub const fn epoch_s(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The minute this instant lies in (rounded down; an instant on the boundary begins its minute).
    pub const fn minute(self) -> Minute {
        Minute(self.0.div_euclid(MINUTE_MS))
    }

    /// The first minute that begins at or after this instant (rounded up).
    pub const fn minute_at_or_after(self) -> Minute {
        Minute((self.0 + MINUTE_MS - 1).div_euclid(MINUTE_MS))
    }

    /// The instant `ms` milliseconds later (earlier where negative).
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// The instant `s` seconds later (earlier where negative).
    pub const fn plus_s(self, s: i64) -> Self {
        self.plus_ms(s.saturating_mul(1000))
    }

    /// Milliseconds from `earlier` to this instant; negative where `earlier` is later.
    pub const fn ms_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The UTC date of this instant.
    pub fn date(self) -> NaiveDate {
        self.minute().date()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp_millis(self.0) {
            Some(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{} ms since the epoch", self.0),
        }
    }
}

/// What could not be read as an instant or a minute.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TimeError {
    /// Not RFC 3339.
    #[error("not an RFC 3339 instant such as 2026-11-20T14:30:00Z: `{0}`")]
    NotRfc3339(String),
    /// An instant inside a minute where a minute was asked for.
    #[error("not the start of a minute: `{0}`")]
    InsideMinute(String),
}

impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        DateTime::parse_from_rfc3339(text)
            .map(|at| Self(at.timestamp_millis()))
            .map_err(|_| TimeError::NotRfc3339(text.to_owned()))
    }
}

/// A UTC minute, named by its start. An index, not an instant: arithmetic is in whole minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(i64);

impl Minute {
    /// The minute that starts `epoch_s` seconds after the epoch, or `None` where that is not a multiple of 60.
    pub const fn from_epoch_s(epoch_s: i64) -> Option<Self> {
        if epoch_s.rem_euclid(60) == 0 { Some(Self(epoch_s / 60)) } else { None }
    }

    /// The minute with this number since the epoch.
    pub const fn from_index(index: i64) -> Self {
        Self(index)
    }

    /// Minutes since the epoch.
    pub const fn index(self) -> i64 {
        self.0
    }

    /// The instant this minute begins.
    pub const fn start(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(MINUTE_MS))
    }

    /// The instant this minute ends, which is the start of the next.
    pub const fn end(self) -> Timestamp {
        self.plus(1).start()
    }

    /// Seconds from the epoch to the start of this minute, a multiple of 60.
    pub const fn epoch_s(self) -> i64 {
        self.0.saturating_mul(60)
    }

    /// The minute `minutes` later (earlier where negative).
    pub const fn plus(self, minutes: i64) -> Self {
        Self(self.0.saturating_add(minutes))
    }

    /// Whole minutes from `earlier` to this one; negative where `earlier` is later.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The UTC hour this minute lies in.
    pub const fn hour(self) -> Hour {
        Hour(self.0.div_euclid(60))
    }

    /// Its place in that hour, 0 to 59.
    pub const fn of_hour(self) -> u32 {
        self.0.rem_euclid(60) as u32
    }

    /// The UTC date of this minute: the `dt` of its row.
    pub fn date(self) -> NaiveDate {
        let days = self.0.div_euclid(24 * 60);
        i32::try_from(days).ok().and_then(NaiveDate::from_epoch_days).unwrap_or(if days < 0 {
            NaiveDate::MIN
        } else {
            NaiveDate::MAX
        })
    }

    /// Every minute from this one up to, not including, `end`.
    pub fn until(self, end: Self) -> impl DoubleEndedIterator<Item = Self> + Clone {
        (self.0..end.0).map(Self)
    }
}

impl Add<i64> for Minute {
    type Output = Self;

    fn add(self, minutes: i64) -> Self {
        self.plus(minutes)
    }
}

/// Written without seconds' decimals: `2026-11-20T14:30:00Z`.
impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::from_timestamp(self.epoch_s(), 0) {
            Some(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::Secs, true)),
            None => write!(f, "minute {}", self.0),
        }
    }
}

impl FromStr for Minute {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let at = text.parse::<Timestamp>()?;
        if at.epoch_ms().rem_euclid(MINUTE_MS) != 0 {
            return Err(TimeError::InsideMinute(text.to_owned()));
        }
        Ok(at.minute())
    }
}

/// A UTC hour, named by its start: hours since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(i64);

impl Hour {
    /// The hour with this number since the epoch.
    pub const fn from_index(index: i64) -> Self {
        Self(index)
    }

    /// Hours since the epoch.
    pub const fn index(self) -> i64 {
        self.0
    }

    /// The minute of this hour with this place, 0 to 59.
    pub const fn minute(self, of_hour: u32) -> Minute {
        Minute(self.0.saturating_mul(60).saturating_add(of_hour as i64))
    }

    /// The UTC date of this hour.
    pub fn date(self) -> NaiveDate {
        self.minute(0).date()
    }
}

macro_rules! serde_as_text {
    ($($name:ty),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    )+};
}
pub(crate) use serde_as_text;

serde_as_text!(Timestamp, Minute);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn an_instant_on_the_boundary_begins_its_minute() {
        let boundary = at("2026-11-20T14:30:00Z");
        assert_eq!(boundary.minute().to_string(), "2026-11-20T14:30:00Z");
        assert_eq!(boundary.plus_ms(-1).minute().to_string(), "2026-11-20T14:29:00Z");
        assert_eq!(boundary.plus_ms(59_999).minute(), boundary.minute());
        assert_eq!(boundary.minute_at_or_after(), boundary.minute());
        assert_eq!(boundary.plus_ms(1).minute_at_or_after(), boundary.minute() + 1);
    }

    #[test]
    fn rounding_is_downward_before_the_epoch_too() {
        let before = Timestamp::from_epoch_ms(-1);
        assert_eq!(before.minute(), Minute::from_index(-1));
        assert_eq!(before.epoch_s(), -1);
        assert_eq!(before.minute_at_or_after(), Minute::from_index(0));
        assert_eq!(Minute::from_index(-1).hour(), Hour::from_index(-1));
        assert_eq!(Minute::from_index(-1).of_hour(), 59);
        assert_eq!(Minute::from_index(-1).date().to_string(), "1969-12-31");
    }

    #[test]
    fn a_minute_is_a_multiple_of_sixty_seconds() {
        assert_eq!(Minute::from_epoch_s(1_593_437_400).map(|m| m.to_string()), Some("2020-06-29T13:30:00Z".to_owned()));
        assert_eq!(Minute::from_epoch_s(1_593_437_401), None);
        assert_eq!(Minute::from_epoch_s(-60), Some(Minute::from_index(-1)));
        assert_eq!(Minute::from_epoch_s(-61), None);
    }

    #[test]
    fn text_survives_the_round_trip_and_keeps_milliseconds() {
        for text in ["2026-11-20T14:30:01.600Z", "1999-12-31T23:59:59.999Z"] {
            assert_eq!(at(text).to_string(), text);
            let json = serde_json::to_string(&at(text)).expect("json");
            assert_eq!(serde_json::from_str::<Timestamp>(&json).expect("json"), at(text));
        }
    }

    #[test]
    fn an_offset_is_read_and_a_second_inside_a_minute_is_refused() {
        assert_eq!("2026-11-20T09:30:00-05:00".parse::<Minute>().expect("minute").to_string(), "2026-11-20T14:30:00Z");
        assert_eq!(
            "2026-11-20T14:30:01Z".parse::<Minute>(),
            Err(TimeError::InsideMinute("2026-11-20T14:30:01Z".to_owned()))
        );
        assert!("20 November".parse::<Timestamp>().is_err());
    }

    #[test]
    fn an_hour_and_a_place_name_a_minute() {
        let minute: Minute = "2026-11-20T14:37:00Z".parse().expect("minute");
        assert_eq!(minute.hour().minute(minute.of_hour()), minute);
        assert_eq!(minute.of_hour(), 37);
    }
}
