//! What goes wrong, as data: a file of faults, or values.
//!
//! ```toml
//! [[fault]]
//! what = { down = { status = 502 } }
//! from = "10:30"
//! to = "10:52"
//!
//! [[fault]]
//! what = "frozen"
//! symbols = ["BAC"]
//! from = "2026-11-20T17:00:00Z"
//! to = "2026-11-20T17:25:00Z"
//!
//! [[holiday]]
//! on = "2026-11-20"
//! event = "Power failure"
//! hours = "09:30-13:00"
//! known_from = "2026-11-21T12:00:00Z"
//! ```

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::symbol::Symbol;
use serde::{Deserialize, Serialize};

use super::asked::Endpoint;
use super::window::When;

/// The faults of a run, and the days its vendor knows beside the calendar.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What goes wrong. All that are there at an instant hit together.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
    /// What the vendor knows of its holidays beside the calendar.
    #[serde(default, rename = "holiday")]
    pub holidays: Vec<KnownDay>,
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub what: What,
    /// From when on; always where it is missing.
    #[serde(default)]
    pub from: Option<When>,
    /// Until when, exclusive; for ever where it is missing.
    #[serde(default)]
    pub to: Option<When>,
    /// Which endpoints; all it can hit where empty.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// Which symbols; all where empty.
    #[serde(default)]
    pub symbols: Vec<Symbol>,
    /// How likely it hits a request, drawn from the seed for each.
    #[serde(default = "certain")]
    pub probability: f64,
    /// Whether it hits only one of its symbols each minute, drawn from the seed.
    #[serde(default)]
    pub draw_one: bool,
}

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// A proxy's HTML with a status of 500 to 599; not counted by the rate limit.
    Down {
        /// The status.
        status: u16,
    },
    /// The answer takes that much longer.
    Slow {
        /// How much, in seconds.
        seconds: f64,
    },
    /// The connection breaks within the body.
    Truncated {
        /// After so many bytes of it.
        bytes: usize,
    },
    /// The connection is reset.
    Reset,
    /// No answer ever comes.
    Hang,
    /// 401, as if the key were wrong.
    KeyRefused,
    /// 403, as if the plan did not include it.
    NotEntitled,
    /// 429, whatever the limit says.
    Throttled,
    /// A quote of zeros.
    Zeros,
    /// A quote whose price is right and whose day is zeros.
    PartialZeros,
    /// Quotes stay what they were when the fault began, as fresh as they were then.
    Frozen,
    /// Quotes are those of the session before.
    Stale,
    /// Candles are answered as if there were none.
    NoData,
    /// Candles come that much later.
    CandlesLate {
        /// How much, in minutes.
        minutes: i64,
    },
    /// Candles of these minutes are missing.
    Hole {
        /// The first minute that is missing.
        missing_from: When,
        /// The minute after the last.
        missing_to: When,
    },
    /// Candles and bars have wrong prices.
    WrongPrices {
        /// By how much, in per cent.
        percent: f64,
    },
    /// A candle answer's arrays differ in length; a bar lacks its close.
    Unequal,
    /// The times of candles are no multiples of 60.
    OffMinute,
    /// From this instant on nothing trades that day, though the calendar says otherwise. Needs `from` as an instant.
    UnannouncedClose,
}

/// A day off or a short day that Finnhub's `/stock/market-holiday` tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownDay {
    /// The day.
    pub on: NaiveDate,
    /// The event's name.
    pub event: String,
    /// The hours in which it trades, such as `09:30-13:00`; empty where it does not.
    #[serde(default)]
    pub hours: String,
    /// When the vendor learns of it; it always knew where this is missing.
    #[serde(default)]
    pub known_from: Option<Timestamp>,
}

/// Why a script is refused.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("cannot read the faults' file `{path}`")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no script.
    #[error("the faults' file `{path}` is no script: {why}")]
    Syntax {
        /// Which.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
    /// A fault that cannot be.
    #[error("fault {number}: {why}")]
    Impossible {
        /// Its place in the script, from 1.
        number: usize,
        /// What is impossible about it.
        why: String,
    },
    /// The market does not close when the script says so.
    #[error("the script closes the market at {0}, the market does not: build it with the script's closes")]
    NotClosing(Minute),
}

fn certain() -> f64 {
    1.0
}

impl Script {
    /// Reads a file: JSON where its name ends in `.json`, else TOML.
    pub fn load(path: &Path) -> Result<Self, ScriptError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScriptError::Unreadable { path: path.to_owned(), source })?;
        let script: Result<Self, String> = match path.extension().is_some_and(|extension| extension == "json") {
            true => serde_json::from_str(&text).map_err(|error| error.to_string()),
            false => toml::from_str(&text).map_err(|error| error.to_string()),
        };
        let script = script.map_err(|why| ScriptError::Syntax { path: path.to_owned(), why })?;
        script.check()?;
        Ok(script)
    }

    /// Refuses faults that cannot be, so that none is silently nothing.
    pub(super) fn check(&self) -> Result<(), ScriptError> {
        for (place, fault) in self.faults.iter().enumerate() {
            fault.check().map_err(|why| ScriptError::Impossible { number: place + 1, why })?;
        }
        Ok(())
    }
}

impl Fault {
    /// A fault that is always there, for every symbol and endpoint it can hit.
    pub fn always(what: What) -> Self {
        Self { what, from: None, to: None, endpoints: vec![], symbols: vec![], probability: 1.0, draw_one: false }
    }

    /// A fault that is there in `[from, to)`.
    pub fn between(what: What, from: When, to: When) -> Self {
        Self { from: Some(from), to: Some(to), ..Self::always(what) }
    }

    fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(format!("a probability is 0 to 1: `{}`", self.probability));
        }
        ordered("from", self.from, "to", self.to)?;
        if let Some(endpoint) = self.endpoints.iter().find(|endpoint| !self.what.hits(**endpoint)) {
            return Err(format!("`{}` cannot hit endpoint {endpoint:?}", self.what.name()));
        }
        match self.what {
            What::Down { status } if !(500..=599).contains(&status) => {
                Err(format!("a status of 500 to 599: `{status}`"))
            }
            What::Slow { seconds } if !(seconds > 0.0 && seconds < 86_400.0) => {
                Err(format!("slow by more than 0 s and less than a day: `{seconds}`"))
            }
            What::CandlesLate { minutes } if minutes < 1 => Err(format!("late by a minute at least: `{minutes}`")),
            What::WrongPrices { percent } if !percent.is_finite() || percent == 0.0 || percent <= -100.0 => {
                Err(format!("wrong by some per cent above -100: `{percent}`"))
            }
            What::Hole { missing_from, missing_to } => {
                ordered("missing_from", Some(missing_from), "missing_to", Some(missing_to))
            }
            What::Frozen if self.from.is_none() => Err("`frozen` needs `from`: quotes stay what they were then".into()),
            What::UnannouncedClose => self.check_close(),
            _ => Ok(()),
        }
    }

    fn check_close(&self) -> Result<(), String> {
        match self.from {
            Some(When::Instant(at)) if at == at.minute().start() => {}
            _ => return Err("`unannounced_close` needs `from` as an instant on a whole minute".into()),
        }
        let plain = Self { from: self.from, ..Self::always(self.what) };
        if *self == plain {
            Ok(())
        } else {
            Err("`unannounced_close` is the whole market's: it takes `from` alone".into())
        }
    }
}

impl What {
    /// Every fault's name.
    pub const NAMES: [&str; 19] = [
        "down",
        "slow",
        "truncated",
        "reset",
        "hang",
        "key_refused",
        "not_entitled",
        "throttled",
        "zeros",
        "partial_zeros",
        "frozen",
        "stale",
        "no_data",
        "candles_late",
        "hole",
        "wrong_prices",
        "unequal",
        "off_minute",
        "unannounced_close",
    ];

    /// Its name, as a script spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Down { .. } => "down",
            Self::Slow { .. } => "slow",
            Self::Truncated { .. } => "truncated",
            Self::Reset => "reset",
            Self::Hang => "hang",
            Self::KeyRefused => "key_refused",
            Self::NotEntitled => "not_entitled",
            Self::Throttled => "throttled",
            Self::Zeros => "zeros",
            Self::PartialZeros => "partial_zeros",
            Self::Frozen => "frozen",
            Self::Stale => "stale",
            Self::NoData => "no_data",
            Self::CandlesLate { .. } => "candles_late",
            Self::Hole { .. } => "hole",
            Self::WrongPrices { .. } => "wrong_prices",
            Self::Unequal => "unequal",
            Self::OffMinute => "off_minute",
            Self::UnannouncedClose => "unannounced_close",
        }
    }

    /// Whether it can hit this endpoint.
    pub(super) fn hits(self, endpoint: Endpoint) -> bool {
        match self {
            Self::Zeros | Self::PartialZeros | Self::Frozen | Self::Stale => endpoint == Endpoint::Quote,
            Self::NoData
            | Self::CandlesLate { .. }
            | Self::Hole { .. }
            | Self::WrongPrices { .. }
            | Self::Unequal
            | Self::OffMinute => matches!(endpoint, Endpoint::Candle | Endpoint::Bars),
            // It is the market's: every endpoint shows it by itself.
            Self::UnannouncedClose => false,
            _ => endpoint != Endpoint::SymbolFile,
        }
    }
}

fn ordered(first: &str, from: Option<When>, last: &str, to: Option<When>) -> Result<(), String> {
    let ordered = match (from, to) {
        (Some(When::Instant(from)), Some(When::Instant(to))) => from < to,
        (Some(When::TimeOfDay(from)), Some(When::TimeOfDay(to))) => from < to,
        (Some(_), Some(_)) => return Err(format!("`{first}` and `{last}` are both instants or both times of day")),
        _ => true,
    };
    if ordered { Ok(()) } else { Err(format!("`{first}` must be before `{last}`")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(name: &str, text: &str) -> Result<Script, ScriptError> {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("write");
        Script::load(&path)
    }

    const EVERYTHING: &str = r#"
        [[fault]]
        what = { down = { status = 502 } }
        from = "10:30"
        to = "10:52"

        [[fault]]
        what = { hole = { missing_from = "11:00", missing_to = "11:05" } }
        endpoints = ["candle"]
        symbols = ["SPY"]
        probability = 0.5
        draw_one = true

        [[fault]]
        what = "unannounced_close"
        from = "2026-11-20T18:00:00Z"

        [[holiday]]
        on = "2026-11-20"
        event = "Power failure"
        hours = "09:30-13:00"
        known_from = "2026-11-21T12:00:00Z"
    "#;

    #[test]
    fn a_script_is_toml_or_json_and_both_say_the_same() {
        let script = load("faults.toml", EVERYTHING).expect("a script");
        assert_eq!((script.faults.len(), script.holidays.len()), (3, 1));
        assert_eq!(script.faults[0].what, What::Down { status: 502 });
        assert_eq!(script.faults[0].probability, 1.0);
        let json = serde_json::to_string(&script).expect("json");
        assert_eq!(load("faults.json", &json).expect("a script"), script);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place() {
        for (fault, says) in [
            (r#"what = { down = { status = 404 } }"#, "500 to 599"),
            (
                r#"what = "reset"
                probability = 1.5"#,
                "0 to 1",
            ),
            (
                r#"what = "reset"
                from = "11:00"
                to = "10:00""#,
                "before",
            ),
            (
                r#"what = "reset"
                from = "11:00"
                to = "2026-11-20T18:00:00Z""#,
                "both",
            ),
            (
                r#"what = "zeros"
                endpoints = ["candle"]"#,
                "cannot hit",
            ),
            (r#"what = "frozen""#, "needs `from`"),
            (r#"what = { slow = { seconds = 0 } }"#, "more than 0"),
            (r#"what = { candles_late = { minutes = 0 } }"#, "a minute at least"),
            (r#"what = { wrong_prices = { percent = 0 } }"#, "per cent"),
            (
                r#"what = "unannounced_close"
                from = "13:00""#,
                "instant",
            ),
            (
                r#"what = "unannounced_close"
                from = "2026-11-20T18:00:00Z"
                symbols = ["SPY"]"#,
                "alone",
            ),
        ] {
            let text = format!("[[fault]]\nwhat = \"reset\"\n[[fault]]\n{fault}\n");
            let error = load("faults.toml", &text).expect_err(fault).to_string();
            assert!(error.contains("fault 2") && error.contains(says), "{fault}: {error}");
        }
    }

    #[test]
    fn the_names_of_faults_are_those_a_script_knows() {
        let error = load("faults.toml", "[[fault]]\nwhat = \"nothing\"").expect_err("unknown").to_string();
        let known = error.split("expected one of").nth(1).expect("the names").matches('`').count() / 2;
        assert_eq!(known, What::NAMES.len(), "{error}");
        for name in What::NAMES {
            assert!(error.contains(&format!("`{name}`")), "{name}: {error}");
        }
    }

    #[test]
    fn an_unknown_word_is_refused_with_its_place() {
        for text in ["[[fault]]\nwhat = \"resett\"", "[[fault]]\nwhat = \"reset\"\nform = \"10:00\"", "[[faults]]\n"] {
            let error = load("faults.toml", text).expect_err(text).to_string();
            assert!(error.contains("faults.toml"), "{error}");
        }
        assert!(Script::load(Path::new("no/such.toml")).expect_err("missing").to_string().contains("no/such.toml"));
    }
}
