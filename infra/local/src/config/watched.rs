//! The configured symbols: a list, or a file of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mendlake_domain::symbol::Symbol;

use super::error::ConfigError;
use super::origin::Origin;

/// What is to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// These symbols.
    Symbols(BTreeSet<Symbol>),
    /// The symbols in this file, one a line; `#` begins a comment.
    File(PathBuf),
}

impl Watched {
    /// The symbols; reads the file. A file without any is refused: whoever names one means to watch something.
    pub fn symbols(&self) -> Result<BTreeSet<Symbol>, ConfigError> {
        match self {
            Self::Symbols(symbols) => Ok(symbols.clone()),
            Self::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
                in_file(path, &text)
            }
        }
    }
}

/// A list as a flag has it: `AAPL,MSFT`, blanks do not matter.
pub(super) fn symbols(text: &str) -> Result<Watched, String> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    let symbols = words.map(str::parse).collect::<Result<BTreeSet<Symbol>, _>>();
    match symbols.map_err(|error| error.to_string())? {
        symbols if symbols.is_empty() => Err("it names no symbol: name some, such as AAPL,MSFT".into()),
        symbols => Ok(Watched::Symbols(symbols)),
    }
}

fn in_file(path: &Path, text: &str) -> Result<BTreeSet<Symbol>, ConfigError> {
    let refused = |line: usize, text: &str, why: String| ConfigError::Value {
        name: "watchlist".into(),
        text: text.to_owned(),
        origin: Origin::File { path: path.to_owned(), line },
        why,
    };
    let mut symbols = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        for word in line.split([',', ' ', '\t']).map(str::trim).filter(|word| !word.is_empty()) {
            symbols.insert(
                word.parse()
                    .map_err(|why: mendlake_domain::symbol::SymbolError| refused(number, word, why.to_string()))?,
            );
        }
    }
    if symbols.is_empty() {
        return Err(refused(1, "", "the file names no symbol: one a line is wanted".into()));
    }
    Ok(symbols)
}
