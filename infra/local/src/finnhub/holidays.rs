//! Finnhub's `/stock/market-holiday`.

use chrono::{Datelike, NaiveDate, Weekday};
use mendlake_domain::calendar::{Calendar, days};
use mendlake_domain::minute::Timestamp;

use super::answer::Answer;
use super::script::KnownDay;

/// The vendor tells of the two calendar years before this one, and of the next: in July 2025 from 2023 to the end of 2026.
const YEARS_BACK: i32 = 2;
const YEARS_AHEAD: i32 = 1;

/// Closures and early closes, latest first: those of the calendar, and those the script knows by now, which come instead of
/// the calendar's of the same day.
pub(super) fn answer(calendar: Calendar, now: Timestamp, known: &[KnownDay]) -> Answer {
    let (first, last) = calendar.range();
    let year = now.date().year();
    let told_from = NaiveDate::from_ymd_opt(year - YEARS_BACK, 1, 1).unwrap_or(first);
    let told_to = NaiveDate::from_ymd_opt(year + YEARS_AHEAD, 12, 31).unwrap_or(last);
    let (first, last) = (first.max(told_from), last.min(told_to));
    let known: Vec<&KnownDay> = known.iter().filter(|day| day.known_from.is_none_or(|from| from <= now)).collect();
    let mut rows: Vec<(NaiveDate, String, String)> = days(first, last)
        .filter(|day| known.iter().all(|known| known.on != *day))
        .filter_map(|day| Some((day, event(calendar, day)?.to_owned(), hours(calendar, day))))
        .collect();
    rows.extend(known.iter().map(|day| (day.on, day.event.clone(), day.hours.clone())));
    rows.sort_by_key(|row| std::cmp::Reverse(row.0));
    let row = |(on, event, hours)| serde_json::json!({"eventName": event, "atDate": on, "tradingHour": hours});
    let data: Vec<_> = rows.into_iter().map(row).collect();
    let body = serde_json::json!({"data": data, "exchange": "US", "timezone": "America/New_York"});
    Answer::json(200, body.to_string())
}

/// What is celebrated on a weekday that is not a whole session; `None` on other days.
pub(super) fn event(calendar: Calendar, day: NaiveDate) -> Option<&'static str> {
    let session = calendar.session_on(day).ok()?;
    let weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    if calendar == Calendar::Always || weekend || session.is_some_and(|session| session.len() >= 390) {
        return None;
    }
    Some(match (day.month(), day.day()) {
        (1, 1 | 2) => "New Year's Day",
        (1, 15..=21) => "Birthday of Martin Luther King, Jr",
        (2, 15..=21) => "Washington's Birthday",
        (3 | 4, _) => "Good Friday",
        (5, 25..=31) => "Memorial Day",
        (6, 18..=20) => "Juneteenth",
        (7, 3..=5) => "Independence Day",
        (9, 1..=7) => "Labor Day",
        (11, 22..=29) => "Thanksgiving Day",
        (12, 24..=26) => "Christmas Day",
        _ => "Market Closed",
    })
}

fn hours(calendar: Calendar, day: NaiveDate) -> String {
    match calendar.session_on(day) {
        Ok(Some(_)) => "09:30-13:00".to_owned(),
        _ => String::new(),
    }
}
