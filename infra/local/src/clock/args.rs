//! The flags that choose a clock, the same for every subcommand that has one.

use mendlake_domain::minute::Timestamp;
use serde::{Deserialize, Serialize};

use super::scaled::{Anchor, ScaleError, ScaledClock};
use mendlake_ports::clock::Clock as _;

/// Which clock to run on.
#[derive(Clone, Debug, PartialEq, clap::Args, Serialize, Deserialize)]
#[command(next_help_heading = "Clock")]
pub struct ClockArgs {
    /// Begin at this instant instead of now, such as 2026-11-20T14:25:00Z.
    #[arg(long, global = true, value_name = "INSTANT")]
    pub epoch: Option<Timestamp>,

    /// Run this many times as fast as the machine's clock: 60 makes a minute of each second.
    #[arg(long, global = true, value_name = "TIMES", default_value_t = 1.0)]
    pub rate: f64,

    /// The machine's instant at which the clock stands at --epoch, instead of when this process starts. Give the same
    /// three flags to processes that are to share one clock, and to one that is started again.
    #[arg(long, global = true, value_name = "INSTANT", requires = "epoch")]
    pub epoch_at: Option<Timestamp>,
}

impl Default for ClockArgs {
    fn default() -> Self {
        let rate = 1.0;
        Self { epoch: None, rate, epoch_at: None }
    }
}

impl ClockArgs {
    /// Whether this is the machine's wall clock.
    pub fn is_machine(&self) -> bool {
        *self == Self::default()
    }

    /// The same clock for other processes, and for this one when it is started again: anchored to the machine's clock.
    pub fn anchored(&self) -> Self {
        if self.is_machine() {
            return self.clone();
        }
        let now = ScaledClock::machine().now();
        Self { epoch: self.epoch.or(Some(now)), epoch_at: self.epoch_at.or(Some(now)), rate: self.rate }
    }

    /// The clock these flags choose: the machine's wall clock where none is given.
    pub fn clock(&self) -> Result<ScaledClock, ScaleError> {
        match self.epoch {
            None if self.rate == 1.0 => Ok(ScaledClock::machine()),
            None => ScaledClock::scaled(Anchor { epoch: ScaledClock::machine().now(), machine: None }, self.rate),
            Some(epoch) => ScaledClock::scaled(Anchor { epoch, machine: self.epoch_at }, self.rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_flags_it_is_the_machines_clock_and_an_epoch_moves_it() {
        let epoch: Timestamp = "2013-10-07T13:29:00Z".parse().expect("instant");
        let machine = ScaledClock::machine();
        let args = ClockArgs { epoch: None, rate: 1.0, epoch_at: None };
        assert!(args.clock().expect("clock").now().ms_since(machine.now()).abs() < 1_000);
        let args = ClockArgs { epoch: Some(epoch), ..args };
        assert!(args.clock().expect("clock").now().ms_since(epoch) < 1_000);
        assert!(ClockArgs { rate: 0.0, ..args }.clock().is_err());
    }
}
