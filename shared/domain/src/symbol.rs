//! The name of what is watched.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::minute::serde_as_text;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest symbol accepted; the longest one a US venue lists today has 14 characters.
const MAX_SYMBOL_LEN: usize = 24;

/// A symbol as the watchlist spells it, such as `AAPL` or `BRK.B`. Sources map it to their own spelling.
///
/// One to 24 characters of `A-Z 0-9 . - ^ : = _`, beginning with a letter, a digit or `^`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(Arc<str>);

/// Why a text is not a symbol.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SymbolError {
    /// Empty, or longer than any symbol is.
    #[error("a symbol has 1 to {MAX_SYMBOL_LEN} characters: `{0}`")]
    Length(String),
    /// A character no symbol has, lower case included: `aapl` is refused rather than guessed at.
    #[error("a symbol is upper case letters, digits and . - ^ : = _, beginning with a letter, a digit or ^: `{0}`")]
    Character(String),
}

impl Symbol {
    /// The symbol's spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Symbol {
    type Err = SymbolError;

    fn from_str(text: &str) -> Result<Self, SymbolError> {
        if text.is_empty() || text.len() > MAX_SYMBOL_LEN {
            return Err(SymbolError::Length(text.chars().take(MAX_SYMBOL_LEN + 1).collect()));
        }
        let inner = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || ".-^:=_".contains(c);
        let first = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '^';
        if !text.starts_with(first) || !text.chars().all(inner) {
            return Err(SymbolError::Character(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for Symbol {
    fn borrow(&self) -> &str {
        &self.0
    }
}

serde_as_text!(Symbol);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_as_venues_spell_them_are_read() {
        for text in ["A", "AAPL", "BRK.B", "BF-B", "^GSPC", "BINANCE:BTCUSDT", "OANDA:EUR_USD", "ES=F", "0700.HK"] {
            assert_eq!(text.parse::<Symbol>().expect(text).as_str(), text);
        }
    }

    #[test]
    fn what_is_no_symbol_is_refused_with_its_text() {
        for text in ["", "aapl", " AAPL", "AA PL", "AAPL\n", "../X", ".", "ÄPL", "A/B", &"A".repeat(25)] {
            let error = text.parse::<Symbol>().expect_err(text).to_string();
            assert!(error.contains('`'), "{error}");
        }
    }
}
