//! The vendors without a socket: for simulations that have none.

use std::sync::Arc;

use mendlake_adapters::http::{Request, Response, Transport, TransportError};
use mendlake_ports::clock::Clock;

use super::Vendor;
use super::answer::Ending;

/// Asks the vendors directly. What would break a connection is a broken one here too, delays are waited for on the clock.
#[derive(Clone)]
pub struct DirectTransport<C> {
    vendor: Arc<Vendor>,
    clock: C,
}

impl<C: Clock> DirectTransport<C> {
    /// Asks `vendor` at the clock's time.
    pub fn new(vendor: Arc<Vendor>, clock: C) -> Self {
        Self { vendor, clock }
    }
}

impl<C: Clock> Transport for DirectTransport<C> {
    async fn get(&self, request: &Request) -> Result<Response, TransportError> {
        let now = self.clock.now();
        let answer = self.vendor.answer(now, request);
        if answer.delay_ms > 0 {
            self.clock.sleep_until(now.plus_ms(answer.delay_ms)).await;
        }
        match answer.ending {
            Ending::Whole => Ok(Response {
                status: answer.status,
                headers: answer.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                body: answer.body.to_vec(),
            }),
            Ending::Truncated(_) => Err(TransportError::Broken("the body ends early".to_owned())),
            Ending::Reset => Err(TransportError::Broken("reset".to_owned())),
            Ending::Never => std::future::pending().await,
        }
    }
}
