//! The ledger's source states, landing marks and runs on DynamoDB.

use mendlake_domain::minute::Timestamp;
use mendlake_domain::quote::SourceName;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::Result;
use mendlake_ports::landing::{Landing, through};
use mendlake_ports::runs::{Run, Runs};
use mendlake_ports::source_states::{SourceState, SourceStates};

use super::DynamoDbLedger;
use super::item::{Item, number, text};
use super::schema::{Key, LANDED};
use super::table::Expression;

/// How long runs are kept: long enough to look into last month's trouble.
const RUNS_KEPT_MS: i64 = 30 * 24 * 3_600_000;

impl<C: Clock> SourceStates for DynamoDbLedger<C> {
    async fn state(&self, source: &SourceName, endpoint: &str) -> Result<SourceState> {
        let item = self.table.get(Key::source(source, endpoint), "read source state").await?;
        item.map_or_else(|| Ok(SourceState::default()), |item| item.get_body())
    }

    async fn set_state(&self, source: &SourceName, endpoint: &str, state: &SourceState) -> Result<()> {
        self.table.put(Item::new(Key::source(source, endpoint)).body(state), "write source state").await
    }
}

impl<C: Clock> Landing for DynamoDbLedger<C> {
    async fn note_landed(&self, shard: &str, mark: Timestamp) -> Result<()> {
        let mark = mark.epoch_ms();
        let condition = "attribute_not_exists(#pk) OR #through < :through";
        let condition = Expression::new(condition, [(":through", number(mark))]);
        let item = Item::new(Key::landed(shard)).number("through", mark);
        // Refused: the mark is there already, or further.
        self.table.put_if(item, condition, "note landing").await?;
        Ok(())
    }

    async fn landed_through(&self) -> Result<Option<Timestamp>> {
        let keys = Expression::new("#pk = :landed", [(":landed", text(LANDED))]);
        let marks = self.table.query(None, keys, "read landing").await?;
        let marks: Vec<i64> = marks.iter().map(|mark| mark.get_number("through")).collect::<Result<_>>()?;
        Ok(through(marks.into_iter().map(Timestamp::from_epoch_ms)))
    }
}

impl<C: Clock> Runs for DynamoDbLedger<C> {
    /// The run, then the last run where none is newer. Between the two the last run is the one before, and the next
    /// reconciliation looks further back than it must.
    async fn record_run(&self, run: &Run) -> Result<()> {
        const DOING: &str = "record run";
        let item = Item::new(Key::run(run.at, &run.id)).body(run).expires(run.at.plus_ms(RUNS_KEPT_MS));
        self.table.put(item, DOING).await?;
        let newest = "attribute_not_exists(#pk) OR #at < :at OR (#at = :at AND #id <= :id)";
        let newest = Expression::new(newest, [(":at", number(run.at.epoch_ms())), (":id", text(&run.id))]);
        let last = Item::new(Key::last_run()).number("at", run.at.epoch_ms()).text("id", &run.id).body(run);
        self.table.put_if(last, newest, DOING).await?;
        Ok(())
    }

    async fn last_run(&self) -> Result<Option<Run>> {
        let last = self.table.get(Key::last_run(), "read last run").await?;
        last.map(|item| item.get_body()).transpose()
    }
}
