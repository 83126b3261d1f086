//! What lies between a client and its stand-in: calls are counted, and answers lost on purpose.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::http::HttpRequest;
use aws_sdk_dynamodb::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use mendlake_adapters::aws::http_client;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It arrives and takes effect, and its answer is lost.
    AnswerLost,
    /// It never arrives.
    NeverSent,
}

/// Calls by operation, and the fates of calls to come.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    inner: SharedHttpClient,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    calls: BTreeMap<String, usize>,
    /// For an operation, what becomes of its next calls.
    fates: BTreeMap<&'static str, Vec<Fate>>,
}

impl Wire {
    pub(super) fn new() -> Self {
        Self { inner: http_client(), state: Arc::default() }
    }

    /// What becomes of an operation's next calls, first to last.
    pub(super) fn next(&self, operation: &'static str, fates: &[Fate]) {
        self.state
            .lock()
            .expect("nobody panics with it")
            .fates
            .insert(operation, fates.iter().rev().copied().collect());
    }

    /// Calls by operation since this was asked last.
    pub(super) fn counted(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.state.lock().expect("nobody panics with it").calls)
    }

    /// Counts a call; gives its fate.
    fn note(&self, request: &HttpRequest) -> Option<Fate> {
        let target = request.headers().get("x-amz-target").expect("DynamoDB's protocol names the operation");
        let operation = target.rsplit('.').next().expect("a split has a part");
        let mut state = self.state.lock().expect("nobody panics with it");
        *state.calls.entry(operation.to_owned()).or_default() += 1;
        state.fates.get_mut(operation).and_then(Vec::pop)
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connection { inner, wire: self.clone() })
    }
}

#[derive(Debug)]
struct Connection {
    inner: SharedHttpConnector,
    wire: Wire,
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let broken = || ConnectorError::io("the connection broke".into());
        match self.wire.note(&request) {
            None => self.inner.call(request),
            Some(Fate::NeverSent) => HttpConnectorFuture::ready(Err(broken())),
            Some(Fate::AnswerLost) => {
                let sent = self.inner.call(request);
                HttpConnectorFuture::new(async move {
                    sent.await?;
                    Err(broken())
                })
            }
        }
    }
}
