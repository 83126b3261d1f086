//! What is wrong with a configuration, and where.

use std::path::PathBuf;

use super::origin::Origin;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No key has this name.
    #[error("unknown key `{name}` ({origin}){}", meant(.nearest.as_deref()))]
    Unknown {
        /// The name.
        name: String,
        /// Where it stands.
        origin: Origin,
        /// The key that may have been meant.
        nearest: Option<String>,
    },
    /// A value that cannot be.
    #[error("`{name}` = `{text}` ({origin}): {why}")]
    Value {
        /// The key.
        name: String,
        /// The value.
        text: String,
        /// Where it stands.
        origin: Origin,
        /// What is wrong with it.
        why: String,
    },
    /// Two values that cannot both be.
    #[error("{first} and {second} say two things ({origin}): leave one of them out")]
    Both {
        /// One.
        first: String,
        /// The other.
        second: String,
        /// Where they stand.
        origin: Origin,
    },
    /// The file is no TOML.
    #[error("{origin}: {why}")]
    Toml {
        /// Where.
        origin: Origin,
        /// What the parser says.
        why: String,
    },
    /// The file cannot be read.
    #[error("read the configuration `{path}`")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A key was given as an argument.
    #[error(
        "a key is never an argument, since everybody on this machine can read arguments: set `FINNHUB_TOKEN`, or name a \
         file that holds the key with `--finnhub-key-file` (and replace the key if it was a real one)"
    )]
    KeyAsArgument,
    /// One half of Alpaca's key.
    #[error("`{given}` is set and `{missing}` is not: Alpaca's key has both")]
    HalfAKey {
        /// The half that is there.
        given: &'static str,
        /// The other one.
        missing: &'static str,
    },
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(|| ": `mendlake doctor` lists every key".to_owned(), |name| format!(": did you mean `{name}`?"))
}
