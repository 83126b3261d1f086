//! The flags of the configuration, the same for every subcommand that has it.

use std::path::PathBuf;

use super::error::ConfigError;
use super::key::Key;
use super::origin::Origin;

/// Every key as a flag. Values are read as text and judged with those of the other layers.
#[derive(Clone, Default, clap::Args)]
#[command(next_help_heading = "Configuration (flags over environment over mendlake.toml)")]
pub struct ConfigArgs {
    /// Read this file instead of mendlake.toml in the current folder.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The lake's folder. Also MENDLAKE_LAKE. [default: ./lake]
    #[arg(long, global = true, value_name = "FOLDER")]
    pub lake: Option<String>,

    /// Whose sessions are expected: XNYS, or always. Also MENDLAKE_CALENDAR. [default: XNYS]
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub calendar: Option<String>,

    /// How long a minute may be in flight before its absence counts, in seconds. [default: 300]
    #[arg(long, global = true, value_name = "SECONDS", hide_short_help = true)]
    pub settle_s: Option<String>,

    /// How long rows may wait in the stream before they land, in seconds. [default: 60]
    #[arg(long, global = true, value_name = "SECONDS", hide_short_help = true)]
    pub landing_window_s: Option<String>,

    /// A symbol that trades every minute: it tells whether the market was open. [default: SPY]
    #[arg(long, global = true, value_name = "SYMBOL", hide_short_help = true)]
    pub reference: Option<String>,

    /// Ask the vendors through this proxy, such as http://proxy:3128.
    #[arg(long, global = true, value_name = "URL", hide_short_help = true)]
    pub proxy: Option<String>,

    /// Where Finnhub answers; `mendlake simulate` says its own address. [default: https://finnhub.io]
    #[arg(long, global = true, value_name = "URL", hide_short_help = true)]
    pub finnhub_base_url: Option<String>,

    /// Finnhub's calls a minute, until its answers tell. [default: 60]
    #[arg(long, global = true, value_name = "CALLS", hide_short_help = true)]
    pub finnhub_rate_limit: Option<String>,

    /// A file that holds Finnhub's key and nothing else. Or set FINNHUB_TOKEN to the key.
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub finnhub_key_file: Option<String>,

    /// Where Alpaca answers. [default: https://data.alpaca.markets]
    #[arg(long, global = true, value_name = "URL", hide_short_help = true)]
    pub alpaca_base_url: Option<String>,

    /// Alpaca's calls a minute, until its answers tell. [default: 200]
    #[arg(long, global = true, value_name = "CALLS", hide_short_help = true)]
    pub alpaca_rate_limit: Option<String>,

    /// A file that holds Alpaca's key as id:secret; Alpaca is asked for candles where it has a key. Or set
    /// APCA_API_KEY_ID and APCA_API_SECRET_KEY.
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub alpaca_key_file: Option<String>,

    /// How log lines look: text or json. They go to stderr. [default: text]
    #[arg(long, global = true, value_name = "FORMAT", hide_short_help = true)]
    pub log_format: Option<String>,

    /// What is logged: error, warn, info, debug or trace. [default: info]
    #[arg(long, global = true, value_name = "LEVEL", hide_short_help = true)]
    pub log_level: Option<String>,

    /// Refused, with how to do it.
    #[arg(long, global = true, hide = true, aliases = ["api-key", "finnhub-token", "finnhub-key"], num_args = 0..=1,
          default_missing_value = "", value_parser = forget)]
    token: Option<Forgotten>,
}

/// What was given where nothing may be given. Keeps nothing of it.
#[derive(Clone, Copy)]
struct Forgotten;

#[expect(clippy::unnecessary_wraps, reason = "a value parser may fail")]
fn forget(_: &str) -> Result<Forgotten, std::convert::Infallible> {
    Ok(Forgotten)
}

/// The watched symbols as flags: of the daemon alone, since the others take them from the lake.
#[derive(Clone, Default, clap::Args)]
pub struct WatchArgs {
    /// Watch these, such as AAPL,MSFT. Where they differ from the watchlist in the lake, that is changed from the next
    /// minute on. Also `symbols` in the file and MENDLAKE_SYMBOLS.
    #[arg(long, value_name = "SYMBOLS")]
    pub symbols: Option<String>,

    /// Watch the symbols in this file, one a line; # begins a comment.
    #[arg(long, value_name = "FILE", conflicts_with = "symbols")]
    pub watchlist: Option<String>,
}

impl ConfigArgs {
    pub(super) fn keys(&self, watch: &WatchArgs) -> Result<Vec<(Key, String, Origin)>, ConfigError> {
        if self.token.is_some() {
            return Err(ConfigError::KeyAsArgument);
        }
        let values = [
            (Key::Lake, &self.lake),
            (Key::Calendar, &self.calendar),
            (Key::Symbols, &watch.symbols),
            (Key::Watchlist, &watch.watchlist),
            (Key::SettleS, &self.settle_s),
            (Key::LandingWindowS, &self.landing_window_s),
            (Key::Reference, &self.reference),
            (Key::Proxy, &self.proxy),
            (Key::FinnhubBaseUrl, &self.finnhub_base_url),
            (Key::FinnhubRateLimit, &self.finnhub_rate_limit),
            (Key::FinnhubKeyFile, &self.finnhub_key_file),
            (Key::AlpacaBaseUrl, &self.alpaca_base_url),
            (Key::AlpacaRateLimit, &self.alpaca_rate_limit),
            (Key::AlpacaKeyFile, &self.alpaca_key_file),
            (Key::LogFormat, &self.log_format),
            (Key::LogLevel, &self.log_level),
        ];
        let given = |(key, value): (Key, &Option<String>)| Some((key, value.clone()?, Origin::Flag(key.flag())));
        Ok(values.into_iter().filter_map(given).collect())
    }
}
