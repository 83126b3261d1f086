//! Clocks: the machine's, a scaled one, and the virtual one that jumps from wait to wait.

mod args;
mod exchange;
mod scaled;
mod step;
mod timers;
mod virtual_clock;

use std::future::Future;

use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;

pub use args::ClockArgs;
pub use exchange::{EXCHANGE_HEADER, Exchange, ExchangeId, ExchangingTransport};
pub use scaled::{Anchor, ScaleError, ScaledClock};
pub use step::StepWatch;
pub use virtual_clock::VirtualClock;

/// A clock a server can keep an answer waiting on.
///
/// While the answer to an exchange is kept, that exchange holds up nobody's time: a virtual clock may advance.
pub trait ServerClock: Clock + 'static {
    /// Keeps the answer to `exchange` until `at`, for ever where there is none. An exchange that is unknown or over is
    /// no error: its caller has gone.
    fn keep(&self, exchange: Option<ExchangeId>, at: Option<Timestamp>) -> impl Future<Output = ()> + Send;
}
