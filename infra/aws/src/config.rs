//! What a function is told by its environment, checked before its first event.
//!
//! The only reader of the environment beside AWS's own SDK. The template sets every variable; a person who sets one by
//! hand is told its name and what is wanted.

use mendlake_adapters::aws::stream::{NotAStream, StreamArn};
use mendlake_adapters::{alpaca, finnhub};
use mendlake_domain::settings::{Settings, SettingsError};

/// How a key reaches the functions.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyFrom {
    /// A secret of Secrets Manager, by name or ARN.
    Secret(String),
    /// The environment holds the key itself, as a dynamic reference of CloudFormation leaves it there.
    Environment {
        /// The variable.
        variable: &'static str,
        /// The key.
        text: String,
    },
}

impl std::fmt::Debug for KeyFrom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secret(name) => f.debug_tuple("Secret").field(name).finish(),
            Self::Environment { variable, .. } => f.debug_struct("Environment").field("variable", variable).finish(),
        }
    }
}

/// A vendor as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vendor {
    /// Where it answers.
    pub base_url: String,
    /// Its calls a minute, until its answers tell.
    pub rate_limit: u32,
    /// Its key; a vendor without one is not asked.
    pub key: Option<KeyFrom>,
}

/// Where Athena finds the lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Glue's database.
    pub database: String,
    /// The workgroup that asks.
    pub workgroup: String,
}

/// Everything a function is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The stack's name: the dimension of every metric.
    pub stack: String,
    /// The lake's bucket.
    pub bucket: String,
    /// The ledger's table.
    pub table: String,
    /// The stream.
    pub stream: StreamArn,
    /// The stream's shards; replay writes at most half of what they take.
    pub shards: u32,
    /// The live queue's URL.
    pub live_queue_url: String,
    /// The replay queue's URL.
    pub replay_queue_url: String,
    /// Glue's database with the lake's tables, and the Athena workgroup of the morning's reconciliation; a stack of an older
    /// release tells neither.
    pub tables: Option<Tables>,
    /// Parameters of the stages.
    pub settings: Settings,
    /// Quotes and candles.
    pub finnhub: Vendor,
    /// The second source of candles.
    pub alpaca: Vendor,
}

/// Why a function does not start.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// Nothing is set.
    #[error("the environment variable `{0}` is not set: the template sets it, deploy the stack again")]
    Missing(&'static str),
    /// Not what is wanted.
    #[error("the environment variable `{name}` is `{value}`: {wanted}")]
    Value {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
        /// What is wanted.
        wanted: String,
    },
    /// A key twice.
    #[error("both `{0}` and `{1}` are set: keep one")]
    Both(&'static str, &'static str),
    /// Values that do not go together.
    #[error("`MENDLAKE_SETTLE_S` and `MENDLAKE_LANDING_WINDOW_S`: {0}")]
    Settings(#[from] SettingsError),
}

impl Config {
    /// What this process's environment says.
    #[expect(clippy::disallowed_methods, reason = "this is where a function's environment is read")]
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// What these variables say. An empty one is one that is not set: templates cannot leave one out.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let variables = Variables(|name: &'static str| variable(name).filter(|value| !value.is_empty()));
        let settings = variables.settings()?;
        Ok(Self {
            stack: variables.wanted("MENDLAKE_STACK")?,
            bucket: variables.wanted("MENDLAKE_BUCKET")?,
            table: variables.wanted("MENDLAKE_TABLE")?,
            stream: variables.stream("MENDLAKE_STREAM_ARN")?,
            shards: variables.number("MENDLAKE_SHARDS", 1, 1..=10_000)?,
            live_queue_url: variables.wanted("MENDLAKE_LIVE_QUEUE_URL")?,
            replay_queue_url: variables.wanted("MENDLAKE_REPLAY_QUEUE_URL")?,
            tables: variables.tables("MENDLAKE_DATABASE", "MENDLAKE_WORKGROUP"),
            finnhub: Vendor {
                base_url: variables.url("MENDLAKE_FINNHUB_BASE_URL", finnhub::BASE_URL)?,
                rate_limit: settings.rate_limit,
                key: variables.key("MENDLAKE_FINNHUB_SECRET", "FINNHUB_TOKEN")?,
            },
            alpaca: Vendor {
                base_url: variables.url("MENDLAKE_ALPACA_BASE_URL", alpaca::BASE_URL)?,
                rate_limit: variables.number("MENDLAKE_ALPACA_RATE_LIMIT", alpaca::client::FREE_LIMIT, 1..=100_000)?,
                key: variables.key("MENDLAKE_ALPACA_SECRET", "MENDLAKE_ALPACA_KEY")?,
            },
            settings,
        })
    }
}

/// The environment, by variable.
struct Variables<F>(F);

impl<F: Fn(&'static str) -> Option<String>> Variables<F> {
    fn settings(&self) -> Result<Settings, ConfigError> {
        let default = Settings::default();
        let seconds = |name, default_ms: i64| -> Result<i64, ConfigError> {
            let default_s = u32::try_from(default_ms / 1000).expect("a default of minutes");
            Ok(i64::from(self.number(name, default_s, 1..=86_400)?) * 1000)
        };
        let settings = Settings {
            calendar: self.parsed("MENDLAKE_CALENDAR", default.calendar)?,
            settle_ms: seconds("MENDLAKE_SETTLE_S", default.settle_ms)?,
            landing_window_ms: seconds("MENDLAKE_LANDING_WINDOW_S", default.landing_window_ms)?,
            rate_limit: self.number("MENDLAKE_FINNHUB_RATE_LIMIT", default.rate_limit, 1..=100_000)?,
            reference: self.parsed("MENDLAKE_REFERENCE", default.reference)?,
        };
        settings.check()?;
        Ok(settings)
    }

    fn wanted(&self, name: &'static str) -> Result<String, ConfigError> {
        self.0(name).ok_or(ConfigError::Missing(name))
    }

    fn tables(&self, database: &'static str, workgroup: &'static str) -> Option<Tables> {
        Some(Tables { database: self.0(database)?, workgroup: self.0(workgroup)? })
    }

    fn stream(&self, name: &'static str) -> Result<StreamArn, ConfigError> {
        let value = self.wanted(name)?;
        value.parse().map_err(|error: NotAStream| ConfigError::Value { name, value, wanted: error.to_string() })
    }

    fn parsed<T: std::str::FromStr<Err: ToString>>(&self, name: &'static str, default: T) -> Result<T, ConfigError> {
        let Some(value) = self.0(name) else { return Ok(default) };
        value.parse().map_err(|error: T::Err| ConfigError::Value { name, value, wanted: error.to_string() })
    }

    fn number(
        &self,
        name: &'static str,
        default: u32,
        range: std::ops::RangeInclusive<u32>,
    ) -> Result<u32, ConfigError> {
        let Some(value) = self.0(name) else { return Ok(default) };
        let wanted = || format!("a whole number from {} to {} is wanted", range.start(), range.end());
        let number = value.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| ConfigError::Value { name, value, wanted: wanted() })
    }

    fn url(&self, name: &'static str, default: &str) -> Result<String, ConfigError> {
        let Some(value) = self.0(name) else { return Ok(default.to_owned()) };
        if value.starts_with("https://") || value.starts_with("http://") {
            return Ok(value);
        }
        // Nothing of it is shown: a password may be in it.
        let wanted = "an address that begins with `https://` is wanted".to_owned();
        Err(ConfigError::Value { name, value: "…".into(), wanted })
    }

    fn key(&self, secret: &'static str, variable: &'static str) -> Result<Option<KeyFrom>, ConfigError> {
        match (self.0(secret), self.0(variable)) {
            (Some(_), Some(_)) => Err(ConfigError::Both(secret, variable)),
            (Some(name), None) => Ok(Some(KeyFrom::Secret(name))),
            (None, Some(text)) => Ok(Some(KeyFrom::Environment { variable, text })),
            (None, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mendlake_domain::calendar::Calendar;

    use super::*;

    fn least() -> BTreeMap<&'static str, String> {
        let names = [
            "MENDLAKE_STACK",
            "MENDLAKE_BUCKET",
            "MENDLAKE_TABLE",
            "MENDLAKE_LIVE_QUEUE_URL",
            "MENDLAKE_REPLAY_QUEUE_URL",
        ];
        let mut least: BTreeMap<_, _> = names.map(|name| (name, name.to_lowercase())).into();
        least.insert("MENDLAKE_STREAM_ARN", "arn:aws:kinesis:us-east-1:123456789012:stream/quotes".into());
        least
    }

    fn read(variables: &BTreeMap<&'static str, String>) -> Result<Config, ConfigError> {
        Config::read(|name| variables.get(name).cloned())
    }

    #[test]
    fn names_are_wanted_and_everything_else_has_a_default() {
        let config = read(&least()).expect("enough");
        assert_eq!((config.bucket.as_str(), config.shards), ("mendlake_bucket", 1));
        assert_eq!((config.settings, config.finnhub.key, config.tables), (Settings::default(), None, None));
        let mut more = least();
        more.insert("MENDLAKE_DATABASE", "lake".into());
        assert_eq!(read(&more).expect("half").tables, None);
        more.insert("MENDLAKE_WORKGROUP", "lake-reconciler".into());
        let tables = Tables { database: "lake".into(), workgroup: "lake-reconciler".into() };
        assert_eq!(read(&more).expect("both").tables, Some(tables));
        for name in least().keys() {
            let mut fewer = least();
            fewer.insert(name, String::new());
            assert_eq!(read(&fewer), Err(ConfigError::Missing(name)), "an empty one is not set");
        }
    }

    #[test]
    fn an_impossible_value_is_refused_with_its_name() {
        let cases = [
            ("MENDLAKE_CALENDAR", "NYSE", "NYSE"),
            ("MENDLAKE_SETTLE_S", "0", "1 to 86400"),
            ("MENDLAKE_SETTLE_S", "60", "240 s"),
            ("MENDLAKE_SHARDS", "none", "whole number"),
            ("MENDLAKE_FINNHUB_BASE_URL", "ftp://user:secret@host", "https://"),
        ];
        for (name, value, said) in cases {
            let mut variables = least();
            variables.insert(name, value.to_owned());
            let error = read(&variables).expect_err(value).to_string();
            assert!(error.contains(name) && error.contains(said) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_key_comes_from_a_secret_or_from_the_environment_and_is_never_shown() {
        let mut variables = least();
        variables.insert("FINNHUB_TOKEN", "k3y".into());
        variables.insert("MENDLAKE_CALENDAR", "always".into());
        let config = read(&variables).expect("a key");
        assert_eq!(config.settings.calendar, Calendar::Always);
        assert!(!format!("{config:?}").contains("k3y"));
        variables.insert("MENDLAKE_FINNHUB_SECRET", "mendlake/finnhub".into());
        assert_eq!(read(&variables), Err(ConfigError::Both("MENDLAKE_FINNHUB_SECRET", "FINNHUB_TOKEN")));
        variables.remove("FINNHUB_TOKEN");
        let secret = KeyFrom::Secret("mendlake/finnhub".into());
        assert_eq!(read(&variables).expect("a secret").finnhub.key, Some(secret));
    }
}
