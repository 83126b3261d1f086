//! The ledger's expectations on SQLite.

use mendlake_domain::minute::Minute;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::error::Result;
use mendlake_ports::expectations::{Expectation, Expectations, SYMBOLS_AN_ITEM};
use rusqlite::params;

use super::error::{from_json, to_json};
use super::ledger::SqliteLedger;

impl Expectations for SqliteLedger {
    async fn record(&self, expectation: &Expectation) -> Result<()> {
        let minute = expectation.minute.index();
        self.database().write("record expectation", |tx| {
            tx.execute("DELETE FROM expectations WHERE minute = ?1", [minute])?;
            let mut insert = tx.prepare("INSERT INTO expectations (minute, chunk, item) VALUES (?1, ?2, ?3)")?;
            for (chunk, item) in (0_u32..).zip(items(expectation)) {
                insert.execute(params![minute, chunk, to_json(&item)])?;
            }
            Ok(())
        })
    }

    async fn expectations(&self, from: Minute, to: Minute) -> Result<Vec<Expectation>> {
        self.database().read("read expectations", |tx| {
            let sql = "SELECT minute, item FROM expectations WHERE minute >= ?1 AND minute < ?2 ORDER BY minute, chunk";
            let mut statement = tx.prepare(sql)?;
            let mut rows = statement.query(params![from.index(), to.index()])?;
            let mut read: Vec<Expectation> = Vec::new();
            while let Some(row) = rows.next()? {
                let minute = Minute::from_index(row.get(0)?);
                let item: Expectation = from_json(format_args!("expectation of {minute}"), &row.get::<_, String>(1)?)?;
                match read.last_mut().filter(|last| last.minute == minute) {
                    Some(last) => last.symbols.extend(item.symbols),
                    None => read.push(item),
                }
            }
            Ok(read)
        })
    }
}

/// The items of an expectation: at least one, or a minute that expects nothing would look dark.
fn items(whole: &Expectation) -> Vec<Expectation> {
    let item = |symbols: &[Symbol]| Expectation { symbols: symbols.to_vec(), ..whole.clone() };
    if whole.symbols.is_empty() {
        return vec![item(&[])];
    }
    whole.symbols.chunks(SYMBOLS_AN_ITEM).map(item).collect()
}
