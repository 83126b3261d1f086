//! `mendlake.toml`.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::key::{Key, nearest};
use super::origin::Origin;

/// The file that is read where none is named.
pub const FILE_NAME: &str = "mendlake.toml";

/// The keys a file sets, as text: what each means is judged alike for every layer.
pub(super) fn keys(path: &Path, text: &str) -> Result<Vec<(Key, String, Origin)>, ConfigError> {
    let file = File { path, text };
    let table = DeTable::parse(text).map_err(|error| ConfigError::Toml {
        origin: file.origin(error.span().map_or(0, |span| span.start)),
        why: error.message().to_owned(),
    })?;
    let mut keys = Vec::new();
    file.walk("", table.get_ref(), &mut keys)?;
    Ok(keys)
}

/// Reads the file named, or the one in `folder` where there is one.
pub(super) fn load(named: Option<&Path>, folder: &Path) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let path = named.map_or_else(|| folder.join(FILE_NAME), |path| folder.join(path));
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((shown(&path, folder), text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => Ok(None),
        Err(source) => Err(ConfigError::Unreadable { path, source }),
    }
}

/// The path as people look for it: without the current folder before it.
fn shown(path: &Path, folder: &Path) -> PathBuf {
    path.strip_prefix(folder).unwrap_or(path).to_owned()
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn walk(
        &self,
        prefix: &str,
        table: &DeTable<'_>,
        keys: &mut Vec<(Key, String, Origin)>,
    ) -> Result<(), ConfigError> {
        for (name, value) in table {
            let full = format!("{prefix}{}", name.get_ref());
            let origin = self.origin(name.span().start);
            match (Key::named(&full), value.get_ref()) {
                (Some(key), _) => keys.push((key, self.value(key, value)?, origin)),
                (None, DeValue::Table(inner)) if prefix.is_empty() && is_table(&full) => {
                    self.walk(&format!("{full}."), inner, keys)?;
                }
                (None, _) => {
                    return Err(ConfigError::Unknown {
                        nearest: nearest(&full, Key::ALL.map(|key| key.name().to_owned())),
                        name: full,
                        origin,
                    });
                }
            }
        }
        Ok(())
    }

    /// A value as the other layers would spell it.
    fn value(&self, key: Key, value: &Spanned<DeValue<'_>>) -> Result<String, ConfigError> {
        let refused = |why: &str| ConfigError::Value {
            name: key.to_string(),
            text: self.text[value.span()].to_owned(),
            origin: self.origin(value.span().start),
            why: why.to_owned(),
        };
        match value.get_ref() {
            DeValue::String(text) if key.is_path() => {
                let beside = self.path.parent().unwrap_or(Path::new(""));
                Ok(beside.join(&**text).to_string_lossy().into_owned())
            }
            DeValue::String(text) => Ok(text.to_string()),
            DeValue::Integer(number) => Ok(number.to_string()),
            DeValue::Array(items) if key == Key::Symbols => {
                let texts: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
                Ok(texts.ok_or_else(|| refused("a list of texts is wanted"))?.join(","))
            }
            _ => Err(refused("a text or a whole number is wanted")),
        }
    }

    fn origin(&self, at: usize) -> Origin {
        Origin::File { path: self.path.to_owned(), line: self.text[..at].matches('\n').count() + 1 }
    }
}

fn is_table(name: &str) -> bool {
    Key::ALL.into_iter().any(|key| key.name().split_once('.').is_some_and(|(table, _)| table == name))
}
