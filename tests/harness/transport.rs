//! The way to the vendors without a socket, and the keys they are asked with.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mendlake::finnhub::{Ending, Vendor};
use mendlake_adapters::http::{Request, Response, Transport, TransportError};
use mendlake_adapters::memory::clock::ManualClock;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::secrets::{Key, Secret, Secrets};

use crate::faults::SimFaults;
use crate::served::{Asked, Served};

/// How long an answer takes where nothing delays it, in milliseconds: at least and at most.
const ANSWERED_AFTER_MS: (i64, i64) = (40, 700);

/// The difference between the vendors' time and the pipeline's clock, which may be set.
#[derive(Clone, Debug, Default)]
pub struct Skew(Arc<AtomicI64>);

impl Skew {
    /// The vendors' time at an instant of the pipeline's clock.
    pub fn true_time(&self, at: Timestamp) -> Timestamp {
        at.plus_ms(self.0.load(Ordering::Relaxed))
    }

    /// Sets it, in milliseconds that the vendors are ahead.
    pub fn set(&self, ms: i64) {
        self.0.store(ms, Ordering::Relaxed);
    }
}

/// Asks the vendors at the true time and delivers as they say.
#[derive(Clone)]
pub struct SimTransport {
    /// Whom it asks.
    pub vendor: Arc<Vendor>,
    /// The pipeline's clock.
    pub clock: ManualClock,
    /// How far it is off.
    pub skew: Skew,
    /// The dice for how long an answer takes.
    pub faults: SimFaults,
    /// Where requests are noted.
    pub served: Arc<Served>,
}

impl Transport for SimTransport {
    async fn get(&self, request: &Request) -> std::result::Result<Response, TransportError> {
        let now = self.clock.now();
        let answer = self.vendor.answer(self.skew.true_time(now), request);
        self.served.asked(Asked {
            at: now,
            live_providers_candles: request.path_and_query.starts_with("/api/v1/stock/candle"),
            status: answer.status,
        });
        let (least, most) = ANSWERED_AFTER_MS;
        let takes_ms = self.faults.throw(|dice| dice.between(least, most)) + answer.delay_ms;
        self.clock.sleep_until(now.plus_ms(takes_ms)).await;
        let broken = |why: &str| Err(TransportError::Broken(why.to_owned()));
        match answer.ending {
            Ending::Whole => Ok(Response {
                status: answer.status,
                headers: answer.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                body: answer.body.to_vec(),
            }),
            Ending::Truncated(_) => broken("the body ends early"),
            Ending::Reset => broken("reset"),
            Ending::Never => pending().await,
        }
    }
}

/// Keys that are exchanged for new ones while everything runs.
#[derive(Clone, Debug, Default)]
pub struct SimSecrets(Arc<Mutex<BTreeMap<&'static str, Secret>>>);

impl SimSecrets {
    /// Puts a key in place of the one there was.
    pub fn put(&self, name: &'static str, key: &str, version: &str) {
        let (key, version) = (Key::new(key).expect("the harness's keys are keys"), version.to_owned());
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(name, Secret { key, version });
    }
}

impl Secrets for SimSecrets {
    async fn secret(&self, name: &str, _fresh: bool) -> Result<Secret> {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let none = || PortError::new(Kind::Denied, format!("read the key `{name}`: there is none"));
        keys.get(name).cloned().ok_or_else(none)
    }
}
