//! The machine's clock, for services whose time is the world's: moving it is waiting.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use mendlake_ports::contracts::TestClock;

#[derive(Clone, Copy, Debug)]
pub(crate) struct MachineClock;

impl Clock for MachineClock {
    #[expect(clippy::disallowed_methods, reason = "a stand-in's time is the machine's")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the machine's clock is past 1970");
        Timestamp::from_epoch_ms(i64::try_from(since.as_millis()).expect("milliseconds since 1970"))
    }

    #[expect(clippy::disallowed_methods, reason = "a stand-in's time is the machine's")]
    async fn sleep_until(&self, at: Timestamp) {
        while let Ok(ms @ 1..) = u64::try_from(at.ms_since(self.now())) {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }
}

impl TestClock for MachineClock {
    async fn advance_ms(&self, ms: i64) {
        self.sleep_until(self.now().plus_ms(ms)).await;
    }
}

/// Runs a suite's work on one thread.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work)
}
