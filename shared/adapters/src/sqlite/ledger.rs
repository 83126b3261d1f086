//! The ledger on SQLite.

use mendlake_domain::minute::Timestamp;
use mendlake_domain::quote::SourceName;
use mendlake_ports::error::Result;
use mendlake_ports::landing::{self, Landing};
use mendlake_ports::runs::{Run, Runs};
use mendlake_ports::source_states::{SourceState, SourceStates};
use rusqlite::{OptionalExtension, params};

use super::database::Database;
use super::error::{from_json, to_json};

/// How long runs are kept, counted back from the newest: long enough to look into last month's trouble.
const RUNS_KEPT_MS: i64 = 30 * 24 * 3_600_000;

/// The ledger in a database: budget, expectations, gaps, source states, landing marks and runs.
///
/// Forgets, as it writes, budget items a day older than the one written and runs 30 days older than the newest. All
/// else stays.
#[derive(Clone, Debug)]
pub struct SqliteLedger {
    database: Database,
}

impl SqliteLedger {
    /// The ledger of a database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Forgets what the lake can tell again: gap items and runs. The next reconciliation, finding none, looks at everything
    /// from the watchlist's first minute on.
    pub fn forget_derived(&self) -> Result<()> {
        self.database.write("forget what the lake can tell", |tx| {
            tx.execute("DELETE FROM gaps", [])?;
            tx.execute("DELETE FROM runs", [])?;
            Ok(())
        })
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }
}

impl SourceStates for SqliteLedger {
    async fn state(&self, source: &SourceName, endpoint: &str) -> Result<SourceState> {
        self.database.read("read source state", |tx| {
            let sql = "SELECT item FROM sources WHERE source = ?1 AND endpoint = ?2";
            let item = tx.query_row(sql, params![source.as_str(), endpoint], |row| row.get::<_, String>(0));
            match item.optional()? {
                Some(item) => from_json(format_args!("state of source `{source}` `{endpoint}`"), &item),
                None => Ok(SourceState::default()),
            }
        })
    }

    async fn set_state(&self, source: &SourceName, endpoint: &str, state: &SourceState) -> Result<()> {
        self.database.write("write source state", |tx| {
            let sql = "INSERT OR REPLACE INTO sources (source, endpoint, item) VALUES (?1, ?2, ?3)";
            tx.execute(sql, params![source.as_str(), endpoint, to_json(state)])?;
            Ok(())
        })
    }
}

impl Landing for SqliteLedger {
    async fn note_landed(&self, shard: &str, through: Timestamp) -> Result<()> {
        self.database.write("note landing", |tx| {
            let sql = "INSERT INTO landed (shard, through) VALUES (?1, ?2)
                       ON CONFLICT DO UPDATE SET through = excluded.through WHERE excluded.through > through";
            tx.execute(sql, params![shard, through.epoch_ms()])?;
            Ok(())
        })
    }

    async fn landed_through(&self) -> Result<Option<Timestamp>> {
        self.database.read("read landing", |tx| {
            let mut marks = tx.prepare("SELECT through FROM landed")?;
            let marks = marks.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
            Ok(landing::through(marks.into_iter().map(Timestamp::from_epoch_ms)))
        })
    }
}

impl Runs for SqliteLedger {
    async fn record_run(&self, run: &Run) -> Result<()> {
        self.database.write("record run", |tx| {
            let sql = "INSERT OR REPLACE INTO runs (at, id, item) VALUES (?1, ?2, ?3)";
            tx.execute(sql, params![run.at.epoch_ms(), run.id, to_json(run)])?;
            tx.execute("DELETE FROM runs WHERE at < (SELECT max(at) FROM runs) - ?1", [RUNS_KEPT_MS])?;
            Ok(())
        })
    }

    async fn last_run(&self) -> Result<Option<Run>> {
        self.database.read("read last run", |tx| {
            let sql = "SELECT item FROM runs ORDER BY at DESC, id DESC LIMIT 1";
            let item = tx.query_row(sql, [], |row| row.get::<_, String>(0)).optional()?;
            item.map(|item| from_json("last run", &item)).transpose()
        })
    }
}

#[cfg(test)]
mod tests {
    use mendlake_ports::contracts::{Fresh, budget, expectations, gaps, landing, runs, source_states};
    use serde_json::json;

    use super::*;
    use crate::sqlite::crash::Folder;

    #[tokio::test]
    async fn the_sqlite_ledger_keeps_its_contracts() {
        let folder = Folder::new();
        let ledger = SqliteLedger::new(folder.open());
        landing::all(&ledger).await;
        for run in 0..2 {
            let fresh = Fresh(run);
            budget::all(&ledger, fresh).await;
            expectations::all(&ledger, fresh).await;
            gaps::all(&ledger, fresh).await;
            source_states::all(&ledger, fresh).await;
            runs::all(&ledger, fresh).await;
        }
    }

    #[tokio::test]
    async fn what_the_ledger_stored_survives_a_crash() {
        let (folder, fresh) = (Folder::new(), Fresh(0));
        let open = || SqliteLedger::new(folder.open());
        let crash = |ledger| SqliteLedger::new(folder.crashed_with(ledger).open());
        budget::what_was_given_survives_power_loss(open(), fresh, crash).await;
        expectations::what_was_recorded_survives_power_loss(open(), fresh, crash).await;
        gaps::what_was_stored_survives_power_loss(open(), fresh, crash).await;
        source_states::what_was_written_survives_power_loss(open(), fresh, crash).await;
        landing::marks_survive_power_loss(open(), crash).await;
        runs::what_was_recorded_survives_power_loss(open(), fresh, crash).await;
    }

    #[tokio::test]
    async fn what_the_lake_can_tell_is_forgotten_and_nothing_else() {
        use mendlake_domain::gap::Gap;
        use mendlake_domain::symbol::Symbol;
        use mendlake_ports::gaps::Gaps;

        let (folder, at) = (Folder::new(), Timestamp::from_epoch_ms(1_800_000_000_000));
        let ledger = SqliteLedger::new(folder.open());
        let symbol: Symbol = "SPY".parse().unwrap();
        ledger.write(&Gap::new(at.date(), symbol.clone(), at), 0).await.unwrap();
        let run = Run { at, id: "a".into(), reconciled_through: at, report: json!({}) };
        ledger.record_run(&run).await.unwrap();
        ledger.note_landed("0", at).await.unwrap();
        ledger.forget_derived().unwrap();
        assert_eq!(ledger.gap(at.date(), &symbol).await.unwrap(), None);
        assert_eq!(ledger.last_run().await.unwrap(), None);
        assert_eq!(ledger.landed_through().await.unwrap(), Some(at));
    }

    #[tokio::test]
    async fn runs_are_kept_for_thirty_days_before_the_newest() {
        let folder = Folder::new();
        let ledger = SqliteLedger::new(folder.open());
        let at = |ms| Timestamp::from_epoch_ms(1_800_000_000_000 + ms);
        let run = |ms| Run { at: at(ms), id: "a".into(), reconciled_through: at(0), report: json!({}) };
        for ms in [0, 1, RUNS_KEPT_MS + 1, 5] {
            ledger.record_run(&run(ms)).await.unwrap();
        }
        let left: Vec<i64> = ledger
            .database
            .read("list", |tx| {
                let mut statement = tx.prepare("SELECT at FROM runs ORDER BY at")?;
                Ok(statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
            })
            .unwrap();
        assert_eq!(left, [1, 5, RUNS_KEPT_MS + 1].map(|ms| at(ms).epoch_ms()));
    }
}
