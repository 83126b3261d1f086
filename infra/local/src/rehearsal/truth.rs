//! Holding rows against the market's truth: for rehearsals, whose market is known.

use std::collections::BTreeMap;

use mendlake_domain::calendar::{Calendar, Session};
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::minute::Minute;
use mendlake_domain::overlay::{Overlay, Schedule};
use mendlake_domain::price::PREVIOUS_SESSIONS;
use mendlake_domain::quote::{Basis, Row};
use mendlake_domain::symbol::Symbol;

use crate::market::Market;

/// How long after a minute begins a live sample is usually answered: what a healed row stands in for.
const SAMPLE_MS: i64 = 1_600;

/// What holding a row against the truth shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// A live row with the price of its instant, or a healed row with the price its basis names.
    True,
    /// It differs, and a candle could have told.
    Wrong,
    /// It differs, and no whole candle lies between its trade and its minute: nothing can tell.
    Undecidable,
}

/// Judges a current row.
pub fn judge(market: &Market, session: &Session, row: &Row) -> Judgement {
    if row.basis == Basis::Quote { judge_quote(market, session, row) } else { judge_healed(market, session, row) }
}

fn judge_quote(market: &Market, session: &Session, row: &Row) -> Judgement {
    // The answer was made at some instant between the minute's start and its reception.
    let window_ms = row.observed_at.ms_since(row.minute.start());
    let mut instants = (0..=window_ms).step_by(100).map(|ms| row.observed_at.plus_ms(-ms));
    let seen = |at| market.standing(row.symbol.as_str(), at).map(|standing| standing.last.price);
    if instants.any(|at| seen(at) == Some(row.price.get())) {
        return Judgement::True;
    }
    let from = row.traded_at.map_or(session.open, |traded| traded.plus_ms(1).minute_at_or_after());
    let told = market.candles(row.symbol.as_str(), from.max(session.open), row.minute);
    if told.is_empty() { Judgement::Undecidable } else { Judgement::Wrong }
}

fn judge_healed(market: &Market, session: &Session, row: &Row) -> Judgement {
    let symbol = row.symbol.as_str();
    let is = |price: f64| price == row.price.get();
    let told = match row.basis {
        Basis::Close => market.candles(symbol, session.open, row.minute).last().is_some_and(|candle| is(candle.close)),
        Basis::Open if row.minute == session.open => {
            market.candles(symbol, session.open, session.open + 1).first().is_some_and(|candle| is(candle.open))
        }
        Basis::PreviousClose => {
            let untraded = market.candles(symbol, session.open, row.minute).is_empty();
            untraded && previous_closes(market, session, &row.symbol).any(is)
        }
        Basis::Quote | Basis::Open => false,
    };
    if told { Judgement::True } else { Judgement::Wrong }
}

/// The previous close as a live quote tells it, which knows older sessions than candles are asked for; and the close of the
/// last regular candle of the sessions before.
fn previous_closes(market: &Market, session: &Session, symbol: &Symbol) -> impl Iterator<Item = f64> {
    let schedule = Schedule { calendar: market.calendar(), overlay: Overlay::default() };
    let before = schedule.sessions_before(session.on, PREVIOUS_SESSIONS);
    let candle = |s: &Session| market.candles(symbol.as_str(), s.open, s.close).last().map(|candle| candle.close);
    let today =
        market.standing(symbol.as_str(), session.close.start()).filter(|s| s.last.traded_at >= session.open.start());
    today.and_then(|standing| standing.previous_close).into_iter().chain(before.iter().find_map(candle))
}

/// How far a row is from what a live sample of its minute would have been, in basis points and in cents; `None` where
/// there would have been none.
pub fn distance(market: &Market, session: &Session, row: &Row) -> Option<Distance> {
    let standing = market.standing(row.symbol.as_str(), row.minute.start().plus_ms(SAMPLE_MS))?;
    let sample = standing.last.price;
    let fresh = standing.last.traded_at >= session.open.start();
    let off = (row.price.get() - sample).abs();
    fresh.then_some(Distance { bp: off / sample * 10_000.0, cents: off * 100.0 })
}

/// A distance between two prices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distance {
    /// In basis points of the sample.
    pub bp: f64,
    /// In hundredths of the currency.
    pub cents: f64,
}

/// Mean, 95th percentile and greatest of some distances in basis points.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Spread {
    /// The mean; 0 of none.
    pub mean: f64,
    /// The value that 95 of 100 do not exceed.
    pub p95: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// The spread of these values.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let Some(max) = values.last().copied() else { return Self::default() };
        let p95 = values[(values.len() * 95).div_ceil(100).max(1) - 1];
        Self { mean: values.iter().sum::<f64>() / values.len() as f64, p95, max }
    }
}

/// Minutes of each symbol, counted by a name.
pub type ByCause = BTreeMap<String, usize>;

/// The minutes a session expects of each symbol, as the calendar has it.
pub fn expected(calendar: Calendar, sessions: &[Session]) -> MinuteSet {
    let mut minutes = MinuteSet::new();
    let known = |session: &&Session| matches!(calendar.session_on(session.on), Ok(Some(_)));
    for session in sessions.iter().filter(known) {
        minutes.extend_set(&session.minutes());
    }
    minutes
}

/// The session a minute lies in.
pub fn session_of(sessions: &[Session], minute: Minute) -> Option<&Session> {
    sessions.iter().find(|session| session.contains(minute))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_of_all_values() {
        let spread = Spread::of((1..=100).map(f64::from).collect());
        assert_eq!((spread.mean, spread.p95, spread.max), (50.5, 95.0, 100.0));
        assert_eq!(Spread::of(vec![3.0]), Spread { mean: 3.0, p95: 3.0, max: 3.0 });
        assert_eq!(Spread::of(vec![]), Spread::default());
    }
}
