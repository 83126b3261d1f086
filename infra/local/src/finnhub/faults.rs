//! Which faults hit a request.

use mendlake_domain::calendar::Calendar;
use mendlake_domain::candle::Candle;
use mendlake_domain::minute::Timestamp;

use crate::market::Market;

use super::answer::{Answer, Ending};
use super::asked::Asked;
use super::chance::{drawn, happens};
use super::script::{Fault, What};
use super::window::When;

/// A script's faults and the seed that decides what it leaves to chance.
#[derive(Debug)]
pub(super) struct Faults {
    seed: u64,
    faults: Vec<Fault>,
}

/// The faults that hit one request.
#[derive(Debug)]
pub(super) struct Active<'a> {
    faults: Vec<&'a Fault>,
    calendar: Calendar,
    now: Timestamp,
}

impl Faults {
    pub(super) fn new(seed: u64, faults: Vec<Fault>) -> Self {
        Self { seed, faults }
    }

    pub(super) fn active(&self, now: Timestamp, asked: &Asked, market: &Market) -> Active<'_> {
        let calendar = market.calendar();
        let hits = |(place, fault): (usize, &'_ Fault)| {
            let endpoint = fault.endpoints.is_empty() || fault.endpoints.contains(&asked.endpoint);
            fault.what.hits(asked.endpoint)
                && endpoint
                && during(fault, calendar, now)
                && self.symbol(place as u64, fault, now, asked, market)
                && self.by_chance(place as u64, fault, now, asked)
        };
        let faults = self.faults.iter().enumerate().filter(|(place, fault)| hits((*place, fault)));
        Active { faults: faults.map(|(_, fault)| fault).collect(), calendar, now }
    }

    /// Whether the request's symbol is one of the fault's, or the one drawn this minute.
    fn symbol(&self, place: u64, fault: &Fault, now: Timestamp, asked: &Asked, market: &Market) -> bool {
        if !fault.draw_one {
            let among = |symbol: &String| fault.symbols.iter().any(|s| s.as_str() == symbol);
            return fault.symbols.is_empty() || asked.symbols.iter().any(among);
        }
        let all: Vec<&str> = if fault.symbols.is_empty() {
            market.listings().iter().map(|listing| listing.symbol.as_str()).collect()
        } else {
            fault.symbols.iter().map(|symbol| symbol.as_str()).collect()
        };
        let chosen = drawn(self.seed, "", &[place, now.minute().index().cast_unsigned()]) % all.len().max(1) as u64;
        asked.symbols.iter().any(|symbol| all.get(chosen as usize) == Some(&symbol.as_str()))
    }

    fn by_chance(&self, place: u64, fault: &Fault, now: Timestamp, asked: &Asked) -> bool {
        let numbers = [place, asked.endpoint as u64, now.epoch_ms().cast_unsigned()];
        fault.probability >= 1.0 || happens(fault.probability, drawn(self.seed, &asked.symbols.join(","), &numbers))
    }
}

fn during(fault: &Fault, calendar: Calendar, now: Timestamp) -> bool {
    let at = |when: When| when.on_day_of(calendar, now.minute());
    fault.from.is_none_or(|from| at(from) <= now) && fault.to.is_none_or(|to| now < at(to))
}

impl Active<'_> {
    /// The name of the first fault.
    pub(super) fn name(&self) -> Option<&'static str> {
        self.faults.first().map(|fault| fault.what.name())
    }

    /// The status of a proxy that answers instead of the vendor.
    pub(super) fn down(&self) -> Option<u16> {
        self.find(|what| if let What::Down { status } = what { Some(status) } else { None })
    }

    pub(super) fn key_refused(&self) -> bool {
        self.has(What::KeyRefused)
    }

    pub(super) fn not_entitled(&self) -> bool {
        self.has(What::NotEntitled)
    }

    pub(super) fn throttled(&self) -> bool {
        self.has(What::Throttled)
    }

    /// Whether this fault, which has no parameters, is among them.
    pub(super) fn has(&self, what: What) -> bool {
        self.faults.iter().any(|fault| fault.what == what)
    }

    /// When the earliest of the freezes began.
    pub(super) fn frozen_at(&self) -> Option<Timestamp> {
        let frozen = self.faults.iter().filter(|fault| fault.what == What::Frozen).filter_map(|fault| fault.from);
        frozen.map(|from| from.on_day_of(self.calendar, self.now.minute())).min()
    }

    /// How much later than usual candles are, in seconds.
    pub(super) fn candles_late_s(&self) -> i64 {
        let late = |what| {
            if let What::CandlesLate { minutes } = what { Some(minutes * 60) } else { None }
        };
        self.faults.iter().filter_map(|fault| late(fault.what)).max().unwrap_or(0)
    }

    /// A candle as it is answered: not at all where a hole is, with other prices where they are wrong.
    pub(super) fn candle(&self, candle: Candle) -> Option<Candle> {
        self.faults.iter().try_fold(candle, |mut candle, fault| match fault.what {
            What::Hole { missing_from, missing_to } => {
                let (at, day) = (candle.minute.start(), candle.minute);
                let from = missing_from.on_day_of(self.calendar, day);
                let to = missing_to.on_day_of(self.calendar, day);
                (at < from || at >= to).then_some(candle)
            }
            What::WrongPrices { percent } => {
                for price in [&mut candle.open, &mut candle.high, &mut candle.low, &mut candle.close] {
                    *price = (*price * (1.0 + percent / 100.0) * 10_000.0).round() / 10_000.0;
                }
                Some(candle)
            }
            _ => Some(candle),
        })
    }

    /// Puts delays and broken connections on an answer.
    pub(super) fn deliver(&self, answer: &mut Answer) {
        for fault in &self.faults {
            let ending = match fault.what {
                What::Slow { seconds } => {
                    answer.delay_ms += (seconds * 1000.0).round() as i64;
                    continue;
                }
                What::Truncated { bytes } => Ending::Truncated(bytes),
                What::Reset => Ending::Reset,
                What::Hang => Ending::Never,
                _ => continue,
            };
            if answer.ending == Ending::Whole {
                answer.ending = ending;
            }
        }
    }

    fn find<T>(&self, pick: impl Fn(What) -> Option<T>) -> Option<T> {
        self.faults.iter().find_map(|fault| pick(fault.what))
    }
}
