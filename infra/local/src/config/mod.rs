//! The configuration: flags over environment over `mendlake.toml`, resolved once, each value with its origin.
//!
//! Every layer gives its values as text under the same keys, so a value is judged in one place, whoever gave it.

mod args;
mod environment;
mod error;
mod file;
mod key;
mod origin;
#[cfg(test)]
mod tests;
mod watched;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use mendlake_adapters::http::reqwest::{ReqwestTransport, SetupError};
use mendlake_adapters::secrets::KeyPlace;
use mendlake_domain::settings::{Settings, SettingsError};

pub use args::{ConfigArgs, WatchArgs};
pub use environment::{ALPACA_ID, ALPACA_SECRET, Environment, FINNHUB_TOKEN, MARKET};
pub use error::ConfigError;
pub use file::FILE_NAME;
pub use key::Key;
pub use origin::{Origin, Setting};
pub use watched::Watched;

/// The configuration.
#[derive(Clone)]
pub struct Config {
    /// The lake's folder.
    pub lake: PathBuf,
    /// The parameters of the stages.
    pub settings: Settings,
    /// What is to be watched, where that is configured; else the lake's own watchlist holds.
    pub watched: Option<Setting<Watched>>,
    /// Finnhub.
    pub finnhub: Vendor,
    /// Alpaca; asked where it has a key.
    pub alpaca: Vendor,
    /// The proxy vendors are asked through.
    pub proxy: Option<Setting<String>>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged.
    pub log_level: tracing::Level,
    /// The file that was read, where there was one.
    pub file: Option<PathBuf>,
    given: BTreeMap<Key, (String, Origin)>,
}

/// A vendor's configuration.
#[derive(Clone)]
pub struct Vendor {
    /// Where it answers.
    pub base_url: Setting<String>,
    /// Calls a minute, until its answers tell.
    pub rate_limit: u32,
    /// Where its key is, where it has one.
    pub key: Option<KeyPlace>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl Config {
    /// Resolves the configuration from flags, the process's environment and the file.
    pub fn load(args: &ConfigArgs, watch: &WatchArgs) -> Result<Self, ConfigError> {
        let here =
            std::env::current_dir().map_err(|source| ConfigError::Unreadable { path: FILE_NAME.into(), source })?;
        Self::resolve(args, watch, &Environment::read(), &here)
    }

    /// Resolves the configuration; relative paths of flags and variables are left as they are.
    pub fn resolve(
        args: &ConfigArgs,
        watch: &WatchArgs,
        environment: &Environment,
        folder: &Path,
    ) -> Result<Self, ConfigError> {
        let read = file::load(args.config.as_deref(), folder)?;
        let in_file = read.as_ref().map(|(path, text)| file::keys(path, text)).transpose()?;
        let layers = [in_file.unwrap_or_default(), environment.keys()?, args.keys(watch)?];
        let given = layered(layers)?;
        let file = read.map(|(path, _)| path);
        Values(&given).config(environment, file, given.clone())
    }

    /// Every key with its value, where it has one, and where that comes from. Passwords in addresses are left out.
    pub fn values(&self) -> impl Iterator<Item = (Key, Option<String>, &Origin)> {
        Key::ALL.into_iter().map(|key| match self.given.get(&key) {
            Some((text, origin)) => (key, Some(shown(key, text)), origin),
            None => (key, key.default().map(str::to_owned), &Origin::Default),
        })
    }

    /// Where a key's value comes from.
    pub fn origin(&self, key: Key) -> Origin {
        self.given.get(&key).map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    /// A transport to a vendor.
    pub fn transport(&self, key: Key, vendor: &Vendor) -> Result<ReqwestTransport, ConfigError> {
        let proxy = self.proxy.as_ref().map(|proxy| proxy.value.as_str());
        let setting = |key: Key, setting: &Setting<String>, why| ConfigError::Value {
            name: key.to_string(),
            text: without_user(&setting.value),
            origin: setting.origin.clone(),
            why,
        };
        ReqwestTransport::new(&vendor.base_url.value, proxy).map_err(|error| {
            let why = mendlake_ports::error::chain(&error);
            match (error, &self.proxy) {
                (SetupError::NoProxy, Some(proxy)) => setting(Key::Proxy, proxy, why),
                _ => setting(key, &vendor.base_url, why),
            }
        })
    }
}

/// A value as people may see it.
fn shown(key: Key, text: &str) -> String {
    if key.is_address() { without_user(text) } else { text.to_owned() }
}

/// An address without the user and the password that may be in it.
pub(crate) fn without_user(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    match rest.rsplit_once('@') {
        Some((_, host)) if scheme.is_empty() => format!("…@{host}"),
        Some((_, host)) => format!("{scheme}://…@{host}"),
        None => address.to_owned(),
    }
}

/// Later layers over earlier ones. Symbols and a watchlist file are two spellings of one thing: the later layer's holds.
fn layered(layers: [Vec<(Key, String, Origin)>; 3]) -> Result<BTreeMap<Key, (String, Origin)>, ConfigError> {
    let mut given = BTreeMap::new();
    for layer in layers {
        let speaks = |key| layer.iter().find(|(of, ..)| *of == key);
        match (speaks(Key::Symbols), speaks(Key::Watchlist)) {
            (Some(_), Some((_, _, origin))) => {
                return Err(ConfigError::Both {
                    first: "`symbols`".into(),
                    second: "`watchlist`".into(),
                    origin: origin.clone(),
                });
            }
            (Some(_), None) => drop(given.remove(&Key::Watchlist)),
            (None, Some(_)) => drop(given.remove(&Key::Symbols)),
            (None, None) => {}
        }
        given.extend(layer.into_iter().map(|(key, text, origin)| (key, (text, origin))));
    }
    Ok(given)
}

/// The values given, to be judged.
struct Values<'a>(&'a BTreeMap<Key, (String, Origin)>);

impl Values<'_> {
    fn config(
        &self,
        environment: &Environment,
        file: Option<PathBuf>,
        given: BTreeMap<Key, (String, Origin)>,
    ) -> Result<Config, ConfigError> {
        let alpaca_key = alpaca_in(environment)?;
        let finnhub_key = environment
            .get(FINNHUB_TOKEN)
            .map(|text| KeyPlace::Given { text: text.to_owned(), from: FINNHUB_TOKEN.to_owned() });
        Ok(Config {
            lake: self.wanted(Key::Lake, parsed::<PathBuf>)?.value,
            settings: self.settings()?,
            watched: self.watched()?,
            finnhub: self.vendor([Key::FinnhubBaseUrl, Key::FinnhubRateLimit, Key::FinnhubKeyFile], finnhub_key)?,
            alpaca: self.vendor([Key::AlpacaBaseUrl, Key::AlpacaRateLimit, Key::AlpacaKeyFile], alpaca_key)?,
            proxy: self.optional(Key::Proxy, proxy)?,
            log_format: self.wanted(Key::LogFormat, log_format)?.value,
            log_level: self.wanted(Key::LogLevel, log_level)?.value,
            file,
            given,
        })
    }

    fn settings(&self) -> Result<Settings, ConfigError> {
        let settle = self.wanted(Key::SettleS, seconds)?;
        let landing = self.wanted(Key::LandingWindowS, seconds)?;
        let settings = Settings {
            calendar: self.wanted(Key::Calendar, parsed)?.value,
            settle_ms: settle.value * 1000,
            landing_window_ms: landing.value * 1000,
            rate_limit: self.wanted(Key::FinnhubRateLimit, calls)?.value,
            reference: self.wanted(Key::Reference, parsed)?.value,
        };
        match settings.check() {
            Ok(()) => Ok(settings),
            Err(error) => {
                // Of the two that disagree, the one that somebody set.
                let at_fault = match error {
                    SettingsError::SettlesTooSoon { .. } if settle.origin.is_default() => Key::LandingWindowS,
                    _ => Key::SettleS,
                };
                Err(self.refused(at_fault, error.to_string()))
            }
        }
    }

    fn watched(&self) -> Result<Option<Setting<Watched>>, ConfigError> {
        match self.optional(Key::Symbols, watched::symbols)? {
            Some(symbols) => Ok(Some(symbols)),
            None => self.optional(Key::Watchlist, |text| Ok(Watched::File(text.into()))),
        }
    }

    /// A vendor by its three keys. A key file named by a flag is over a key in the environment, that is over any other.
    fn vendor(
        &self,
        [url, limit, key_file]: [Key; 3],
        in_environment: Option<KeyPlace>,
    ) -> Result<Vendor, ConfigError> {
        let file = self.optional(key_file, parsed::<PathBuf>)?;
        let by_flag = file.as_ref().is_some_and(|file| matches!(file.origin, Origin::Flag(_)));
        let file = file.map(|file| KeyPlace::File(file.value));
        Ok(Vendor {
            base_url: self.wanted(url, address)?,
            rate_limit: self.wanted(limit, calls)?.value,
            key: if by_flag { file } else { in_environment.or(file) },
        })
    }

    fn wanted<T>(&self, key: Key, parse: impl Fn(&str) -> Result<T, String>) -> Result<Setting<T>, ConfigError> {
        Ok(self.optional(key, parse)?.expect("a key that is wanted has a default"))
    }

    fn optional<T>(
        &self,
        key: Key,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<Setting<T>>, ConfigError> {
        let given = self.0.get(&key).map(|(text, origin)| (text.as_str(), origin.clone()));
        let Some((text, origin)) = given.or_else(|| Some((key.default()?, Origin::Default))) else {
            return Ok(None);
        };
        match parse(text) {
            Ok(value) => Ok(Some(Setting { value, origin })),
            Err(why) => Err(self.refused(key, why)),
        }
    }

    fn refused(&self, key: Key, why: String) -> ConfigError {
        let (text, origin) = match self.0.get(&key) {
            Some((text, origin)) => (text.clone(), origin.clone()),
            None => (key.default().unwrap_or_default().to_owned(), Origin::Default),
        };
        ConfigError::Value { name: key.to_string(), text: shown(key, &text), origin, why }
    }
}

/// Alpaca's key as the environment has it: both halves or none.
fn alpaca_in(environment: &Environment) -> Result<Option<KeyPlace>, ConfigError> {
    let half = |given, missing| Err(ConfigError::HalfAKey { given, missing });
    match (environment.get(ALPACA_ID), environment.get(ALPACA_SECRET)) {
        (Some(id), Some(secret)) => Ok(Some(KeyPlace::Given {
            text: format!("{id}:{secret}"),
            from: format!("{ALPACA_ID}` and `{ALPACA_SECRET}"),
        })),
        (Some(_), None) => half(ALPACA_ID, ALPACA_SECRET),
        (None, Some(_)) => half(ALPACA_SECRET, ALPACA_ID),
        (None, None) => Ok(None),
    }
}

fn parsed<T: FromStr<Err: ToString>>(text: &str) -> Result<T, String> {
    if text.is_empty() {
        return Err("it is empty".into());
    }
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// A vendor's address. The transport judges the rest of it, when it is made.
fn address(text: &str) -> Result<String, String> {
    let text: String = parsed(text)?;
    match text.split_once("://") {
        Some((scheme, _)) if is_http(scheme) => Ok(text),
        _ => Err("an address such as `https://host` is wanted: `http` and `https` are known".into()),
    }
}

/// A proxy's address, that may leave out its scheme.
fn proxy(text: &str) -> Result<String, String> {
    let text: String = parsed(text)?;
    match text.split_once("://") {
        Some((scheme, _)) if !is_http(scheme) => {
            Err("a proxy such as `http://host:port` is wanted: `http` and `https` are known".into())
        }
        _ => Ok(text),
    }
}

fn is_http(scheme: &str) -> bool {
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

fn seconds(text: &str) -> Result<i64, String> {
    let whole = text.parse::<i64>().ok().filter(|s| (1..=86_400).contains(s));
    whole.ok_or_else(|| "a whole number of seconds from 1 to 86400 is wanted".into())
}

fn calls(text: &str) -> Result<u32, String> {
    let whole = text.parse::<u32>().ok().filter(|calls| *calls > 0);
    whole.ok_or_else(|| "a whole number of calls a minute above 0 is wanted".into())
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("there are `text` and `json`".into()),
    }
}

fn log_level(text: &str) -> Result<tracing::Level, String> {
    let level = text.parse().ok().filter(|_| text.chars().all(char::is_alphabetic));
    level.ok_or_else(|| "there are `error`, `warn`, `info`, `debug` and `trace`".into())
}
