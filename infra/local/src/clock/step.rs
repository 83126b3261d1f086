//! Steps of the machine's wall clock: set by hand, by the network, or left standing while the machine slept.

use std::time::Instant;

use mendlake_domain::minute::Timestamp;

use super::scaled::{machine_now, monotonic_now};

/// Notices when the wall clock and the monotonic clock disagree on how much time has passed.
#[derive(Clone, Copy, Debug)]
pub struct StepWatch {
    wall: Timestamp,
    monotonic: Instant,
}

impl StepWatch {
    /// Watches from now on.
    pub fn begin() -> Self {
        Self { wall: machine_now(), monotonic: monotonic_now() }
    }

    /// By how many milliseconds the wall clock has been put forth since it was last asked; negative where it was put back.
    /// A machine that slept looks as if its clock had been put forth.
    pub fn step_ms(&mut self) -> i64 {
        let now = Self::begin();
        let passed = now.monotonic.duration_since(self.monotonic).as_millis();
        let step = now.wall.ms_since(self.wall) - i64::try_from(passed).unwrap_or(i64::MAX);
        *self = now;
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_runs_has_no_step_and_one_that_was_set_has() {
        let mut watch = StepWatch::begin();
        assert!(watch.step_ms().abs() < 50);
        watch.wall = watch.wall.plus_s(3600);
        let step = watch.step_ms();
        assert!((-3_600_050..-3_599_950).contains(&step), "put back: {step}");
        assert!(watch.step_ms().abs() < 50, "told once");
    }
}
