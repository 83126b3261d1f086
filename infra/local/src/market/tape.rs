//! One symbol's trading day as it truly was.

use std::ops::Range;

use mendlake_domain::calendar::Session;
use mendlake_domain::candle::Candle;
use mendlake_domain::minute::{Minute, Timestamp};

use super::{Standing, Trade};

/// A trade as it was reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Print {
    pub(super) trade: Trade,
    pub(super) size: f64,
    /// Whether it makes prices; all trades make volume.
    pub(super) eligible: bool,
}

/// The trades and candles of one symbol and trading day, by time.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Tape {
    trades: Vec<Trade>,
    /// Which of them are of the regular session.
    regular: Range<usize>,
    open: f64,
    /// Highest and lowest price of the session so far, after each regular trade.
    extremes: Vec<(f64, f64)>,
    candles: Vec<Candle>,
    regular_candles: Range<usize>,
}

impl Tape {
    /// A day of trades in any order; those of one instant stay in theirs. Without `bars`, candles are made of the trades.
    pub(super) fn of_trades(session: &Session, mut prints: Vec<Print>, bars: Option<Vec<Candle>>) -> Self {
        prints.sort_by_key(|print| print.trade.traded_at);
        let candles = bars.unwrap_or_else(|| candles_of(&prints));
        let trades: Vec<Trade> = prints.iter().filter(|print| print.eligible).map(|print| print.trade).collect();
        let regular = between(&trades, session, |trade| trade.traded_at);
        let prices = trades[regular.clone()].iter().map(|trade| trade.price);
        let open = prices.clone().next().unwrap_or_default();
        let extremes = running(prices.map(|price| (price, price)));
        let regular_candles = between(&candles, session, |candle| candle.minute.start());
        Self { trades, regular, open, extremes, candles, regular_candles }
    }

    /// A day of which only bars are known, ascending: each is seen once it has ended, as one trade in its last
    /// millisecond.
    pub(super) fn of_bars(session: &Session, candles: Vec<Candle>) -> Self {
        let trade = |bar: &Candle| Trade { price: bar.close, traded_at: bar.end().plus_ms(-1) };
        let trades = candles.iter().map(trade).collect();
        let regular = between(&candles, session, |candle| candle.minute.start());
        let open = candles[regular.clone()].first().map(|bar| bar.open).unwrap_or_default();
        let extremes = running(candles[regular.clone()].iter().map(|bar| (bar.high, bar.low)));
        Self { trades, regular: regular.clone(), open, extremes, candles, regular_candles: regular }
    }

    /// The last trade at or before `at`.
    pub(super) fn last(&self, at: Timestamp) -> Option<Trade> {
        let seen = self.trades.partition_point(|trade| trade.traded_at <= at);
        self.trades[..seen].last().copied()
    }

    /// The regular session at `at`, but for the close before it.
    pub(super) fn standing(&self, at: Timestamp) -> Option<Standing> {
        let seen = self.trades[self.regular.clone()].partition_point(|trade| trade.traded_at <= at);
        let newest = seen.checked_sub(1)?;
        let (high, low) = self.extremes[newest];
        let last = self.trades[self.regular.start + newest];
        Some(Standing { last, open: self.open, high, low, previous_close: None })
    }

    /// The candles of `[from, to)`.
    pub(super) fn candles(&self, from: Minute, to: Minute) -> &[Candle] {
        let first = self.candles.partition_point(|candle| candle.minute < from);
        let end = self.candles.partition_point(|candle| candle.minute < to);
        &self.candles[first..end.max(first)]
    }

    /// The close of the last regular candle, of those before `before` where that is given.
    pub(super) fn regular_close(&self, before: Option<Minute>) -> Option<f64> {
        let candles = self.candles[self.regular_candles.clone()].iter().rev();
        candles.into_iter().find(|candle| before.is_none_or(|before| candle.minute < before)).map(|candle| candle.close)
    }
}

/// The part of what is ascending by time that lies in the session.
fn between<T>(items: &[T], session: &Session, at: impl Fn(&T) -> Timestamp) -> Range<usize> {
    let first = items.partition_point(|item| at(item) < session.open.start());
    first..items.partition_point(|item| at(item) < session.close.start())
}

fn running(ranges: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let widen = |so_far: &mut (f64, f64), (high, low): (f64, f64)| {
        *so_far = (so_far.0.max(high), so_far.1.min(low));
        Some(*so_far)
    };
    ranges.scan((f64::NEG_INFINITY, f64::INFINITY), widen).collect()
}

/// Candles of the minutes with eligible trades.
fn candles_of(prints: &[Print]) -> Vec<Candle> {
    let minutes = prints.chunk_by(|a, b| a.trade.traded_at.minute() == b.trade.traded_at.minute());
    minutes.filter_map(candle_of).collect()
}

fn candle_of(prints: &[Print]) -> Option<Candle> {
    let mut prices = prints.iter().filter(|print| print.eligible).map(|print| print.trade.price);
    let open = prices.next()?;
    let mut candle = Candle {
        minute: prints.first()?.trade.traded_at.minute(),
        open,
        high: open,
        low: open,
        close: open,
        volume: prints.iter().map(|print| print.size).sum(),
    };
    for price in prices {
        candle.high = candle.high.max(price);
        candle.low = candle.low.min(price);
        candle.close = price;
    }
    Some(candle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mendlake_domain::calendar::Calendar;

    fn session() -> Session {
        let day = "2026-11-20".parse().expect("a day");
        Calendar::Xnys.session_on(day).expect("in range").expect("a session")
    }

    fn print(at: &str, price: f64, eligible: bool) -> Print {
        let traded_at = format!("2026-11-20T{at}Z").parse().expect("an instant");
        Print { trade: Trade { price, traded_at }, size: 100.0, eligible }
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-11-20T{text}Z").parse().expect("an instant")
    }

    #[test]
    fn candles_have_prices_of_eligible_trades_and_volume_of_all() {
        let prints = vec![
            print("14:30:05", 10.0, true),
            print("14:30:06", 99.0, false),
            print("14:30:07", 9.0, true),
            print("14:30:59.999", 9.5, true),
            print("14:31:00", 5.0, false),
            print("14:32:00", 11.0, true),
        ];
        let tape = Tape::of_trades(&session(), prints, None);
        let candles = tape.candles(session().open, session().close);
        let shape: Vec<_> =
            candles.iter().map(|c| (c.minute.of_hour(), c.open, c.high, c.low, c.close, c.volume)).collect();
        assert_eq!(shape, [(30, 10.0, 10.0, 9.0, 9.5, 400.0), (32, 11.0, 11.0, 11.0, 11.0, 100.0)]);
    }

    #[test]
    fn the_standing_counts_regular_trades_only_and_only_those_seen() {
        let prints = vec![
            print("13:00:00", 50.0, true),
            print("14:30:05", 10.0, true),
            print("15:00:00", 12.0, true),
            print("15:00:00", 8.0, true),
            print("21:00:00", 70.0, true),
        ];
        let tape = Tape::of_trades(&session(), prints, None);
        assert_eq!(tape.standing(at("14:30:04.999")), None);
        assert_eq!(tape.last(at("14:30:04.999")).map(|t| t.price), Some(50.0));
        let first = tape.standing(at("14:30:05")).expect("standing");
        assert_eq!((first.last.price, first.open, first.high, first.low), (10.0, 10.0, 10.0, 10.0));
        let evening = tape.standing(at("23:00:00")).expect("standing");
        assert_eq!((evening.last.price, evening.open, evening.high, evening.low), (8.0, 10.0, 12.0, 8.0));
        assert_eq!(tape.last(at("23:00:00")).map(|t| t.price), Some(70.0));
        assert_eq!(tape.regular_close(None), Some(8.0));
    }

    #[test]
    fn a_bar_is_seen_when_it_has_ended_as_a_trade_of_its_last_millisecond() {
        let bar = |minute: i64, close: f64| Candle {
            minute: session().open + minute,
            open: 9.0,
            high: 12.0,
            low: 7.0,
            close,
            volume: 1.0,
        };
        let tape = Tape::of_bars(&session(), vec![bar(-1, 3.0), bar(0, 10.0), bar(2, 11.0), bar(390, 44.0)]);
        assert_eq!(tape.standing(at("14:30:59.998")), None);
        let first = tape.standing(at("14:31:00")).expect("standing");
        assert_eq!(first.last, Trade { price: 10.0, traded_at: at("14:30:59.999") });
        assert_eq!((first.open, first.high, first.low), (9.0, 12.0, 7.0));
        assert_eq!(tape.standing(at("23:00:00")).map(|s| s.last.price), Some(11.0));
        assert_eq!(tape.last(at("23:00:00")).map(|t| t.price), Some(44.0));
        assert_eq!(tape.regular_close(Some(session().open + 2)), Some(10.0));
    }
}
