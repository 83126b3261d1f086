//! The real transport: reqwest, with TLS by rustls and the machine's own roots.

use std::error::Error;
use std::time::Duration;

use ::reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use ::reqwest::{Client, Proxy, Url, redirect};

use super::{Request, Response, Transport, TransportError};

/// The longest body of any answer. The largest there is, the directory of US symbols, has 7.2 MB and grows slowly; it
/// exists whole in memory while it is read, and a function on AWS may have 128 MB for all it does.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// The last resort against a call that never ends. Deadlines belong to the stages, against the `Clock` port; this is
/// beyond every one of them, and beyond the slowest answers seen, which took more than a minute.
const LAST_RESORT: Duration = Duration::from_secs(180);

/// The last resort against a host that never answers a connection.
const LAST_RESORT_CONNECT: Duration = Duration::from_secs(30);

/// A connection that nobody used for so long is not used again: shorter than the minute between two bursts, since whatever lies
/// between drops idle ones (Lambda does, while a function is frozen), and a sample is not asked for twice.
const IDLE: Duration = Duration::from_secs(20);

/// Why a transport cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The base is no URL such as `https://finnhub.io`.
    #[error("the vendor's address is not like `https://host` (no user, query or fragment)")]
    NoBase,
    /// The base would send keys readable.
    #[error(
        "the vendor's address must be `https`: `http` is for this machine alone, since the key would travel readable"
    )]
    NotEncrypted,
    /// The proxy is no URL.
    #[error("the proxy's address is not like `http://host:port`")]
    NoProxy,
    /// TLS could not be set up, such as where the machine has no root certificates.
    #[error("set up TLS")]
    Tls(#[source] ::reqwest::Error),
}

/// Sends requests to one vendor over real sockets. Cheap to clone; clones share their connections.
///
/// - Redirects are not followed, bodies end at [`MAX_BODY_BYTES`], and a call ends after three minutes at the latest.
/// - Proxies named by the environment or the system are not used: a key goes only where the configuration says.
/// - A request of a whole URL goes without headers, over `https`, or to this very machine where the base is on it too.
/// - Header values never appear in `Debug`, and errors hold no URL.
#[derive(Clone)]
pub struct ReqwestTransport {
    client: Client,
    base: Url,
}

impl ReqwestTransport {
    /// A transport to the vendor at `base_url`, through the proxy where there is one.
    pub fn new(base_url: &str, proxy: Option<&str>) -> Result<Self, SetupError> {
        let base = base(base_url)?;
        // Somebody else may have installed a provider first, and theirs does too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("mendlake/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .pool_idle_timeout(IDLE)
            .timeout(LAST_RESORT)
            .connect_timeout(LAST_RESORT_CONNECT);
        if let Some(proxy) = proxy {
            builder = builder.proxy(Proxy::all(proxy).map_err(|_| SetupError::NoProxy)?);
        }
        let client = builder.build().map_err(|error| SetupError::Tls(error.without_url()))?;
        Ok(Self { client, base })
    }

    /// Where a request goes, and with which headers.
    fn target(&self, request: &Request) -> Result<(Url, HeaderMap), TransportError> {
        let path = &request.path_and_query;
        if path.starts_with('/') {
            // Appended to the text: `Url::join` would read `//host/path` as another host.
            let url = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
            let url = Url::parse(&url).map_err(|_| broken("the request's path is none"))?;
            return Ok((url, headers(request)?));
        }
        let url = Url::parse(path).map_err(|_| broken("the redirect leads to no URL"))?;
        let plain_here = is_this_machine(&self.base) && url.scheme() == "http" && url.host() == self.base.host();
        if (url.scheme() != "https" && !plain_here) || !url.username().is_empty() || url.password().is_some() {
            return Err(broken("the redirect leads out of `https`"));
        }
        Ok((url, HeaderMap::new()))
    }
}

impl Transport for ReqwestTransport {
    async fn get(&self, request: &Request) -> Result<Response, TransportError> {
        let (url, headers) = self.target(request)?;
        let mut answer = self.client.get(url).headers(headers).send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        // A header that is no text is none that is looked at.
        let text =
            |(name, value): (&HeaderName, &HeaderValue)| Some((name.to_string(), value.to_str().ok()?.to_owned()));
        let headers = answer.headers().iter().filter_map(text).collect();
        if answer.content_length().is_some_and(|length| length > MAX_BODY_BYTES as u64) {
            return Err(TransportError::TooLong(MAX_BODY_BYTES));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(TransportError::TooLong(MAX_BODY_BYTES));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status, headers, body })
    }
}

fn base(text: &str) -> Result<Url, SetupError> {
    let url = Url::parse(text).map_err(|_| SetupError::NoBase)?;
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    match url.scheme() {
        "http" | "https" if !bare => Err(SetupError::NoBase),
        "https" => Ok(url),
        "http" if is_this_machine(&url) => Ok(url),
        "http" => Err(SetupError::NotEncrypted),
        _ => Err(SetupError::NoBase),
    }
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

fn headers(request: &Request) -> Result<HeaderMap, TransportError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let mut value = HeaderValue::from_str(value).map_err(|_| broken("a header's value cannot be sent"))?;
        value.set_sensitive(true);
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| broken("a header's name cannot be sent"))?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn broken(why: &str) -> TransportError {
    TransportError::Broken(why.to_owned())
}

/// The innermost cause says it best: `Connection refused`, where the outermost says that a request was not sent.
fn failed(error: ::reqwest::Error) -> TransportError {
    if error.is_timeout() {
        return TransportError::TimedOut;
    }
    let error = error.without_url();
    let mut cause: &dyn Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    TransportError::Broken(cause.to_string())
}

#[cfg(test)]
mod tests;
