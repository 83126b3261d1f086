//! Keys.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::error::Result;
use crate::source::KeyVersion;

/// A key that cannot be printed: `Debug` hides it, there is no `Display`, and it is not serialisable.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// A key from its text. Surrounding white space is taken off; what a header cannot carry is refused, and so is an
    /// empty key: the message says which, and never the key.
    pub fn new(text: &str) -> std::result::Result<Self, String> {
        let key = text.trim();
        if key.is_empty() {
            return Err("the key is empty".into());
        }
        if !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("the key has a character no key has: it is printable ASCII without spaces".into());
        }
        Ok(Self(key.to_owned()))
    }

    /// The key itself, for a request's header and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

/// A key and its version.
#[derive(Clone, Debug)]
pub struct Secret {
    /// The key.
    pub key: Key,
    /// Changes when the key does.
    pub version: KeyVersion,
}

/// Where keys are kept.
///
/// - `fresh` reads the store again; otherwise an answer may be as old as the adapter's cache allows.
/// - A key that is absent or empty is `Denied`, and the message says where it was looked for.
pub trait Secrets: Send + Sync {
    /// The key with this name.
    fn secret(&self, name: &str, fresh: bool) -> impl Future<Output = Result<Secret>> + Send;
}

/// Several clients may share one store, and what it has cached.
impl<S: Secrets> Secrets for Arc<S> {
    async fn secret(&self, name: &str, fresh: bool) -> Result<Secret> {
        S::secret(self, name, fresh).await
    }
}
