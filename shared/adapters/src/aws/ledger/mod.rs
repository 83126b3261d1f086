//! The ledger in one DynamoDB table.
//!
//! | item | `pk` | `sk` | holds |
//! |---|---|---|---|
//! | expectation | `expect#<UTC hour>` | `<mm>#0000`, then `<mm>#<chunk>#<set>` | the symbols requested, at most 500 an item |
//! | gap | `gap#<trading day>` | symbol | the item as JSON, its `version`; `open` while something is left to do |
//! | source | `source#<name>` | endpoint | its state as JSON |
//! | budget | `budget#<provider>` | `live#<minute>`, `replay#<minute>` | calls reserved; calls leased and the smallest share |
//! | landed | `landed` | shard | the mark, in milliseconds |
//! | run | `run#<UTC date>` | `<now>#<id>` | the run as JSON |
//! | last run | `run` | `last` | the newest run again |
//! | lake | `lake` | `of` | when the lake was made whose ledger this is, in milliseconds |
//!
//! Every item says the version of its form (`v`, 1); a newer one is refused by name. What stops mattering says when in
//! `expires_at`: budget after a day, expectations and runs after 30. DynamoDB deletes it some days later, and nothing here
//! depends on when. Gap items, source states, landing marks, the last run and the lake stay.
//!
//! **Requests.** A tick costs three: the source's state, the reservation, and the expectation, one write for each 500
//! symbols. A reconciliation costs 21 and one for each session it looks at, plus one for each gap item that changed.
//! There is no scan, no `DeleteItem` and no `UpdateItem`.
//!
//! **Reads** are consistent, with one exception: `pending` asks an index, which on AWS trails the table, by less than a
//! second as a rule. What this process wrote is looked up in the table where the index does not show it yet, so a
//! reconciliation counts what it has written. What another process wrote in that second may be missing, or be given as
//! it was before: a write at its version is then a conflict, and the next run sees it.
//!
//! **A lost answer.** A conditional write is repeated by the SDK where its answer was lost, and the repetition then finds
//! its own item in the way. Every conditional write carries a name of its own (`writer`), and a refusal shows the item that
//! refused: where that is the write's own, it counts as done. So `reserve_live` gives `Reserved` though the first answer was
//! lost. Where no try was answered at all, the caller gets an error of which nothing is known; a new call for the same
//! minute is then `AlreadyReserved`, or reserves it if the write never arrived. In no case are there two reservations.
//!
//! **Permissions** on the table: `dynamodb:GetItem`, `PutItem`, `Query`, `BatchGetItem`, `BatchWriteItem`; on its index
//! `open`: `dynamodb:Query`.

mod batch;
mod budget;
#[cfg(test)]
mod canned;
mod expectations;
mod gaps;
mod item;
mod marks;
mod schema;
mod table;
#[cfg(test)]
mod tests;
mod written;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::error::{Kind, PortError, Result};

use item::Item;
use schema::Key;
pub use schema::{SCHEMA, Schema};
use table::{Expression, Put, Table};
use written::Written;

/// The attribute that says when the ledger's lake was made.
const LAKE: &str = "created_at";

/// The ledger in a DynamoDB table: budget, expectations, gaps, source states, landing marks and runs. Clones are the same
/// ledger.
///
/// The table must be there, made as [`SCHEMA`] says.
#[derive(Clone, Debug)]
pub struct DynamoDbLedger<C> {
    table: Table,
    clock: C,
    /// What this process wrote and the index may not show yet.
    written: Arc<Written>,
}

impl<C> DynamoDbLedger<C> {
    /// The ledger in the table named `table`.
    ///
    /// `writer` tells this ledger from every other that there ever is on the table, in other processes too: an id minted at
    /// the start. Two of one name could take each other's writes for their own.
    pub fn new(client: Client, table: impl Into<String>, writer: impl Into<String>, clock: C) -> Self {
        let table = Table::new(client, table.into(), writer.into());
        Self { table, clock, written: Arc::default() }
    }

    /// Notes that this is the ledger of the lake made then, where nothing was noted before. `Rejected` where it is another
    /// lake's: runs, gaps and marks would be of something else. One write, whatever is there.
    pub async fn belongs_to(&self, lake: &str, created_at: Timestamp) -> Result<()> {
        let item = Item::new(Key::lake()).number(LAKE, created_at.epoch_ms());
        let Put::Refused(Some(noted)) =
            self.table.put_if(item, Expression::absent(), "note whose ledger it is").await?
        else {
            return Ok(());
        };
        let other = noted.get_number(LAKE)?;
        if other == created_at.epoch_ms() {
            return Ok(());
        }
        let what = format!(
            "use the table `{}` as the ledger of `{lake}`: it is of a lake made at {}, and this one was made at {created_at}. Name the \
             stack's own bucket and table; where the lake was moved here on purpose, or its `mendlake.json` was written anew, \
             runbooks/deploy.md has the command that tells the ledger",
            self.table.name,
            Timestamp::from_epoch_ms(other),
        );
        Err(PortError::new(Kind::Rejected, what))
    }
}
