//! Batches: what DynamoDB left undone is asked for again, a bounded number of times.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{KeysAndAttributes, PutRequest, WriteRequest};
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};

use super::item::{Attributes, Item};
use super::schema::Key;
use super::table::Table;

/// DynamoDB's limit of items in one write.
const MOST_WRITTEN: usize = 25;

/// DynamoDB's limit of items in one read.
const MOST_READ: usize = 100;

/// How often a batch is sent, what was left undone alone from the second time on.
const TRIES: u32 = 6;

/// Waits before the second try; twice as long before each one after. All together 1.6 s: a table on demand that is
/// throttled has split its partition by then, or will not soon.
const FIRST_WAIT_MS: i64 = 50;

impl Table {
    /// Stores items, whatever is there. On an error, some may be stored.
    pub(super) async fn put_all(&self, clock: &impl Clock, items: Vec<Item>, doing: &str) -> Result<()> {
        for chunk in items.chunks(MOST_WRITTEN) {
            let mut left: Vec<WriteRequest> = chunk.iter().cloned().map(put).collect();
            for tried in 0..TRIES {
                wait(clock, tried).await;
                let write = self.client.batch_write_item().request_items(&self.name, left);
                let written = write.send().await.map_err(|error| self.failed(doing, error))?;
                left = written.unprocessed_items.and_then(|mut of| of.remove(&self.name)).unwrap_or_default();
                if left.is_empty() {
                    break;
                }
            }
            undone(left.len(), chunk.len(), doing)?;
        }
        Ok(())
    }

    /// The items there are of these, in no order, as every write that was answered before left them. No key twice.
    pub(super) async fn get_all(&self, clock: &impl Clock, keys: Vec<Key>, doing: &str) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        for chunk in keys.chunks(MOST_READ) {
            let mut left: Vec<Attributes> = chunk.iter().cloned().map(Key::attributes).collect();
            for tried in 0..TRIES {
                wait(clock, tried).await;
                let wanted = KeysAndAttributes::builder().set_keys(Some(left)).consistent_read(true).build();
                let wanted = HashMap::from([(self.name.clone(), wanted.expect("keys are given"))]);
                let get = self.client.batch_get_item().set_request_items(Some(wanted));
                let got = get.send().await.map_err(|error| self.failed(doing, error))?;
                for item in got.responses.and_then(|mut of| of.remove(&self.name)).unwrap_or_default() {
                    items.push(Item::read(item)?);
                }
                left =
                    got.unprocessed_keys.and_then(|mut of| of.remove(&self.name)).map(|k| k.keys).unwrap_or_default();
                if left.is_empty() {
                    break;
                }
            }
            undone(left.len(), chunk.len(), doing)?;
        }
        Ok(items)
    }
}

fn put(item: Item) -> WriteRequest {
    let put = PutRequest::builder().set_item(Some(item.attributes())).build().expect("an item is given");
    WriteRequest::builder().put_request(put).build()
}

async fn wait(clock: &impl Clock, tried: u32) {
    if tried > 0 {
        clock.sleep_until(clock.now().plus_ms(FIRST_WAIT_MS << (tried - 1))).await;
    }
}

fn undone(left: usize, of: usize, doing: &str) -> Result<()> {
    if left == 0 {
        return Ok(());
    }
    Err(PortError::new(Kind::Throttled, format!("{doing}: {left} of {of} items were left undone {TRIES} times")))
}
