//! The ledger's gap items on SQLite.

use chrono::NaiveDate;
use mendlake_domain::gap::Gap;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::gaps::{Gaps, VersionedGap, Write};
use rusqlite::{Params, Transaction, params};

use super::error::{Step, from_json, to_json};
use super::ledger::SqliteLedger;

/// The version of a gap item's form that this release reads.
const ITEM_VERSION: u32 = 1;

impl Gaps for SqliteLedger {
    async fn gap(&self, on: NaiveDate, symbol: &Symbol) -> Result<Option<VersionedGap>> {
        let filter = "WHERE day = ?1 AND symbol = ?2";
        let key = params![on.to_string(), symbol.as_str()];
        Ok(self.database().read("read gap", |tx| items(tx, filter, key))?.pop())
    }

    async fn pending(&self) -> Result<Vec<VersionedGap>> {
        self.database().read("read pending gaps", |tx| items(tx, "WHERE pending = 1 ORDER BY day, symbol", []))
    }

    async fn of_session(&self, on: NaiveDate) -> Result<Vec<VersionedGap>> {
        let filter = "WHERE day = ?1 ORDER BY symbol";
        self.database().read("read gaps of session", |tx| items(tx, filter, [on.to_string()]))
    }

    async fn write(&self, gap: &Gap, version: u64) -> Result<Write> {
        // A version that no item can have is another than it has.
        let Some((before, after)) = i64::try_from(version).ok().and_then(|v| Some((v, v.checked_add(1)?))) else {
            return Ok(Write::Conflict);
        };
        let sql = if before == 0 {
            "INSERT INTO gaps (day, symbol, version, pending, item) VALUES (?1, ?2, ?4, ?5, ?6) ON CONFLICT DO NOTHING"
        } else {
            "UPDATE gaps SET version = ?4, pending = ?5, item = ?6 WHERE day = ?1 AND symbol = ?2 AND version = ?3"
        };
        let stored = self.database().write("write gap", |tx| {
            let (day, symbol) = (gap.on.to_string(), gap.symbol.as_str());
            Ok(tx.execute(sql, params![day, symbol, before, after, gap.is_pending(), to_json(gap)])? == 1)
        })?;
        Ok(if stored { Write::Stored(version + 1) } else { Write::Conflict })
    }
}

fn items(tx: &Transaction<'_>, filter: &str, key: impl Params) -> Step<Vec<VersionedGap>> {
    let mut statement = tx.prepare(&format!("SELECT day, symbol, version, item FROM gaps {filter}"))?;
    let mut rows = statement.query(key)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        let (day, symbol): (String, String) = (row.get(0)?, row.get(1)?);
        let gap = parse(&format!("gap of `{symbol}` on {day}"), &row.get::<_, String>(3)?)?;
        items.push(VersionedGap { gap, version: row.get::<_, i64>(2)?.unsigned_abs() });
    }
    Ok(items)
}

fn parse(what: &str, item: &str) -> Step<Gap> {
    #[derive(serde::Deserialize)]
    struct VersionOnly {
        v: u32,
    }
    let VersionOnly { v } = from_json(what, item)?;
    if v != ITEM_VERSION {
        let what = format!("read {what}: version {v} was written by a newer release than this one, use that one");
        return Err(PortError::new(Kind::Rejected, what).into());
    }
    from_json(what, item)
}
