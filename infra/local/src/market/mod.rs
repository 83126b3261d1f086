//! The market the vendors look at: what truly traded, for any instant, generated from a seed or recorded.

mod generated;
mod lines;
mod path;
mod profile;
mod recorded;
mod tape;

use std::sync::Arc;

use chrono::NaiveDate;
use mendlake_domain::calendar::{Calendar, Session, days, days_before};
use mendlake_domain::candle::Candle;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::symbol::Symbol;

pub use generated::GeneratedMarket;
pub use profile::Profile;
pub use recorded::{RecordedError, RecordedMarket, Wanted};

use tape::Tape;

/// How many days back the last trade of a symbol is looked for. Ten sessions: whoever was silent longer has no price.
const LOOK_BACK_DAYS: u64 = 14;

/// A trade as the tape has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trade {
    /// Its price.
    pub price: f64,
    /// When.
    pub traded_at: Timestamp,
}

/// What is known of a symbol's regular session at an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// The last regular trade.
    pub last: Trade,
    /// The session's first price.
    pub open: f64,
    /// The session's highest price so far.
    pub high: f64,
    /// The session's lowest price so far.
    pub low: f64,
    /// The close of the last regular candle of an earlier session, where there is one.
    pub previous_close: Option<f64>,
}

/// A symbol as the vendors' directory lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The symbol.
    pub symbol: Symbol,
    /// What it is, in words.
    pub description: String,
}

/// A market: for every instant, what had traded by then. Answers do not depend on the order of the questions.
#[derive(Debug)]
pub struct Market {
    data: Data,
    calendar: Calendar,
    listings: Vec<Listing>,
    closes: Vec<Minute>,
}

#[derive(Debug)]
enum Data {
    Generated(GeneratedMarket),
    Recorded(RecordedMarket),
}

impl From<GeneratedMarket> for Market {
    fn from(market: GeneratedMarket) -> Self {
        let (calendar, listings) = (market.calendar(), market.listings());
        Self { data: Data::Generated(market), calendar, listings, closes: Vec::new() }
    }
}

impl From<RecordedMarket> for Market {
    fn from(market: RecordedMarket) -> Self {
        let (calendar, listings) = (market.calendar(), market.listings());
        Self { data: Data::Recorded(market), calendar, listings, closes: Vec::new() }
    }
}

impl Market {
    /// The market with a close that the calendar does not know: from `at` on nothing trades until that trading day ends.
    pub fn closing_unannounced(mut self, at: Minute) -> Self {
        self.closes.push(at);
        self
    }

    /// The closes that the calendar does not know.
    pub fn unannounced_closes(&self) -> &[Minute] {
        &self.closes
    }

    /// The calendar its sessions follow.
    pub fn calendar(&self) -> Calendar {
        self.calendar
    }

    /// Every symbol there is, ascending.
    pub fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// Every symbol there is, ascending.
    pub fn symbols(&self) -> Vec<Symbol> {
        self.listings.iter().map(|listing| listing.symbol.clone()).collect()
    }

    /// The listing of a symbol by its spelling.
    pub fn listing(&self, symbol: &str) -> Option<&Listing> {
        self.index(symbol).map(|index| &self.listings[index])
    }

    /// The sessions with data among the days of `[first, last]`, ascending. A generated market has every session of its
    /// calendar, a recorded one those in which some symbol traded in regular hours.
    pub fn sessions(&self, first: NaiveDate, last: NaiveDate) -> Vec<Session> {
        let on = |day| self.calendar.session_on(day).ok().flatten();
        match &self.data {
            Data::Generated(_) => {
                let (known_from, known_to) = self.calendar.range();
                days(first.max(known_from), last.min(known_to)).filter_map(on).collect()
            }
            Data::Recorded(market) => market.days().filter(|day| (first..=last).contains(day)).filter_map(on).collect(),
        }
    }

    /// The last trade at or before `at`, extended hours included, of that trading day or of one up to 14 days before.
    ///
    /// Of a recorded symbol-session without trades it is the close of the last bar that had ended by then, traded in the
    /// bar's last millisecond: when it truly traded is not known.
    pub fn last_trade(&self, symbol: &str, at: Timestamp) -> Option<Trade> {
        let index = self.index(symbol)?;
        self.days_back(at).find_map(|on| self.tape(index, on)?.last(self.seen_until(on, at)))
    }

    /// The regular session at `at`: the last one of this symbol, up to 14 days back, in which it had traded by then.
    pub fn standing(&self, symbol: &str, at: Timestamp) -> Option<Standing> {
        let index = self.index(symbol)?;
        self.days_back(at).find_map(|on| {
            let mut standing = self.tape(index, on)?.standing(self.seen_until(on, at))?;
            standing.previous_close = self.close_before(index, on);
            Some(standing)
        })
    }

    /// The candles of `[from, to)`, ascending, of every minute in which something traded, extended hours included.
    pub fn candles(&self, symbol: &str, from: Minute, to: Minute) -> Vec<Candle> {
        self.candles_lazily(symbol, from, to).collect()
    }

    /// As [`Market::candles`], a trading day at a time: a long range costs what is taken of it.
    pub fn candles_lazily<'a>(&'a self, symbol: &str, from: Minute, to: Minute) -> impl Iterator<Item = Candle> + 'a {
        let (first, last) = self.calendar.range();
        let first = self.calendar.day_of(from).max(first);
        let last = self.calendar.day_of(to + -1).min(last);
        let index = self.index(symbol).filter(|_| from < to);
        let of_day = move |on| {
            let tape = index.and_then(|index| self.tape(index, on));
            let to = self.close_of(on).map_or(to, |close| to.min(close));
            tape.map(|tape| tape.candles(from, to).to_vec()).unwrap_or_default()
        };
        days(first, if index.is_some() { last } else { NaiveDate::MIN }).flat_map(of_day)
    }

    fn index(&self, symbol: &str) -> Option<usize> {
        self.listings.binary_search_by(|listing| listing.symbol.as_str().cmp(symbol)).ok()
    }

    fn tape(&self, index: usize, on: NaiveDate) -> Option<Arc<Tape>> {
        match &self.data {
            Data::Generated(market) => market.tape(index, on),
            Data::Recorded(market) => market.tape(index, on),
        }
    }

    /// The trading day of an instant and those before it, newest first.
    fn days_back(&self, at: Timestamp) -> impl Iterator<Item = NaiveDate> + use<> {
        let today = self.calendar.day_of(at.minute());
        (0..=LOOK_BACK_DAYS).map(move |back| days_before(today, back))
    }

    fn close_before(&self, index: usize, on: NaiveDate) -> Option<f64> {
        let before = |back| days_before(on, back);
        (1..=LOOK_BACK_DAYS).map(before).find_map(|on| self.tape(index, on)?.regular_close(self.close_of(on)))
    }

    fn close_of(&self, on: NaiveDate) -> Option<Minute> {
        self.closes.iter().copied().filter(|close| self.calendar.day_of(*close) == on).min()
    }

    /// The last instant of what can be seen of a day's trading at `at`.
    fn seen_until(&self, on: NaiveDate, at: Timestamp) -> Timestamp {
        self.close_of(on).map_or(at, |close| at.min(close.start().plus_ms(-1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(text: &str) -> Minute {
        text.parse().expect("a minute")
    }

    fn market() -> Market {
        GeneratedMarket::new(7, Calendar::Xnys).into()
    }

    #[test]
    fn after_an_unannounced_close_nothing_trades_until_the_day_ends() {
        let close = minute("2026-11-20T18:00:00Z");
        let (open, shut) = (market(), market().closing_unannounced(close));
        let day =
            |market: &Market| market.candles("SPY", minute("2026-11-20T08:00:00Z"), minute("2026-11-21T08:00:00Z"));
        let before = |candles: Vec<Candle>| candles.into_iter().filter(|c| c.minute < close).collect::<Vec<_>>();
        assert!(day(&open).iter().any(|c| c.minute >= close));
        assert_eq!(day(&shut), before(day(&open)));
        let evening = minute("2026-11-20T22:00:00Z").start();
        assert!(shut.last_trade("SPY", evening).expect("a trade").traded_at < close.start());
        assert_eq!(
            shut.standing("SPY", evening).expect("standing").last,
            shut.last_trade("SPY", close.start().plus_ms(-1)).expect("trade")
        );
    }

    #[test]
    fn the_next_day_closes_before_at_the_unannounced_close() {
        let close = minute("2026-11-20T18:00:00Z");
        let shut = market().closing_unannounced(close);
        let monday = minute("2026-11-23T15:00:00Z").start();
        let last = shut.candles("SPY", minute("2026-11-20T14:30:00Z"), close).last().expect("a candle").close;
        assert_eq!(shut.standing("SPY", monday).expect("standing").previous_close, Some(last));
        assert_ne!(market().standing("SPY", monday).expect("standing").previous_close, Some(last));
    }

    #[test]
    fn an_unknown_symbol_has_nothing() {
        let market = market();
        let noon = minute("2026-11-20T17:00:00Z");
        assert_eq!(market.last_trade("NOPE", noon.start()), None);
        assert_eq!(market.standing("NOPE", noon.start()), None);
        assert_eq!(market.candles("NOPE", noon, noon + 60), []);
        assert_eq!(market.listing("NOPE"), None);
        assert_eq!(market.listing("SPY").map(|l| l.symbol.to_string()), Some("SPY".to_owned()));
    }

    #[test]
    fn candles_are_those_of_the_range_and_agree_with_the_trades() {
        let market = market();
        let (from, to) = (minute("2026-11-20T15:00:00Z"), minute("2026-11-20T15:30:00Z"));
        let candles = market.candles("SPY", from, to);
        assert_eq!(candles.iter().map(|c| c.minute).collect::<Vec<_>>(), from.until(to).collect::<Vec<_>>());
        for candle in candles {
            let last = market.last_trade("SPY", candle.end().plus_ms(-1)).expect("a trade");
            assert_eq!(last.price, candle.close, "{}", candle.minute);
            assert!(candle.low <= candle.open.min(candle.close) && candle.high >= candle.open.max(candle.close));
        }
        assert_eq!(market.candles("SPY", to, from), [], "reversed");
    }

    #[test]
    fn on_a_weekend_the_standing_is_fridays() {
        let market = market();
        let sunday = minute("2026-11-22T15:00:00Z").start();
        let standing = market.standing("SPY", sunday).expect("standing");
        assert!(standing.last.traded_at < minute("2026-11-20T21:00:00Z").start());
        assert!(standing.last.traded_at >= minute("2026-11-20T20:59:00Z").start());
        assert!(standing.low <= standing.last.price && standing.last.price <= standing.high);
    }

    #[test]
    fn sessions_of_a_range_are_the_calendars() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        let sessions = market().sessions(day("2026-11-25"), day("2026-11-30"));
        assert_eq!(
            sessions.iter().map(|s| s.on.to_string()).collect::<Vec<_>>(),
            ["2026-11-25", "2026-11-27", "2026-11-30"]
        );
        assert_eq!(market().sessions(day("1990-01-01"), day("2999-01-01")).len(), 7041);
    }
}
