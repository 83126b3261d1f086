//! A market made from a seed, a symbol-session at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{NaiveDate, NaiveTime};
use mendlake_domain::calendar::{Calendar, Session, days_before};
use mendlake_domain::minute::{Minute, Timestamp};
use rand::Rng;

use super::path::{Purpose, between, fraction, level, numbers, walk};
use super::profile::Profile;
use super::tape::{Print, Tape};
use super::{Listing, Trade};

/// How many symbol-sessions are kept made: a day of the largest watchlist of a free key and its day before. Those of a
/// liquid symbol take a megabyte.
const KEPT: usize = 128;

/// A market made from a seed. The same seed, calendar and profiles give the same trades, whatever is asked first.
#[derive(Debug)]
pub struct GeneratedMarket {
    seed: u64,
    calendar: Calendar,
    profiles: Vec<Profile>,
    made: Mutex<HashMap<(usize, NaiveDate), Arc<Tape>>>,
}

impl GeneratedMarket {
    /// The standard symbols.
    pub fn new(seed: u64, calendar: Calendar) -> Self {
        Self::with_profiles(seed, calendar, Profile::standard())
    }

    /// Symbols of one's own; of two with one name the later stands.
    pub fn with_profiles(seed: u64, calendar: Calendar, profiles: Vec<Profile>) -> Self {
        let by_symbol: std::collections::BTreeMap<_, _> = profiles.into_iter().map(|p| (p.symbol.clone(), p)).collect();
        Self { seed, calendar, profiles: by_symbol.into_values().collect(), made: Mutex::default() }
    }

    pub(super) fn calendar(&self) -> Calendar {
        self.calendar
    }

    /// In the order of the profiles: by symbol.
    pub(super) fn listings(&self) -> Vec<Listing> {
        let listing = |p: &Profile| Listing { symbol: p.symbol.clone(), description: p.description.clone() };
        self.profiles.iter().map(listing).collect()
    }

    /// The trading day of a symbol, by its place among the listings; `None` on a day without a session.
    pub(super) fn tape(&self, index: usize, on: NaiveDate) -> Option<Arc<Tape>> {
        let session = self.calendar.session_on(on).ok().flatten()?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() >= KEPT {
            made.clear();
        }
        Some(made.entry((index, on)).or_insert_with(|| Arc::new(self.make(&self.profiles[index], session))).clone())
    }

    fn make(&self, profile: &Profile, session: Session) -> Tape {
        let day = i64::from(chrono::Datelike::num_days_from_ce(&session.on));
        let mut rng = numbers(self.seed, profile.symbol.as_str(), day, Purpose::Day);
        let hours = Hours::draw(&mut rng, profile, session);
        let minutes = self.day(session);
        let times: Vec<Timestamp> =
            minutes.0.until(minutes.1).flat_map(|m| hours.trades(&mut rng, profile, m)).collect();
        let (from, to) = (session.open.start(), session.close.start());
        let length = to.ms_since(from) as f64;
        let fractions: Vec<f64> = times.iter().map(|at| (at.ms_since(from) as f64 / length).clamp(0.0, 1.0)).collect();
        let (open, close) = self.ends(profile, session, &mut rng);
        let prices = walk(&mut rng, profile, open, close, &fractions);
        let print = |(traded_at, price)| Print {
            trade: Trade { price, traded_at },
            size: 100.0 * between(&mut rng, 1, 9) as f64,
            eligible: true,
        };
        Tape::of_trades(&session, times.into_iter().zip(prices).map(print).collect(), None)
    }

    /// Where the session's price begins and ends: it begins near where the session before ended, but for a break.
    fn ends(&self, profile: &Profile, session: Session, rng: &mut impl Rng) -> (f64, f64) {
        let close = level(self.seed, profile, session.on);
        let session_before = |day: &NaiveDate| self.calendar.session_on(*day).is_ok_and(|session| session.is_some());
        let before = (1..=14).map(|back| days_before(session.on, back)).find(session_before);
        let gap = 1.0 + super::path::normal(rng) * profile.daily_move * 0.3;
        let before = before.map_or(close, |day| level(self.seed, profile, day));
        let broke = !(0.8..1.25).contains(&(close / before));
        (if broke { close * gap } else { before * gap }, close)
    }

    /// The minutes in which anything may trade: 04:00 to 20:00 where there are extended hours.
    fn day(&self, session: Session) -> (Minute, Minute) {
        let wall = |hour| NaiveTime::from_hms_opt(hour, 0, 0).expect("a time of day");
        match self.calendar {
            Calendar::Xnys => {
                (self.calendar.at_wall_time(session.on, wall(4)), self.calendar.at_wall_time(session.on, wall(20)))
            }
            Calendar::Always => (session.open, session.close),
        }
    }
}

/// When a symbol trades on one day.
struct Hours {
    session: Session,
    absent: bool,
    first: Minute,
    silent: (Minute, Minute),
}

impl Hours {
    fn draw(rng: &mut impl Rng, profile: &Profile, session: Session) -> Self {
        let absent = fraction(rng) < profile.absent;
        let late = if fraction(rng) < profile.opens_late { between(rng, 2, 60) } else { 0 };
        let silent_for = if fraction(rng) < profile.falls_silent { between(rng, 60, 150) } else { 0 };
        // After the first half hour and over before the last: a session's ends are told by other oddities.
        let latest = (session.close.since(session.open) - 30 - silent_for).max(30);
        let silent_from = session.open + between(rng, 30, latest);
        Self { session, absent, first: session.open + late, silent: (silent_from, silent_from + silent_for) }
    }

    /// The instants of a minute's trades, ascending.
    fn trades(&self, rng: &mut impl Rng, profile: &Profile, minute: Minute) -> Vec<Timestamp> {
        let regular = self.session.contains(minute);
        let probability = if regular { profile.busy } else { profile.extended };
        let silent = self.silent.0 <= minute && minute < self.silent.1;
        // Who opens late traded nowhere before, or the late open would be a stale one.
        let waits = self.first != self.session.open && minute < self.first;
        if fraction(rng) >= probability || self.absent || silent || waits {
            return Vec::new();
        }
        let most = i64::from(if regular { profile.most_trades } else { 3 });
        let count = between(rng, (most / 3).max(1), most);
        let mut times: Vec<_> = (0..count).map(|_| minute.start().plus_ms(between(rng, 0, 59_999))).collect();
        times.sort_unstable();
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Market;
    use mendlake_domain::candle::Candle;

    fn session(on: &str) -> Session {
        Calendar::Xnys.session_on(on.parse().expect("a day")).expect("in range").expect("a session")
    }

    fn regular(market: &Market, symbol: &str, session: Session) -> Vec<Candle> {
        market.candles(symbol, session.open, session.close)
    }

    /// Sessions of two months.
    fn sessions(market: &Market) -> Vec<Session> {
        market.sessions("2026-09-01".parse().expect("day"), "2026-10-31".parse().expect("day"))
    }

    #[test]
    fn the_same_seed_is_the_same_market_whatever_is_asked_first() {
        let (one, other): (Market, Market) =
            (GeneratedMarket::new(5, Calendar::Xnys).into(), GeneratedMarket::new(5, Calendar::Xnys).into());
        let (monday, friday) = (session("2026-11-23"), session("2026-11-20"));
        let first = (regular(&one, "AAPL", friday), regular(&one, "DBB", monday));
        let second = (regular(&other, "DBB", monday), regular(&other, "AAPL", friday));
        assert_eq!(first, (second.1, second.0));
        let third: Market = GeneratedMarket::new(6, Calendar::Xnys).into();
        assert_ne!(regular(&third, "AAPL", friday), first.0);
    }

    #[test]
    fn a_market_made_twice_over_its_memory_is_still_the_same() {
        let market: Market = GeneratedMarket::new(5, Calendar::Xnys).into();
        let friday = session("2026-11-20");
        let before = regular(&market, "GONE", friday);
        for day in market.sessions("2025-01-01".parse().expect("day"), "2026-06-30".parse().expect("day")) {
            market.candles("GONE", day.open, day.close);
        }
        assert_eq!(regular(&market, "GONE", friday), before);
    }

    #[test]
    fn one_known_day_never_changes() {
        let market: Market = GeneratedMarket::new(1, Calendar::Xnys).into();
        let candles = regular(&market, "BAC", session("2026-11-20"));
        let digest =
            candles.iter().flat_map(|c| [c.open, c.high, c.low, c.close, c.volume]).fold(0_u64, |digest, value| {
                super::super::path::fnv1a(&[digest.to_le_bytes(), value.to_bits().to_le_bytes()].concat())
            });
        assert_eq!((candles.len(), digest), (390, KNOWN_DAY), "a changed generator is a changed market: say so");
    }

    const KNOWN_DAY: u64 = 16_538_415_784_907_711_628;

    #[test]
    fn liquid_symbols_trade_every_minute_and_thin_ones_in_one_of_five() {
        let market: Market = GeneratedMarket::new(2, Calendar::Xnys).into();
        let share = |symbol: &str| {
            let days = sessions(&market);
            let candles: usize = days.iter().map(|session| regular(&market, symbol, *session).len()).sum();
            candles as f64 / days.iter().map(|session| session.len()).sum::<usize>() as f64
        };
        assert_eq!(share("SPY"), 1.0);
        assert!((0.95..0.99).contains(&share("INDA")), "{}", share("INDA"));
        assert!((0.17..0.23).contains(&share("DBB")), "{}", share("DBB"));
        assert!((0.005..0.05).contains(&share("GONE")), "{}", share("GONE"));
    }

    #[test]
    fn a_liquid_symbol_trades_every_second_or_so_and_in_extended_hours() {
        let market: Market = GeneratedMarket::new(2, Calendar::Xnys).into();
        let day = session("2026-11-20");
        let mut seen = Vec::new();
        for second in 0..600 {
            seen.extend(market.last_trade("SPY", day.open.start().plus_s(3600 + second)).map(|trade| trade.traded_at));
        }
        seen.dedup();
        assert!(seen.len() > 250, "{} different last trades in 600 s", seen.len());
        assert!(market.candles("SPY", day.open + -330, day.open).len() > 50, "before the open");
        assert!(market.candles("SPY", day.close, day.close + 240).len() > 50, "after the close");
    }

    #[test]
    fn every_oddity_comes_up_within_two_months() {
        let market: Market = GeneratedMarket::new(2, Calendar::Xnys).into();
        let days = sessions(&market);
        let first = |symbol: &str, session: &Session| {
            regular(&market, symbol, *session).first().map(|candle| candle.minute.since(session.open))
        };
        let late: Vec<_> = days.iter().filter_map(|day| first("LATE", day)).collect();
        assert!(late.contains(&0) && late.iter().any(|first| *first > 20), "{late:?}");
        let quiet = |symbol: &str, session: &Session| {
            let minutes: Vec<_> = regular(&market, symbol, *session).iter().map(|candle| candle.minute).collect();
            minutes.windows(2).map(|pair| pair[1].since(pair[0]) - 1).max().unwrap_or(0)
        };
        assert!(days.iter().any(|day| quiet("HUSH", day) >= 60));
        assert!(days.iter().any(|day| quiet("HUSH", day) < 20));
        assert!(days.iter().all(|day| quiet("AAPL", day) == 0));
        let absent = days.iter().filter(|day| first("GONE", day).is_none()).count();
        assert!(absent > 5 && absent < days.len(), "{absent} of {}", days.len());
    }

    #[test]
    fn one_symbols_price_breaks_overnight_and_no_others_does() {
        let market: Market = GeneratedMarket::new(2, Calendar::Xnys).into();
        for listing in market.listings() {
            let symbol = listing.symbol.as_str();
            let opens = sessions(&market).into_iter().filter_map(|session| {
                let standing = market.standing(symbol, session.close.start().plus_ms(-1))?;
                (standing.last.traded_at >= session.open.start()).then_some(standing)
            });
            let breaks = opens.filter(|s| s.previous_close.is_some_and(|pc| (s.open / pc - 1.0).abs() > 0.25)).count();
            assert_eq!(breaks > 3, symbol == "SPLT", "{symbol}: {breaks}");
        }
    }

    #[test]
    fn a_day_of_the_calendar_always_is_made_too() {
        let market: Market = GeneratedMarket::new(2, Calendar::Always).into();
        let day =
            Calendar::Always.session_on("2026-11-22".parse().expect("day")).expect("in range").expect("a session");
        assert_eq!(regular(&market, "SPY", day).len(), 1440);
        assert!(market.standing("SPY", day.open.start().plus_s(30)).expect("standing").previous_close.is_some());
    }

    #[test]
    fn a_close_is_near_the_next_sample_as_on_real_markets() {
        let market: Market = GeneratedMarket::new(2, Calendar::Xnys).into();
        let day = session("2026-11-20");
        let distances: Vec<f64> = (day.open + 1)
            .until(day.close)
            .map(|minute| {
                let sample = market.last_trade("SPY", minute.start().plus_ms(1_600)).expect("a trade").price;
                let close = market.candles("SPY", minute + -1, minute)[0].close;
                ((sample - close) / close).abs() * 10_000.0
            })
            .collect();
        let mean = distances.iter().sum::<f64>() / distances.len() as f64;
        assert!((0.2..2.0).contains(&mean), "{mean} bp");
    }
}
