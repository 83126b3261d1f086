//! HTTP answered from a list: what no stand-in ever says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use serde_json::Value;

use crate::memory::locked;

/// What comes back for a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status and a JSON body.
    Said(u16, Value),
    /// Nothing: the request may have taken effect.
    Lost,
    /// Nothing, and the connection stays.
    Never,
}

impl Answer {
    /// A refusal with this code, as services that speak JSON word it.
    pub(crate) fn refusal(status: u16, code: &str) -> Self {
        Self::Said(status, serde_json::json!({ "__type": code, "message": "in a test" }))
    }
}

/// Answers requests in order and keeps their bodies. Clones share both.
#[derive(Clone, Debug)]
pub(crate) struct Canned {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Canned {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), asked: Arc::default() }
    }

    /// What a client is made from that is answered from here, and tries nothing twice by itself.
    pub(crate) fn config(&self) -> SdkConfig {
        self.config_trying(RetryConfig::disabled())
    }

    /// The same, with tries.
    pub(crate) fn config_trying(&self, tries: RetryConfig) -> SdkConfig {
        let credentials = Credentials::new("id", "secret", None, None, "tests");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(tries)
            .http_client(self.clone())
            .build()
    }

    /// The bodies of the requests so far.
    pub(crate) fn asked(&self) -> Vec<Value> {
        locked(&self.asked).clone()
    }

    /// Answers that nobody has asked for yet.
    pub(crate) fn left(&self) -> usize {
        locked(&self.answers).len()
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().expect("a request's body is in memory");
        locked(&self.asked).push(serde_json::from_slice(body).expect("a request is JSON"));
        let answer = locked(&self.answers).pop_front().expect("the list has an answer left");
        HttpConnectorFuture::new(async move {
            // Others who are at it go on meanwhile, as over a network.
            tokio::task::yield_now().await;
            match answer {
                Answer::Said(status, body) => {
                    let status = status.try_into().expect("a status");
                    Ok(HttpResponse::new(status, SdkBody::from(body.to_string())))
                }
                Answer::Never => std::future::pending().await,
                Answer::Lost => Err(ConnectorError::timeout("no answer came".into())),
            }
        })
    }
}

impl HttpClient for Canned {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// A clock that is at once where somebody waits for it to be. Clones are the same clock.
#[derive(Clone, Debug)]
pub(crate) struct WaitedClock(Arc<Mutex<Timestamp>>);

impl WaitedClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Timestamp::from_epoch_s(1_800_000_000))))
    }

    pub(crate) fn advance_ms(&self, ms: i64) {
        let mut now = locked(&self.0);
        *now = now.plus_ms(ms);
    }
}

impl Clock for WaitedClock {
    fn now(&self) -> Timestamp {
        *locked(&self.0)
    }

    async fn sleep_until(&self, at: Timestamp) {
        let mut now = locked(&self.0);
        *now = (*now).max(at);
    }
}
