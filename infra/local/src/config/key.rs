//! Every key there is, and how each layer spells it.

use std::fmt;

/// A key of the configuration.
///
/// `finnhub.rate_limit` in the file is `--finnhub-rate-limit` on the command line and `MENDLAKE_FINNHUB_RATE_LIMIT` in the
/// environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The lake's folder.
    Lake,
    /// Whose sessions are expected.
    Calendar,
    /// The watched symbols.
    Symbols,
    /// A file of watched symbols.
    Watchlist,
    /// How long a minute may be in flight, in seconds.
    SettleS,
    /// How long rows may wait in the stream, in seconds.
    LandingWindowS,
    /// The symbol that tells whether the market was open.
    Reference,
    /// The proxy vendors are asked through.
    Proxy,
    /// Where Finnhub answers.
    FinnhubBaseUrl,
    /// Finnhub's calls a minute, until its answers tell.
    FinnhubRateLimit,
    /// The file with Finnhub's key.
    FinnhubKeyFile,
    /// Where Alpaca answers.
    AlpacaBaseUrl,
    /// Alpaca's calls a minute, until its answers tell.
    AlpacaRateLimit,
    /// The file with Alpaca's key.
    AlpacaKeyFile,
    /// How log lines look.
    LogFormat,
    /// What is logged.
    LogLevel,
}

/// How the variables of the environment begin.
pub(super) const PREFIX: &str = "MENDLAKE_";

impl Key {
    /// Every key, in the order in which they are shown.
    pub const ALL: [Self; 16] = [
        Self::Lake,
        Self::Calendar,
        Self::Symbols,
        Self::Watchlist,
        Self::SettleS,
        Self::LandingWindowS,
        Self::Reference,
        Self::Proxy,
        Self::FinnhubBaseUrl,
        Self::FinnhubRateLimit,
        Self::FinnhubKeyFile,
        Self::AlpacaBaseUrl,
        Self::AlpacaRateLimit,
        Self::AlpacaKeyFile,
        Self::LogFormat,
        Self::LogLevel,
    ];

    /// The key as the file spells it; a dot leads into a table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lake => "lake",
            Self::Calendar => "calendar",
            Self::Symbols => "symbols",
            Self::Watchlist => "watchlist",
            Self::SettleS => "settle_s",
            Self::LandingWindowS => "landing_window_s",
            Self::Reference => "reference",
            Self::Proxy => "proxy",
            Self::FinnhubBaseUrl => "finnhub.base_url",
            Self::FinnhubRateLimit => "finnhub.rate_limit",
            Self::FinnhubKeyFile => "finnhub.key_file",
            Self::AlpacaBaseUrl => "alpaca.base_url",
            Self::AlpacaRateLimit => "alpaca.rate_limit",
            Self::AlpacaKeyFile => "alpaca.key_file",
            Self::LogFormat => "log.format",
            Self::LogLevel => "log.level",
        }
    }

    /// What holds where no layer says anything.
    pub const fn default(self) -> Option<&'static str> {
        match self {
            Self::Lake => Some("./lake"),
            Self::Calendar => Some("XNYS"),
            Self::SettleS => Some("300"),
            Self::LandingWindowS => Some("60"),
            Self::Reference => Some("SPY"),
            Self::FinnhubBaseUrl => Some(mendlake_adapters::finnhub::BASE_URL),
            Self::FinnhubRateLimit => Some("60"),
            Self::AlpacaBaseUrl => Some(mendlake_adapters::alpaca::BASE_URL),
            Self::AlpacaRateLimit => Some("200"),
            Self::LogFormat => Some("text"),
            Self::LogLevel => Some("info"),
            Self::Symbols | Self::Watchlist | Self::Proxy | Self::FinnhubKeyFile | Self::AlpacaKeyFile => None,
        }
    }

    /// The key with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// Its flag.
    pub fn flag(self) -> String {
        format!("--{}", self.name().replace(['.', '_'], "-"))
    }

    /// Its variable.
    pub fn variable(self) -> String {
        format!("{PREFIX}{}", self.name().replace('.', "_").to_uppercase())
    }

    /// Whether it is an address: one may hold a password.
    pub(super) const fn is_address(self) -> bool {
        matches!(self, Self::Proxy | Self::FinnhubBaseUrl | Self::AlpacaBaseUrl)
    }

    /// Whether it names a file or folder: relative ones in a file are relative to that file.
    pub(super) const fn is_path(self) -> bool {
        matches!(self, Self::Lake | Self::Watchlist | Self::FinnhubKeyFile | Self::AlpacaKeyFile)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The nearest of some names, where one is near enough to have been meant.
pub(super) fn nearest(text: &str, names: impl IntoIterator<Item = String>) -> Option<String> {
    let distance = |name: &str| strsim::damerau_levenshtein(text, name);
    let near = |name: &String| distance(name) <= (text.len() / 3).max(2);
    names.into_iter().filter(near).min_by_key(|name| distance(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layer_spells_a_key_its_own_way() {
        let key = Key::FinnhubRateLimit;
        assert_eq!(key.flag(), "--finnhub-rate-limit");
        assert_eq!(key.variable(), "MENDLAKE_FINNHUB_RATE_LIMIT");
        for key in Key::ALL {
            assert_eq!(Key::named(key.name()), Some(key));
        }
    }

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let names = || Key::ALL.map(|key| key.name().to_owned());
        assert_eq!(nearest("symbls", names()).as_deref(), Some("symbols"));
        assert_eq!(nearest("finnhub.ratelimit", names()).as_deref(), Some("finnhub.rate_limit"));
        assert_eq!(nearest("colour", names()), None);
    }
}
