//! The one reader of the environment.

use std::collections::BTreeMap;

use super::error::ConfigError;
use super::key::{Key, PREFIX, nearest};
use super::origin::Origin;

/// Finnhub's key.
pub const FINNHUB_TOKEN: &str = "FINNHUB_TOKEN";
/// The id of Alpaca's key.
pub const ALPACA_ID: &str = "APCA_API_KEY_ID";
/// The secret of Alpaca's key.
pub const ALPACA_SECRET: &str = "APCA_API_SECRET_KEY";

/// Begins like a key and is none: names the recorded market that tests play. `demo` takes none from it, so that the same
/// command plays the same day on every machine.
pub const MARKET: &str = "MENDLAKE_MARKET";

/// Set to anything, it takes colour out of all output.
const NO_COLOR: &str = "NO_COLOR";

/// The variables this program looks at; empty ones count as absent. `Debug` is not implemented: it holds keys.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Reads the process's environment.
    pub fn read() -> Self {
        // `vars` would panic on a variable of anybody's that is no text. What is no text in a value of ours becomes a
        // character that no key has and no value may have, so that it is refused rather than taken for absent.
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        Self::of(std::env::vars_os().filter_map(text))
    }

    /// An environment of these variables.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = |name: &str| {
            name.starts_with(PREFIX) || [FINNHUB_TOKEN, ALPACA_ID, ALPACA_SECRET, NO_COLOR].contains(&name)
        };
        let variables = variables.into_iter();
        Self { variables: variables.filter(|(name, value)| ours(name) && !value.is_empty()).collect() }
    }

    /// A variable's value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Whether colour is unwanted.
    pub fn no_color(&self) -> bool {
        self.get(NO_COLOR).is_some()
    }

    /// The keys it sets. A variable that begins like one of ours and is none is refused: it was meant for us.
    pub(super) fn keys(&self) -> Result<Vec<(Key, String, Origin)>, ConfigError> {
        let named = |name: &str| Key::ALL.into_iter().find(|key| key.variable() == name);
        let mut keys = Vec::new();
        for (name, value) in self.variables.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
            match named(name) {
                Some(key) if value.contains(char::REPLACEMENT_CHARACTER) => {
                    return Err(ConfigError::Value {
                        name: key.to_string(),
                        text: String::new(),
                        origin: Origin::Variable(name.clone()),
                        why: "it is no text: UTF-8 is wanted".into(),
                    });
                }
                Some(key) => keys.push((key, value.clone(), Origin::Variable(name.clone()))),
                None if name == MARKET => {}
                None => {
                    return Err(ConfigError::Unknown {
                        name: name.clone(),
                        origin: Origin::Variable(name.clone()),
                        nearest: nearest(name, Key::ALL.map(Key::variable)),
                    });
                }
            }
        }
        Ok(keys)
    }
}
