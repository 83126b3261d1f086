//! The clock that asks the machine: as it is, or scaled.

use std::future::Future;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;

use super::{ExchangeId, ServerClock};

/// The longest single wait on the machine: its wall clock may be set meanwhile, and is looked at this often.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Where a scaled clock stands at one of the machine's instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The scaled clock's instant.
    pub epoch: Timestamp,
    /// The machine's instant at which it is so; now where it is not told. Processes that are to share a scaled clock
    /// share both.
    pub machine: Option<Timestamp>,
}

/// Why a scale is refused.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("a clock's rate is above 0 and at most 100000, where 60 makes a minute of each second: `{0}`")]
pub struct ScaleError(f64);

/// The machine's clock, or a scaled one: `epoch + elapsed × rate`.
///
/// Unscaled, it follows the machine's wall clock, which may be set forth and back. Scaled, it follows the monotonic clock
/// from where it was anchored, and never runs backwards.
#[derive(Clone, Copy, Debug)]
pub struct ScaledClock {
    scale: Option<Scale>,
}

#[derive(Clone, Copy, Debug)]
struct Scale {
    epoch: Timestamp,
    began: Instant,
    /// How much real time had passed since the anchor when this process began; negative where the anchor is to come.
    ahead_s: f64,
    rate: f64,
}

impl ScaledClock {
    /// The machine's wall clock.
    pub const fn machine() -> Self {
        Self { scale: None }
    }

    /// A clock that begins as the machine's wall clock stands and that nobody sets: for waits that must end whatever
    /// happens to that.
    pub fn steady() -> Self {
        let (epoch, began) = (machine_now(), monotonic_now());
        let (ahead_s, rate) = (0.0, 1.0);
        let scale = Scale { epoch, began, ahead_s, rate };
        Self { scale: Some(scale) }
    }

    /// A clock that runs `rate` times as fast as the machine's from where it is anchored.
    pub fn scaled(anchor: Anchor, rate: f64) -> Result<Self, ScaleError> {
        if !(rate > 0.0 && rate <= 100_000.0) {
            return Err(ScaleError(rate));
        }
        let ahead_s = anchor.machine.map_or(0.0, |at| machine_now().ms_since(at) as f64 / 1000.0);
        Ok(Self { scale: Some(Scale { epoch: anchor.epoch, began: monotonic_now(), ahead_s, rate }) })
    }

    /// Whether it is another clock than the machine's.
    pub const fn is_scaled(&self) -> bool {
        self.scale.is_some()
    }

    /// How long to wait on the machine for an instant of this clock; zero where it has come.
    fn wait_for(&self, at: Timestamp) -> Duration {
        let ahead_ms = at.ms_since(self.now()).max(0) as f64;
        let rate = self.scale.map_or(1.0, |scale| scale.rate);
        // Rounded up to a whole machine millisecond: tokio's timers are no finer, and a sleep never ends early.
        Duration::from_millis((ahead_ms / rate).ceil() as u64).min(LONGEST_WAIT)
    }
}

impl Clock for ScaledClock {
    fn now(&self) -> Timestamp {
        let Some(scale) = self.scale else { return machine_now() };
        let elapsed_s = monotonic_now().duration_since(scale.began).as_secs_f64() + scale.ahead_s;
        scale.epoch.plus_ms((elapsed_s * scale.rate * 1000.0).floor() as i64)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the real clock's adapter")]
    fn sleep_until(&self, at: Timestamp) -> impl Future<Output = ()> + Send {
        let clock = *self;
        async move {
            while clock.now() < at {
                tokio::time::sleep(clock.wait_for(at)).await;
            }
        }
    }
}

impl ServerClock for ScaledClock {
    async fn keep(&self, _exchange: Option<ExchangeId>, at: Option<Timestamp>) {
        match at {
            Some(at) => self.sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the real clock's adapter")]
pub(super) fn machine_now() -> Timestamp {
    let before_1970 = |e: std::time::SystemTimeError| -(e.duration().as_millis() as i64);
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or_else(before_1970, |since| since.as_millis() as i64);
    Timestamp::from_epoch_ms(ms)
}

#[expect(clippy::disallowed_methods, reason = "this is the real clock's adapter")]
pub(super) fn monotonic_now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    fn block_on<F: Future>(work: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(work)
    }

    #[test]
    fn a_scaled_clock_begins_at_its_epoch_and_runs_at_its_rate() {
        let epoch = at("2026-11-20T14:29:00Z");
        let clock = ScaledClock::scaled(Anchor { epoch, machine: None }, 1000.0).expect("scale");
        let began = monotonic_now();
        block_on(clock.sleep_until(epoch.plus_s(60)));
        let took = began.elapsed();
        assert!(clock.now() >= epoch.plus_s(60));
        assert!(took >= Duration::from_millis(59) && took < Duration::from_secs(5), "{took:?}");
        block_on(clock.sleep_until(epoch));
    }

    #[test]
    fn two_clocks_with_one_anchor_agree_whenever_they_were_made() {
        let anchor = Anchor { epoch: at("2026-11-20T14:29:00Z"), machine: Some(machine_now().plus_s(-10)) };
        let first = ScaledClock::scaled(anchor, 60.0).expect("scale");
        assert!(first.now() >= anchor.epoch.plus_s(600));
        block_on(first.sleep_until(first.now().plus_s(60)));
        let second = ScaledClock::scaled(anchor, 60.0).expect("scale");
        let apart = second.now().ms_since(first.now()).abs();
        // A busy machine may pause this thread between its clocks; made at other times they would be minutes apart.
        assert!(apart < 20_000, "{apart} ms of scaled time, which is {} ms of real time", apart / 60);
    }

    #[test]
    fn a_scaled_clock_never_runs_backwards() {
        let clock =
            ScaledClock::scaled(Anchor { epoch: at("2026-11-20T14:29:00Z"), machine: None }, 7.5).expect("scale");
        let mut last = clock.now();
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn an_impossible_rate_is_refused() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 100_001.0] {
            let anchor = Anchor { epoch: Timestamp::default(), machine: None };
            assert!(ScaledClock::scaled(anchor, rate).is_err(), "{rate}");
        }
    }

    #[test]
    fn unscaled_it_is_the_machines_wall_clock() {
        let clock = ScaledClock::machine();
        assert!(clock.now().ms_since(machine_now()).abs() < 1_000);
        let until = clock.now().plus_ms(20);
        block_on(clock.sleep_until(until));
        assert!(clock.now() >= until);
    }
}
