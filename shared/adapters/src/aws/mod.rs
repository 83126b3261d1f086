//! AWS behind the ports. Every adapter takes a client of its service, made from one [`Aws`].

pub mod athena;
#[cfg(test)]
pub(crate) mod canned;
pub mod error;
pub mod lake;
pub mod ledger;
mod pace;
pub mod queue;
pub mod records;
#[cfg(test)]
mod scripted;
pub mod secrets;
pub mod stream;

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

/// Tries of one call, the first one included. What fails then is the stage's to retry.
const TRIES: u32 = 3;

/// Until a connection stands.
const CONNECT: Duration = Duration::from_secs(2);

/// One try of one call.
const ATTEMPT: Duration = Duration::from_secs(10);

/// One call with its tries.
const CALL: Duration = Duration::from_secs(25);

/// A connection that nobody used for so long is not used again: Lambda drops idle ones while a function is frozen, and the
/// first call over such a one fails. Shorter than the minute between two ticks, longer than any pause within a run.
pub(crate) const IDLE: Duration = Duration::from_secs(20);

/// What every client is made from: region, credentials, endpoint, one HTTP client, times and tries.
#[derive(Clone, Debug)]
pub struct Aws(SdkConfig);

impl Aws {
    /// From where AWS's own tools look: the environment (`AWS_REGION`, `AWS_ENDPOINT_URL`, …), then the profile.
    pub async fn found() -> Self {
        let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client());
        Self(loader.timeout_config(times()).retry_config(tries()).load().await)
    }

    /// What an SDK's client is made from.
    pub fn config(&self) -> &SdkConfig {
        &self.0
    }
}

/// The HTTP client of every AWS client: TLS by rustls on ring.
pub fn http_client() -> SharedHttpClient {
    Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).pool_idle_timeout(IDLE).build_https()
}

/// How long every client waits.
pub fn times() -> TimeoutConfig {
    let times = TimeoutConfig::builder().connect_timeout(CONNECT);
    times.operation_attempt_timeout(ATTEMPT).operation_timeout(CALL).build()
}

/// How often every client tries, where an adapter does not say otherwise.
pub fn tries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(TRIES)
}

impl From<SdkConfig> for Aws {
    fn from(config: SdkConfig) -> Self {
        Self(config)
    }
}
