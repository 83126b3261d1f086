//! Keys in Secrets Manager, or handed to a function by its template.
//!
//! Asks for `secretsmanager:GetSecretValue` on each secret named, and `kms:Decrypt` where one is encrypted under a key of
//! its owner's. A key that the template resolved into the environment asks for nothing.

mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Config;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use futures_util::lock::Mutex;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::secrets::{Key, Secret, Secrets};

use super::error::{code, failed};
use crate::secrets::version;

/// For how long a key is used before it is read again, unless told otherwise.
pub const LIFE_MS: i64 = 5 * 60_000;

/// For how long a key is used after it was read, while the store does not answer: an hour of collecting is worth more than
/// knowing at once of a rotation, which its vendor tells of anyway.
const KEPT_MS: i64 = 60 * 60_000;

/// How long the store may take while a key is at hand: a sample is worth one in its minute's first ten seconds only, and 25
/// quotes wait for this answer.
const BRIEFLY: Duration = Duration::from_millis(1_500);

/// How long after a store that did not answer it is asked again.
const ASKED_AGAIN_MS: i64 = 30_000;

/// Where a key is.
#[derive(Clone)]
pub enum SecretPlace {
    /// In Secrets Manager, by its name or its arn.
    Kept(String),
    /// Handed in by the configuration, which alone reads the environment: a dynamic reference that CloudFormation resolved.
    /// It changes with a deployment, not with the secret.
    Given {
        /// The key, in the same forms as a secret.
        text: String,
        /// Where it was found, such as the name of an environment variable: named in messages.
        from: String,
    },
}

/// Shows where the key is, never the key.
impl fmt::Display for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept(id) => write!(f, "the secret `{id}`"),
            Self::Given { from, .. } => write!(f, "`{from}`"),
        }
    }
}

impl fmt::Debug for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Keys by name, each in its place, kept for a while.
///
/// A secret is the key alone, or JSON with one text of `token` or `api_key`, or with `key_id` and `secret_key`, which are
/// read as `key_id:secret_key`. Its version is Secrets Manager's; that of a key handed in, a short hash of it. Those who
/// ask at once share reads: a batch of symbols is one, or two where each asks for a fresh one.
pub struct SecretsManager<C> {
    client: Client,
    clock: C,
    life_ms: i64,
    places: BTreeMap<String, SecretPlace>,
    /// How many reads have begun: who asked before a read began may share it.
    reads: AtomicU64,
    held: Mutex<BTreeMap<String, Held>>,
}

/// What is known of one key.
#[derive(Default)]
struct Held {
    /// The number of the newest read, counted from 1.
    read: u64,
    /// What it failed with.
    failed: Option<(Kind, String)>,
    good: Option<Good>,
}

struct Good {
    secret: Secret,
    /// Until then it is not read again.
    until: Timestamp,
    /// Until then it is used though the store does not answer.
    kept_until: Timestamp,
}

impl<C: Clock> SecretsManager<C> {
    /// Keys by name and place, each used for [`LIFE_MS`] before it is read again.
    pub fn new(client: Client, clock: C, places: impl IntoIterator<Item = (String, SecretPlace)>) -> Self {
        let (places, reads) = (places.into_iter().collect(), AtomicU64::new(0));
        Self { client, clock, life_ms: LIFE_MS, places, reads, held: Mutex::default() }
    }

    /// The same with another life time, in milliseconds; 0 reads every time.
    pub fn with_life_ms(self, life_ms: i64) -> Self {
        Self { life_ms, ..self }
    }

    async fn kept(&self, name: &str, id: &str, fresh: bool) -> Result<Secret> {
        let begun = self.reads.load(Ordering::SeqCst);
        let mut held = self.held.lock().await;
        let held = held.entry(name.to_owned()).or_default();
        let now = self.clock.now();
        let shared = held.read > begun;
        if !shared && (fresh || held.good.as_ref().is_none_or(|good| good.until <= now)) {
            held.read = self.reads.fetch_add(1, Ordering::SeqCst) + 1;
            let is_at_hand = !fresh && held.good.as_ref().is_some_and(|good| now < good.kept_until);
            let read = self.read(name, id, is_at_hand).await;
            held.note(read, now, self.life_ms);
        }
        held.answer(fresh)
    }

    async fn read(&self, name: &str, id: &str, briefly: bool) -> Result<Secret> {
        let mut config = Config::builder();
        if briefly {
            config = config.timeout_config(TimeoutConfig::builder().operation_timeout(BRIEFLY).build());
        }
        let ask = self.client.get_secret_value().secret_id(id).customize().config_override(config);
        let got = ask.send().await.map_err(|e| refused(name, id, e))?;
        let key = key_of(&got).map_err(|why| {
            PortError::new(Kind::Denied, format!("read the key `{name}` from the secret `{id}`: {why}"))
        })?;
        let version = got.version_id().map_or_else(|| version(&key), str::to_owned);
        Ok(Secret { key, version })
    }
}

impl<C: Clock> Secrets for SecretsManager<C> {
    async fn secret(&self, name: &str, fresh: bool) -> Result<Secret> {
        let denied = |why: String| PortError::new(Kind::Denied, format!("read the key `{name}`{why}"));
        match self.places.get(name) {
            None => Err(denied(": no place is configured for it".into())),
            Some(SecretPlace::Kept(id)) => self.kept(name, id, fresh).await,
            Some(place @ SecretPlace::Given { text, .. }) => {
                let key = text::key(text).map_err(|why| denied(format!(" from {place}: {why}")))?;
                Ok(Secret { version: version(&key), key })
            }
        }
    }
}

impl<C> fmt::Debug for SecretsManager<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsManager").field("places", &self.places).finish_non_exhaustive()
    }
}

impl Held {
    fn note(&mut self, read: Result<Secret>, now: Timestamp, life_ms: i64) {
        match read {
            Ok(secret) => {
                let (until, kept_until) = (now.plus_ms(life_ms), now.plus_ms(life_ms.max(KEPT_MS)));
                *self = Self { read: self.read, failed: None, good: Some(Good { secret, until, kept_until }) };
            }
            Err(error) => {
                // A secret that is gone or refused is not used for another hour.
                self.good = self.good.take().filter(|good| passes(error.kind) && now < good.kept_until);
                if let Some(good) = &mut self.good {
                    good.until = now.plus_ms(ASKED_AGAIN_MS);
                }
                self.failed = Some((error.kind, error.chain()));
            }
        }
    }

    /// What is known, unless the newest read failed and only what it read would do.
    fn answer(&self, fresh: bool) -> Result<Secret> {
        let good = self.good.as_ref().filter(|_| self.failed.is_none() || !fresh);
        match (good, &self.failed) {
            (Some(good), _) => Ok(good.secret.clone()),
            (None, Some((kind, why))) => Err(PortError::new(*kind, why.clone())),
            (None, None) => unreachable!("a key is answered for after its first read"),
        }
    }
}

/// Whether a failure says nothing of the secret.
const fn passes(kind: Kind) -> bool {
    matches!(kind, Kind::Throttled | Kind::Unavailable)
}

fn key_of(got: &GetSecretValueOutput) -> std::result::Result<Key, String> {
    match got.secret_string() {
        Some(text) => text::key(text),
        None => Err("it is binary: store it as text".into()),
    }
}

fn refused(name: &str, id: &str, error: SdkError<GetSecretValueError, HttpResponse>) -> PortError {
    let doing = format!("read the key `{name}` from the secret `{id}`");
    let advice = match code(&error) {
        Some("ResourceNotFoundException") => format!(
            "it is not there or has no value: `aws secretsmanager put-secret-value --secret-id {id} --secret-string …`"
        ),
        Some("InvalidRequestException") => {
            format!("is it marked for deletion? `aws secretsmanager restore-secret --secret-id {id}`")
        }
        _ => "who reads it needs `secretsmanager:GetSecretValue` on it, and `kms:Decrypt` on its key where that \
              is your own"
            .to_owned(),
    };
    let error = failed(doing, error);
    match passes(error.kind) {
        true => error,
        false => PortError::new(Kind::Denied, format!("{}: {advice}", error.chain())),
    }
}

#[cfg(test)]
mod tests;
