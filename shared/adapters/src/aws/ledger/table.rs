//! The calls the ledger makes: get, put, put under a condition, query. Failures as the port's.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use mendlake_ports::error::{Kind, PortError, Result};

use super::item::{Attributes, Item};
use super::schema::Key;
use crate::aws::error::{code, failed};

/// The most pages of one query, each up to 1 MB: far more than a ledger has, so that a query ends.
const MOST_PAGES: usize = 10_000;

const WRITER: &str = "writer";

/// The table, and the name under which this process writes to it.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) client: Client,
    pub(super) name: String,
    writer: Arc<str>,
    writes: Arc<AtomicU64>,
}

/// What a conditional put did.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Put {
    /// It is stored.
    Done,
    /// The condition did not hold: nothing is changed. With the item that is there, where the answer told.
    Refused(Option<Item>),
}

/// An expression with its values: `#name` stands for an attribute, `:name` for a value.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    pub(super) text: &'static str,
    pub(super) values: Vec<(&'static str, AttributeValue)>,
}

impl Table {
    pub(super) fn new(client: Client, name: String, writer: String) -> Self {
        Self { client, name, writer: writer.into(), writes: Arc::default() }
    }

    /// An item, as every write that was answered before left it.
    pub(super) async fn get(&self, key: Key, doing: &str) -> Result<Option<Item>> {
        let get = self.client.get_item().table_name(&self.name).set_key(Some(key.attributes())).consistent_read(true);
        let got = get.send().await.map_err(|error| self.failed(doing, error))?;
        got.item.map(Item::read).transpose()
    }

    /// Stores an item, whatever is there.
    pub(super) async fn put(&self, item: Item, doing: &str) -> Result<()> {
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item.attributes()));
        put.send().await.map_err(|error| self.failed(doing, error))?;
        Ok(())
    }

    /// Stores an item if the condition holds of what is there.
    ///
    /// The SDK repeats a put whose answer was lost, and the repetition is refused by what the first one stored: each put has
    /// a name of its own, so that a refusal by itself counts as done.
    pub(super) async fn put_if(&self, item: Item, condition: Expression, doing: &str) -> Result<Put> {
        let writer = format!("{}#{}", self.writer, self.writes.fetch_add(1, Ordering::Relaxed));
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item.text(WRITER, &writer).attributes()))
            .condition_expression(condition.text)
            .set_expression_attribute_names(Some(condition.names()))
            .set_expression_attribute_values(condition.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let error = match put.send().await {
            Ok(_) => return Ok(Put::Done),
            Err(error) => error,
        };
        let Some(PutItemError::ConditionalCheckFailedException(refusal)) = error.as_service_error() else {
            return Err(self.failed(doing, error));
        };
        let there = refusal.item.clone().map(Item::read).transpose()?;
        let is_own = there.as_ref().is_some_and(|item| item.find_text(WRITER) == Some(&writer));
        Ok(if is_own { Put::Done } else { Put::Refused(there) })
    }

    /// Every item of a partition that the expression selects, by sort key; of an index where one is named, and then in no
    /// order and as the index has them.
    pub(super) async fn query(&self, index: Option<&str>, keys: Expression, doing: &str) -> Result<Vec<Item>> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .set_index_name(index.map(str::to_owned))
            .consistent_read(index.is_none())
            .key_condition_expression(keys.text)
            .set_expression_attribute_names(Some(keys.names()))
            .set_expression_attribute_values(keys.values());
        let mut items = Vec::new();
        let mut after: Option<Attributes> = None;
        for _ in 0..MOST_PAGES {
            let page = query.clone().set_exclusive_start_key(after).send().await;
            let page = page.map_err(|error| self.failed(doing, error))?;
            for item in page.items.unwrap_or_default() {
                items.push(Item::read(item)?);
            }
            // A page may be empty and not the last.
            after = page.last_evaluated_key.filter(|key| !key.is_empty());
            if after.is_none() {
                return Ok(items);
            }
        }
        Err(PortError::new(Kind::Unavailable, format!("{doing}: more than {MOST_PAGES} pages")))
    }

    /// A failed call. Where the table is missing or another than the ledger's, no input is to blame: stop and page.
    pub(super) fn failed<E>(&self, doing: &str, error: SdkError<E, HttpResponse>) -> PortError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        // What is asked is the same in every call but for the values, and a value can only be too large.
        let said =
            |word| error.as_service_error().and_then(|e| e.message()).is_some_and(|m| m.to_lowercase().contains(word));
        let wrong = match code(&error) {
            Some("ResourceNotFoundException") => "is not there: check its name, the account and the region",
            Some("ValidationException") if !said("size") => "is not a ledger of this release: check its name",
            _ => return failed(doing, error),
        };
        let doing = format!("{doing}: table `{}` {wrong}", self.name);
        let mut told = failed(doing, error);
        told.kind = Kind::Denied;
        told
    }
}

impl Expression {
    pub(super) fn new<const N: usize>(text: &'static str, values: [(&'static str, AttributeValue); N]) -> Self {
        Self { text, values: values.into() }
    }

    /// The condition that there is no such item yet.
    pub(super) fn absent() -> Self {
        Self::new("attribute_not_exists(#pk)", [])
    }

    /// The attributes it names: every one by a placeholder, since some names are reserved words.
    fn names(&self) -> std::collections::HashMap<String, String> {
        let begin = |part: &'static str| {
            let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
            &part[..end]
        };
        self.text.split('#').skip(1).map(begin).map(|name| (format!("#{name}"), name.to_owned())).collect()
    }

    /// Its values; none where there are none, an empty map is refused.
    fn values(self) -> Option<Attributes> {
        let values = self.values.into_iter().map(|(name, value)| (name.to_owned(), value));
        Some(values.collect::<Attributes>()).filter(|values| !values.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::ledger::item::number;

    #[test]
    fn an_expression_names_each_attribute_once() {
        let text = "attribute_not_exists(#pk) OR #at < :at OR (#at = :at AND #id <= :id)";
        let names = Expression::new(text, [(":at", number(1))]).names();
        let mut names: Vec<_> = names.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        names.sort_unstable();
        assert_eq!(names, [("#at", "at"), ("#id", "id"), ("#pk", "pk")]);
        assert_eq!(Expression::absent().values(), None);
    }
}
