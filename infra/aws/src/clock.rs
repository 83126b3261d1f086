//! The machine's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;

/// The longest single wait: a function that was frozen wakes with another time.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The machine's wall clock, which AWS keeps.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineClock;

impl Clock for MachineClock {
    #[expect(clippy::disallowed_methods, reason = "this is the real clock's adapter")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_epoch_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the real clock's adapter")]
    async fn sleep_until(&self, at: Timestamp) {
        loop {
            let ahead_ms = u64::try_from(at.ms_since(self.now())).unwrap_or(0);
            if ahead_ms == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(ahead_ms).min(LONGEST_WAIT)).await;
        }
    }
}
