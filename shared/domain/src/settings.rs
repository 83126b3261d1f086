//! What a lake's owner chooses; checked once, before the first event.

use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::minute::{Minute, Timestamp};
use crate::symbol::Symbol;
use crate::task::SYMBOLS_A_SAMPLE;

/// Whole seconds from M + 1 to M + 9 in which sample messages become visible.
const SAMPLE_SECONDS: usize = 8;

/// Parameters of the stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whose sessions are expected.
    pub calendar: Calendar,
    /// How long a minute may be in flight before its absence counts.
    pub settle_ms: i64,
    /// How long rows may wait in the stream before they land.
    pub landing_window_ms: i64,
    /// The live provider's calls in 60 s, until its answers tell.
    pub rate_limit: u32,
    /// A symbol that trades every minute: where nothing liquid is watched, it tells whether the market was open.
    pub reference: Symbol,
}

/// Why settings are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Minutes would count as missing while they are still on their way.
    #[error(
        "the settle time must be at least twice the landing window and 2 min: {least_s} s at this landing window, not {settle_s} s"
    )]
    SettlesTooSoon {
        /// The least settle time, in seconds.
        least_s: i64,
        /// The one given.
        settle_s: i64,
    },
    /// Not above zero.
    #[error("must be above zero: `{0}`")]
    NotPositive(&'static str),
    /// More symbols than the provider can be asked for in a minute's first seconds.
    #[error(
        "{symbols} symbols are more than the {most} that {limit} calls a minute allow: remove some, or use a key with a higher limit"
    )]
    TooManySymbols {
        /// How many are watched.
        symbols: usize,
        /// How many may be.
        most: usize,
        /// The provider's limit.
        limit: u32,
    },
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            calendar: Calendar::Xnys,
            settle_ms: 300_000,
            landing_window_ms: 60_000,
            rate_limit: 60,
            reference: "SPY".parse().expect("SPY is a symbol"),
        }
    }
}

impl Settings {
    /// Checks what the types cannot say.
    pub fn check(&self) -> Result<(), SettingsError> {
        let named = [
            (self.settle_ms, "settle"),
            (self.landing_window_ms, "landing_window"),
            (i64::from(self.rate_limit), "rate_limit"),
        ];
        if let Some((_, name)) = named.into_iter().find(|(value, _)| *value <= 0) {
            return Err(SettingsError::NotPositive(name));
        }
        let least_ms = 2 * self.landing_window_ms + 120_000;
        if self.settle_ms < least_ms {
            return Err(SettingsError::SettlesTooSoon { least_s: least_ms / 1000, settle_s: self.settle_ms / 1000 });
        }
        Ok(())
    }

    /// The minutes that are past settling at `now` are those before this one.
    pub fn horizon(&self, now: Timestamp) -> Minute {
        now.plus_ms(-self.settle_ms).minute() + 1
    }

    /// Refuses a watchlist that cannot be sampled at a provider's limit.
    pub fn check_watchlist(symbols: usize, limit: u32) -> Result<(), SettingsError> {
        let most = most_symbols(limit);
        if symbols > most { Err(SettingsError::TooManySymbols { symbols, most, limit }) } else { Ok(()) }
    }
}

/// How many symbols can be sampled in a minute at this limit: three calls are left for probes, and the sampling seconds
/// hold 25 calls each.
pub fn most_symbols(limit: u32) -> usize {
    (limit.saturating_sub(3) as usize).min(SYMBOLS_A_SAMPLE * SAMPLE_SECONDS)
}

/// Calls of a window that nobody plans: for probes, and for calls that are made twice.
pub fn rate_reserve(limit: u32) -> u32 {
    limit.div_ceil(20).max(3)
}

/// Calls of a window that replay may make: what live collection and a reserve of 5 %, at least 3, leave.
pub fn replay_share(limit: u32, live_symbols: usize) -> u32 {
    let reserve = rate_reserve(limit);
    let live = u32::try_from(live_symbols).unwrap_or(u32::MAX);
    limit.saturating_sub(live).saturating_sub(reserve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_allowed_and_a_settle_time_inside_the_flight_time_is_not() {
        assert_eq!(Settings::default().check(), Ok(()));
        let just = Settings { settle_ms: 240_000, ..Settings::default() };
        assert_eq!(just.check(), Ok(()));
        let short = Settings { settle_ms: 239_999, ..Settings::default() };
        assert!(short.check().expect_err("too soon").to_string().contains("240 s"));
        assert!(Settings { rate_limit: 0, ..Settings::default() }.check().is_err());
    }

    #[test]
    fn a_minute_is_past_settling_when_the_settle_time_has_passed_since_its_start() {
        let settings = Settings::default();
        let minute = Minute::from_index(1000);
        assert_eq!(settings.horizon(minute.start().plus_ms(300_000)), minute + 1);
        assert_eq!(settings.horizon(minute.start().plus_ms(299_999)), minute);
    }

    #[test]
    fn the_provider_is_shared_with_live_collection_first() {
        assert_eq!((most_symbols(60), most_symbols(2), most_symbols(300)), (57, 0, 200));
        assert_eq!(replay_share(60, 8), 49);
        assert_eq!(replay_share(60, 57), 0, "healing waits for the end of the session");
        assert_eq!(replay_share(300, 100), 185);
        assert!(Settings::check_watchlist(57, 60).is_ok());
        let error = Settings::check_watchlist(58, 60).expect_err("too many").to_string();
        assert!(error.contains("58 symbols") && error.contains("57"), "{error}");
    }
}
