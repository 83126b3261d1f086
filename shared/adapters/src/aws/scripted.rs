//! HTTP answered by a function, whatever the protocol: for what is not a list of JSON answers (`canned`), as a bucket in memory.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// `GET`, `PUT`, …
    pub(super) method: String,
    /// From the host's name on, with the query.
    pub(super) path: String,
    /// The headers by name.
    pub(super) headers: Vec<(String, String)>,
    /// The body.
    pub(super) body: Vec<u8>,
}

impl Asked {
    /// A header's value.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// Status, headers, body.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The connection breaks: nothing is known of what was done.
    Lost,
}

impl Answer {
    /// A status with a body.
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Whole(status, vec![], body.into())
    }

    /// A refusal as S3 writes it.
    pub(super) fn s3(status: u16, code: &str) -> Self {
        Self::new(status, format!("<Error><Code>{code}</Code><Message>scripted</Message></Error>"))
    }
}

/// Everything that was asked, in its order.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Mutex<Vec<Asked>>>);

impl Log {
    /// What was asked until now.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.0.lock().expect("no test panicked with it").clone()
    }
}

/// What clients are made from whose every call this function answers. Nothing is tried twice, except with `tries`.
pub(super) fn config(tries: u32, answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> (SdkConfig, Log) {
    let log = Log::default();
    let connector = SharedHttpConnector::new(Scripted { answer: Arc::new(answer), log: log.clone() });
    let credentials = Credentials::new("nobody", "nothing", None, None, "scripted");
    let retry = RetryConfig::standard().with_max_attempts(tries).with_initial_backoff(std::time::Duration::ZERO);
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .retry_config(retry)
        .build();
    (config, log)
}

struct Scripted<F> {
    answer: Arc<F>,
    log: Log,
}

impl<F> fmt::Debug for Scripted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl<F: Fn(&Asked) -> Answer + Send + Sync> HttpConnector for Scripted<F> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let uri = request.uri().to_owned();
        let asked = Asked {
            method: request.method().to_owned(),
            path: uri.split_once("://").map_or(uri.clone(), |(_, rest)| rest.to_owned()),
            headers: request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: request.body().bytes().unwrap_or_default().to_vec(),
        };
        let answer = (self.answer)(&asked);
        self.log.0.lock().expect("no test panicked with it").push(asked);
        HttpConnectorFuture::ready(match answer {
            Answer::Whole(status, headers, body) => {
                let status = status.try_into().expect("a status");
                let mut response = HttpResponse::new(status, SdkBody::from(body));
                for (name, value) in headers {
                    response.headers_mut().insert(name, value);
                }
                Ok(response)
            }
            Answer::Lost => Err(ConnectorError::io("the connection was reset".into())),
        })
    }
}
