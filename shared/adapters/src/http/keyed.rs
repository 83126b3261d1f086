//! A call with a key: repeated once where the key is refused and the store has a newer one.

use std::future::Future;

use mendlake_ports::Kind;
use mendlake_ports::error::PortError;
use mendlake_ports::secrets::{Secret, Secrets};
use mendlake_ports::source::{KeyVersion, Reply, SourceError};

/// Makes a call with the key of this name. Where the key is refused, reads it fresh, and calls once more if its version
/// differs: a key is rotated without a restart, and a wrong one costs one call.
pub(crate) async fn with_key<T, F>(secrets: &impl Secrets, name: &str, call: impl Fn(Secret) -> F + Send) -> Reply<T>
where
    T: Send,
    F: Future<Output = Reply<T>> + Send,
{
    let secret = match secrets.secret(name, false).await {
        Ok(secret) => secret,
        Err(error) => return no_key(&error),
    };
    let used = secret.version.clone();
    let first = call(secret).await;
    if !matches!(first.outcome, Err(SourceError::Denied)) {
        return first;
    }
    match secrets.secret(name, true).await {
        Ok(secret) if secret.version != used => {
            let second = call(secret).await;
            Reply { rate: second.rate.or(first.rate), ..second }
        }
        // The store failing now changes nothing: the vendor has refused the key there was.
        Ok(_) | Err(_) => first,
    }
}

/// The version of the key of this name; empty where there is none, which no key's version is.
pub(crate) async fn version(secrets: &impl Secrets, name: &str) -> KeyVersion {
    secrets.secret(name, false).await.map(|secret| secret.version).unwrap_or_default()
}

fn no_key<T>(error: &PortError) -> Reply<T> {
    let outcome = match error.kind {
        Kind::Throttled | Kind::Unavailable => SourceError::Unavailable { why: error.chain() },
        Kind::Denied | Kind::Rejected | Kind::Corrupt => SourceError::Denied,
    };
    Reply { outcome: Err(outcome), rate: None }
}

#[cfg(test)]
pub(crate) mod fakes {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use mendlake_ports::Result;
    use mendlake_ports::secrets::Key;

    use super::*;
    use crate::http::{Request, Response, Transport, TransportError};

    /// A transport that answers from a list and keeps what it was asked.
    pub(crate) struct Scripted {
        answers: Mutex<VecDeque<std::result::Result<Response, TransportError>>>,
        asked: Mutex<Vec<Request>>,
    }

    impl Scripted {
        pub(crate) fn new(answers: impl IntoIterator<Item = std::result::Result<Response, TransportError>>) -> Self {
            Self { answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::default() }
        }

        pub(crate) fn asked(&self) -> Vec<Request> {
            self.asked.lock().expect("no test panics inside").clone()
        }
    }

    impl Transport for Scripted {
        async fn get(&self, request: &Request) -> std::result::Result<Response, TransportError> {
            self.asked.lock().expect("no test panics inside").push(request.clone());
            self.answers.lock().expect("no test panics inside").pop_front().expect("the script has an answer left")
        }
    }

    /// A cached key, and the one in the store or why it cannot be read. Keys of one length have one version.
    pub(crate) struct TwoKeys {
        pub(crate) cached: &'static str,
        pub(crate) stored: std::result::Result<&'static str, Kind>,
    }

    impl Secrets for TwoKeys {
        async fn secret(&self, _: &str, fresh: bool) -> Result<Secret> {
            let text = if fresh { self.stored } else { Ok(self.cached) };
            let text = text.map_err(|kind| PortError::new(kind, "read the key"))?;
            let key = Key::new(text).map_err(|why| PortError::new(Kind::Denied, why))?;
            Ok(Secret { key, version: format!("version-of-{}", text.len()) })
        }
    }

    /// A response with a body and headers.
    pub(crate) fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Response { status, headers, body: body.as_bytes().to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::fakes::TwoKeys;
    use super::*;

    /// Calls with a vendor that knows one key only; gives the keys it was called with.
    async fn called(keys: TwoKeys, good: &str) -> (std::result::Result<(), SourceError>, Vec<String>) {
        let used = Mutex::new(Vec::new());
        let reply = with_key(&keys, "x", |secret| {
            let key = secret.key.expose().to_owned();
            let outcome = if key == good { Ok(()) } else { Err(SourceError::Denied) };
            used.lock().expect("lock").push(key);
            async move { Reply { outcome, rate: None } }
        });
        (reply.await.outcome, used.into_inner().expect("lock"))
    }

    #[tokio::test]
    async fn a_key_that_is_taken_is_used_once_and_never_read_fresh() {
        let (outcome, used) = called(TwoKeys { cached: "good", stored: Err(Kind::Unavailable) }, "good").await;
        assert_eq!((outcome, used.len()), (Ok(()), 1));
    }

    #[tokio::test]
    async fn a_refused_key_is_replaced_by_a_newer_one_once() {
        let (outcome, used) = called(TwoKeys { cached: "old", stored: Ok("newer") }, "newer").await;
        assert_eq!((outcome, used), (Ok(()), vec!["old".to_owned(), "newer".to_owned()]));
        let (outcome, used) = called(TwoKeys { cached: "old", stored: Ok("wrong") }, "good").await;
        assert_eq!((outcome, used.len()), (Err(SourceError::Denied), 2));
    }

    #[tokio::test]
    async fn a_refused_key_that_has_no_successor_is_not_tried_again() {
        for stored in [Ok("old"), Err(Kind::Unavailable), Err(Kind::Denied)] {
            let (outcome, used) = called(TwoKeys { cached: "old", stored }, "good").await;
            assert_eq!((outcome, used.len()), (Err(SourceError::Denied), 1));
        }
    }

    #[tokio::test]
    async fn without_a_key_nothing_is_called() {
        let (outcome, used) = called(TwoKeys { cached: "", stored: Ok("good") }, "good").await;
        assert_eq!((outcome, used.len()), (Err(SourceError::Denied), 0));
        assert_eq!(version(&TwoKeys { cached: "", stored: Ok("good") }, "x").await, "");
    }
}
