//! SDK clients in virtual time: their waits are the virtual clock's, and it stands still while a call is under way.

use std::fmt;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::config::{AsyncSleep, RuntimeComponents, SharedHttpClient, Sleep};
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use mendlake::clock::{EXCHANGE_HEADER, VirtualClock};
use mendlake_adapters::aws::{self, Aws};
use mendlake_aws_tests::nobodys;
use mendlake_ports::clock::Clock;

use crate::proxy::FUNCTION_HEADER;

/// Everything of a session is in one account.
const ACCOUNT: &str = "000000000001";

/// What makes clients: one pool of connections for all of them.
#[derive(Clone)]
pub(crate) struct Wire {
    http: SharedHttpClient,
    clock: VirtualClock,
    endpoint: String,
}

impl Wire {
    pub(crate) fn new(clock: VirtualClock, endpoint: String) -> Self {
        Self { http: aws::http_client(), clock, endpoint }
    }

    /// What the clients of a function are made from: they wait and try as in real use, in virtual time.
    pub(crate) fn aws(&self, function: &str) -> Aws {
        let clock = self.clock.clone();
        let client = Named { inner: self.http.clone(), clock: clock.clone(), function: function.to_owned() };
        let config = nobodys(&self.endpoint, ACCOUNT, "secret").http_client(client).sleep_impl(Waits(clock));
        Aws::from(config.timeout_config(aws::times()).retry_config(aws::tries()).build())
    }
}

/// The SDK's waits: between tries, and for answers.
struct Waits(VirtualClock);

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waits")
    }
}

impl AsyncSleep for Waits {
    fn sleep(&self, duration: Duration) -> Sleep {
        let clock = self.0.clone();
        let until = clock.now().plus_ms(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2));
        Sleep::new(async move { clock.sleep_until(until).await })
    }
}

/// The HTTP client of one function.
#[derive(Clone)]
struct Named {
    inner: SharedHttpClient,
    clock: VirtualClock,
    function: String,
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Named").field(&self.function).finish()
    }
}

impl HttpClient for Named {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connection { inner, named: self.clone() })
    }
}

#[derive(Debug)]
struct Connection {
    inner: SharedHttpConnector,
    named: Named,
}

impl HttpConnector for Connection {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        // From here until the answer is whole, or nobody waits for it any more.
        let exchange = self.named.clock.begin_exchange();
        request.headers_mut().insert(EXCHANGE_HEADER, exchange.id().to_string());
        request.headers_mut().insert(FUNCTION_HEADER, self.named.function.clone());
        let sent = self.inner.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = sent.await?;
            let body = ByteStream::new(answer.take_body()).collect().await;
            let body = body.map_err(|error| ConnectorError::io(error.into()))?;
            *answer.body_mut() = SdkBody::from(body.into_bytes());
            drop(exchange);
            Ok(answer)
        })
    }
}
