//! The contract suites: `fn …(port: &impl Port)`, one check for each sentence of a port's contract.
//!
//! A check panics where the contract is broken. Every suite has an `all` that runs its checks one after the other; what
//! survives power loss is checked apart, by adapters that claim it, because only they know what is left after one.
//! Checks use keys of their own and take back what they sent, so that one store can serve a suite again and again.

pub mod budget;
pub mod control;
pub mod expectations;
pub mod gaps;
pub mod lake;
pub mod landing;
pub mod queue;
pub mod runs;
pub mod secrets;
pub mod sessions;
pub mod set_aside;
pub mod source_states;
pub mod stream;

use std::future::Future;

use chrono::NaiveDate;
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::SourceName;
use mendlake_domain::symbol::Symbol;

use crate::clock::Clock;

/// A clock whose time a test can move. Against a service with a time of its own, moving it is waiting.
pub trait TestClock: Clock {
    /// Moves on by `ms` milliseconds, not negative.
    fn advance_ms(&self, ms: i64) -> impl Future<Output = ()> + Send;
}

/// Makes keys that no other run of a suite makes: a run against a store that was used before takes a new number.
#[derive(Clone, Copy, Debug)]
pub struct Fresh(pub u32);

impl Fresh {
    /// A text that begins with a prefix of this run and this check.
    pub fn text(self, check: &str) -> String {
        format!("run-{}/{check}/", self.0)
    }

    /// A symbol; `check` is at most 12 characters of a symbol.
    pub fn symbol(self, check: &str) -> Symbol {
        format!("R{}.{check}", self.0).parse().expect("a run's number, a point and a few capitals are a symbol")
    }

    /// A source's name; `check` is at most 19 characters of one.
    pub fn source(self, check: &str) -> SourceName {
        format!("r{}:{check}", self.0).parse().expect("a run's number, a colon and a few letters are a source's name")
    }

    /// A trading day of this run, after any real one; 10,000 runs have days of their own.
    pub fn day(self) -> NaiveDate {
        let days = i32::try_from(self.0 % 10_000).expect("below 10,000");
        NaiveDate::from_epoch_days(FIRST_DAY + days).expect("a day before the year 2200")
    }

    /// The first minute of an hour of this run's day.
    pub fn hour(self, hour: u32) -> Minute {
        let day = i64::from(self.day().to_epoch_days());
        Minute::from_index(day * 24 * 60 + i64::from(hour) * 60)
    }
}

/// 2137-01-01, in days since the epoch.
const FIRST_DAY: i32 = 60_996;
