//! HTTP as the vendors' clients see it: a request and a response as values, and a transport between them.
//!
//! The clients' wire code works on these values alone, so the same code runs over real sockets and in the simulation.

pub(crate) mod answer;
pub(crate) mod bars;
pub(crate) mod keyed;
pub(crate) mod object;
#[cfg(feature = "http")]
pub mod reqwest;

use std::future::Future;

/// A GET request. A wrapper around a transport may add headers. Keys go into `headers`, never into `path_and_query`.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Path and query, percent-encoded, beginning with `/`. Or a whole URL, where an answer redirected to it and the client
    /// follows by hand: it may lead to another host, so it is sent without headers and must be `https`.
    pub path_and_query: String,
    /// Headers by lower-case name. May hold a key: `Debug` hides the values.
    pub headers: Vec<(&'static str, String)>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        // A URL that was redirected to may be signed: its query is as good as a key.
        let shown = match self.path_and_query.starts_with('/') {
            true => self.path_and_query.as_str(),
            false => self.path_and_query.split('?').next().unwrap_or_default(),
        };
        f.debug_struct("Request").field("path_and_query", &shown).field("headers", &names).finish()
    }
}

/// A response, its body whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Headers by lower-case name.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Why there is no response. No variant holds a URL or a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No whole answer in the time allowed.
    #[error("no whole answer in time")]
    TimedOut,
    /// No connection, or it broke.
    #[error("the connection failed: {0}")]
    Broken(String),
    /// The body is longer than any answer of this vendor.
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
}

/// Sends requests to one vendor.
///
/// - Redirects are not followed: a 302 is a response like another.
/// - Bodies and times are bounded.
pub trait Transport: Send + Sync {
    /// Sends a GET request and reads the whole answer.
    fn get(&self, request: &Request) -> impl Future<Output = Result<Response, TransportError>> + Send;
}
