//! One item: made from values, read back with an error that names it.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::error::{Kind, PortError, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::schema::{FORM, Key, SCHEMA};

/// Attributes by name, as the SDK has them.
pub(super) type Attributes = HashMap<String, AttributeValue>;

const FORM_NAME: &str = "v";
const BODY: &str = "body";

/// An item of this release's form.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item(Attributes);

impl Item {
    /// An item with nothing but its key and its form.
    pub(super) fn new(key: Key) -> Self {
        Self(key.attributes()).number(FORM_NAME, FORM)
    }

    pub(super) fn text(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), text(value));
        self
    }

    pub(super) fn number(mut self, name: &str, value: impl Display) -> Self {
        self.0.insert(name.to_owned(), number(value));
        self
    }

    /// The item's value, as JSON.
    pub(super) fn body(self, value: &impl Serialize) -> Self {
        let json = serde_json::to_string(value).expect("a ledger item is JSON: its keys are text");
        self.text(BODY, json)
    }

    /// May be deleted from then on.
    pub(super) fn expires(self, at: Timestamp) -> Self {
        self.number(SCHEMA.expires_at, at.epoch_s())
    }

    /// What the SDK takes.
    pub(super) fn attributes(self) -> Attributes {
        self.0
    }

    /// An item as it was read. One that a newer release wrote is `Rejected`.
    pub(super) fn read(attributes: Attributes) -> Result<Self> {
        let item = Self(attributes);
        let form: u32 = item.get_number(FORM_NAME)?;
        if form == FORM {
            return Ok(item);
        }
        let name = item.name();
        let what = format!("read {name}: version {form} was written by a newer release than this one, use that one");
        Err(PortError::new(Kind::Rejected, what))
    }

    /// A text that must be there.
    pub(super) fn get_text(&self, name: &str) -> Result<&str> {
        self.find_text(name).ok_or_else(|| self.corrupt(name))
    }

    /// A text, where there is one.
    pub(super) fn find_text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
    }

    /// A number that must be there.
    pub(super) fn get_number<T: FromStr>(&self, name: &str) -> Result<T> {
        let digits = self.0.get(name).and_then(|value| value.as_n().ok());
        digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| self.corrupt(name))
    }

    /// Whether it has the attribute.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The item's value.
    pub(super) fn get_body<T: DeserializeOwned>(&self) -> Result<T> {
        let corrupt =
            |error| PortError::caused(Kind::Corrupt, format!("read {}: not such an item", self.name()), error);
        serde_json::from_str(self.get_text(BODY)?).map_err(corrupt)
    }

    /// What errors call it.
    pub(super) fn name(&self) -> String {
        let part = |name| self.find_text(name).unwrap_or("?");
        format!("ledger item `{}` / `{}`", part(SCHEMA.partition_key), part(SCHEMA.sort_key))
    }

    fn corrupt(&self, name: &str) -> PortError {
        PortError::new(Kind::Corrupt, format!("read {}: no usable `{name}`", self.name()))
    }
}

impl Key {
    /// The key as the SDK takes it.
    pub(super) fn attributes(self) -> Attributes {
        let named = [(SCHEMA.partition_key, self.pk), (SCHEMA.sort_key, self.sk)];
        named.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect()
    }
}

/// A text as the SDK has it.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number as the SDK has it.
pub(super) fn number(value: impl Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Item {
        Item::new(Key::landed("shard")).number("through", 7).text("word", "w").body(&[1, 2])
    }

    #[test]
    fn an_item_reads_as_it_was_made() {
        let read = Item::read(item().attributes()).unwrap();
        assert_eq!(read.get_number::<i64>("through").unwrap(), 7);
        assert_eq!((read.get_text("word").unwrap(), read.find_text("none")), ("w", None));
        assert_eq!(read.get_body::<Vec<u8>>().unwrap(), [1, 2]);
    }

    #[test]
    fn an_item_of_a_newer_release_is_refused_by_name() {
        let error = Item::read(item().number("v", 2).attributes()).unwrap_err();
        assert_eq!(error.kind, Kind::Rejected);
        let told =
            "read ledger item `landed` / `shard`: version 2 was written by a newer release than this one, use that one";
        assert_eq!(error.to_string(), told);
    }

    #[test]
    fn a_damaged_item_is_corrupt_and_says_where() {
        let error = item().get_number::<u32>("word").unwrap_err();
        assert_eq!(
            (error.kind, error.to_string().contains("`landed` / `shard`: no usable `word`")),
            (Kind::Corrupt, true)
        );
        assert_eq!(item().get_body::<String>().unwrap_err().kind, Kind::Corrupt);
        let mut formless = item().attributes();
        formless.remove("v");
        assert_eq!(Item::read(formless).unwrap_err().kind, Kind::Corrupt);
    }
}
