//! The stand-ins behind the proxy, each with its services.

use std::time::Duration;

use reqwest::{Client, Method};

use super::asked::Service;
use super::{Answer, Request};

/// Of one connection, and not of what goes over it; and the length, which a changed body has another of.
const HOP_BY_HOP: [&str; 7] =
    ["connection", "keep-alive", "transfer-encoding", "expect", "content-length", "x-request-id", "x-function"];

/// The stand-ins close connections that are idle for five seconds: ours are gone before.
const IDLE: Duration = Duration::from_secs(2);

/// Where each service is asked.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    client: Client,
    ledger: String,
    everything_else: String,
}

impl Routes {
    /// DynamoDB has an endpoint of its own.
    pub(crate) fn new(ledger: String, everything_else: String) -> Self {
        // Somebody else may have installed a provider first, and theirs does too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).pool_idle_timeout(IDLE);
        Self { client: client.build().expect("a client of HTTP"), ledger, everything_else }
    }

    /// Asks the stand-in. One that does not answer is a broken test, not a fault.
    pub(super) async fn ask(&self, request: &Request) -> Answer {
        let base = if request.asked.service == Service::DynamoDb { &self.ledger } else { &self.everything_else };
        let method = Method::from_bytes(request.method.as_bytes()).expect("a method");
        let mut asked = self.client.request(method, format!("{base}{}", request.asked.path));
        for (name, value) in request.headers.iter().filter(|(name, _)| is_passed_on(name)) {
            asked = asked.header(name, value);
        }
        let answered = asked.body(request.body.clone()).send().await;
        let answer = answered.unwrap_or_else(|error| panic!("the stand-in does not answer: {error:?}"));
        let status = answer.status().as_u16();
        let header = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            Some((name.to_string(), value.to_str().ok()?.to_owned())).filter(|(name, _)| is_passed_on(name))
        };
        let headers = answer.headers().iter().filter_map(header).collect();
        let body = answer.bytes().await.expect("the stand-in's answer is whole");
        Answer { status, headers, body }
    }
}

fn is_passed_on(name: &str) -> bool {
    !HOP_BY_HOP.contains(&name)
}
