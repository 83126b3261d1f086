//! HTTP exchanges: what the virtual clock waits for before it advances.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use mendlake_adapters::http::{Request, Response, Transport, TransportError};

use super::virtual_clock::{Inner, VirtualClock};

/// The header in which a request carries its exchange.
pub const EXCHANGE_HEADER: &str = "x-request-id";

/// The number of an exchange, unique within one clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub(super) u64);

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ExchangeId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Something under way that no timer shows: while it is active, the virtual clock stands still. Over when dropped.
///
/// Not only for HTTP: whoever waits for another thread (a database's writer, `spawn_blocking`) holds one meanwhile, or
/// the clock runs on without them.
#[must_use = "the exchange is over when this is dropped"]
pub struct Exchange {
    pub(super) id: ExchangeId,
    pub(super) clock: Arc<Inner>,
}

impl Exchange {
    /// Its number.
    pub fn id(&self) -> ExchangeId {
        self.id
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.clock.end_exchange(self.id);
    }
}

/// A transport under a virtual clock: time stands still from sending until the answer is whole or the call is dropped,
/// but for what the server itself waits for.
#[derive(Clone)]
pub struct ExchangingTransport<T> {
    inner: T,
    clock: VirtualClock,
}

impl<T: Transport> ExchangingTransport<T> {
    /// Sends through `inner`, under `clock`.
    pub fn new(inner: T, clock: VirtualClock) -> Self {
        Self { inner, clock }
    }
}

impl<T: Transport> Transport for ExchangingTransport<T> {
    async fn get(&self, request: &Request) -> Result<Response, TransportError> {
        let exchange = self.clock.begin_exchange();
        let mut request = request.clone();
        request.headers.push((EXCHANGE_HEADER, exchange.id().to_string()));
        self.inner.get(&request).await
    }
}
