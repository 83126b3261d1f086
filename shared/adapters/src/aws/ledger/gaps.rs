//! The ledger's gap items on DynamoDB.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use futures_util::future::try_join_all;
use mendlake_domain::gap::Gap;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::Result;
use mendlake_ports::gaps::{Gaps, VersionedGap, Write};

use super::DynamoDbLedger;
use super::item::{Item, number, text};
use super::schema::{INDEX_PARTITIONS, Key, SCHEMA, index_partition, session};
use super::table::{Expression, Put};
use super::written::Identity;

const VERSION: &str = "version";

impl<C: Clock> Gaps for DynamoDbLedger<C> {
    async fn gap(&self, on: NaiveDate, symbol: &Symbol) -> Result<Option<VersionedGap>> {
        self.table.get(Key::gap(on, symbol), "read gap").await?.map(|item| read(&item)).transpose()
    }

    async fn pending(&self) -> Result<Vec<VersionedGap>> {
        const DOING: &str = "read pending gaps";
        let partition = |partition: &str| {
            let keys = Expression::new("#open = :partition", [(":partition", text(partition))]);
            self.table.query(Some(SCHEMA.index), keys, DOING)
        };
        let shown = try_join_all(INDEX_PARTITIONS.map(partition)).await?;
        let mut items = by_identity(shown.iter().flatten())?;
        let unseen = self.written.unseen(&items);
        if !unseen.is_empty() {
            let keys = unseen.iter().map(|(on, symbol)| Key::gap(*on, symbol)).collect();
            let stored = by_identity(&self.table.get_all(&self.clock, keys, DOING).await?)?;
            stored.values().for_each(|item| self.written.note(&item.gap, item.version));
            items.extend(stored);
        }
        // An item read just now may have nothing left to do.
        Ok(items.into_values().filter(|item| item.gap.is_pending()).collect())
    }

    async fn of_session(&self, on: NaiveDate) -> Result<Vec<VersionedGap>> {
        let keys = Expression::new("#pk = :session", [(":session", text(session(on)))]);
        let items = self.table.query(None, keys, "read gaps of session").await?;
        items.iter().map(read).collect()
    }

    async fn write(&self, gap: &Gap, version: u64) -> Result<Write> {
        // A version that no item can have is another than it has.
        let Some(after) = version.checked_add(1) else { return Ok(Write::Conflict) };
        let condition = match version {
            0 => Expression::absent(),
            _ => Expression::new("#version = :version", [(":version", number(version))]),
        };
        let item = Item::new(Key::gap(gap.on, &gap.symbol)).number(VERSION, after).body(gap);
        let item = match gap.is_pending() {
            true => item.text(SCHEMA.index_partition_key, index_partition(gap.on, &gap.symbol)),
            false => item,
        };
        match self.table.put_if(item, condition, "write gap").await? {
            Put::Done => {
                self.written.note(gap, after);
                Ok(Write::Stored(after))
            }
            Put::Refused(_) => Ok(Write::Conflict),
        }
    }
}

fn by_identity<'a>(items: impl IntoIterator<Item = &'a Item>) -> Result<BTreeMap<Identity, VersionedGap>> {
    let item = |item| read(item).map(|v| ((v.gap.on, v.gap.symbol.clone()), v));
    items.into_iter().map(item).collect()
}

fn read(item: &Item) -> Result<VersionedGap> {
    Ok(VersionedGap { gap: item.get_body()?, version: item.get_number(VERSION)? })
}
