//! A DynamoDB whose answers a test makes up: for failures that no stand-in gives.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::config::http::{HttpRequest, HttpResponse};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, RuntimeComponents};
use aws_sdk_dynamodb::{Client, Config};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use serde_json::{Value, json};

use super::DynamoDbLedger;
use crate::memory::clock::ManualClock;

/// What a request is answered with.
pub(super) enum Answer {
    /// A status and a body.
    Says(u16, Value),
    /// Nothing: the connection breaks.
    Lost,
}

impl Answer {
    /// Success.
    pub(super) fn ok(body: Value) -> Self {
        Self::Says(200, body)
    }

    /// A refusal with this code.
    pub(super) fn refusal(code: &str, message: &str) -> Self {
        Self::Says(400, json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": message }))
    }

    /// The refusal of a condition by this item.
    pub(super) fn refused_by(item: Option<&Value>) -> Self {
        let code = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
        let mut body = json!({ "__type": code, "message": "The conditional request failed" });
        if let Some(item) = item {
            body["Item"] = item.clone();
        }
        Self::Says(400, body)
    }
}

/// A request: its operation and its body.
pub(super) type Asked = (String, Value);

type Answers = Box<dyn FnMut(&[Asked]) -> Answer + Send>;

/// The answers, and what was asked so far.
#[derive(Clone)]
pub(super) struct Canned(Arc<Mutex<(Answers, Vec<Asked>)>>);

impl Canned {
    /// Answers each request by a function of all there were, the newest last.
    pub(super) fn new(answers: impl FnMut(&[Asked]) -> Answer + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new((Box::new(answers), Vec::new()))))
    }

    /// What was asked.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.0.lock().unwrap().1.clone()
    }

    /// The operations asked for.
    pub(super) fn operations(&self) -> Vec<String> {
        self.asked().into_iter().map(|(operation, _)| operation).collect()
    }

    /// A ledger that asks this one, each call at most three times.
    pub(super) fn ledger(&self) -> DynamoDbLedger<Hasty> {
        let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url("http://dynamodb.test")
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .retry_config(retries)
            .http_client(self.clone());
        DynamoDbLedger::new(Client::from_conf(config.build()), "ledger", "w", Hasty::default())
    }

    fn answer(&self, request: &HttpRequest) -> Answer {
        let target = request.headers().get("x-amz-target").expect("DynamoDB's protocol names the operation");
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = serde_json::from_slice(request.body().bytes().expect("a body in memory")).unwrap();
        let mut state = self.0.lock().unwrap();
        let (answers, asked) = &mut *state;
        asked.push((operation, body));
        answers(asked)
    }
}

impl fmt::Debug for Canned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canned")
    }
}

impl HttpClient for Canned {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(match self.answer(&request) {
            Answer::Says(status, body) => {
                Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string())))
            }
            Answer::Lost => Err(ConnectorError::io("the connection broke".into())),
        })
    }
}

/// A clock that never lets anybody wait: it moves on to where they sleep to.
#[derive(Clone, Debug)]
pub(super) struct Hasty(ManualClock);

impl Default for Hasty {
    fn default() -> Self {
        Self(ManualClock::new(Timestamp::from_epoch_s(1_795_000_000)))
    }
}

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep_until(&self, at: Timestamp) {
        self.0.advance_to(at);
    }
}
