//! The ledger's budget items on SQLite.

use mendlake_domain::minute::Minute;
use mendlake_domain::quote::SourceName;
use mendlake_ports::budget::{Budget, Reservation};
use mendlake_ports::error::Result;
use rusqlite::{OptionalExtension, Transaction, params};

use super::error::Step;
use super::ledger::SqliteLedger;

/// How long a minute's budget is remembered: a tick is late after seconds, so a day is long past any duplicate.
const KEPT_MINUTES: i64 = 24 * 60;

impl Budget for SqliteLedger {
    async fn reserve_live(&self, provider: &SourceName, minute: Minute, calls: u32) -> Result<Reservation> {
        self.database().write("reserve live calls", |tx| {
            let sql = "INSERT INTO budget (provider, minute, live) VALUES (?1, ?2, ?3)
                       ON CONFLICT DO UPDATE SET live = excluded.live WHERE live IS NULL";
            let reserved = tx.execute(sql, params![provider.as_str(), minute.index(), calls])? == 1;
            forget_old(tx, provider, minute)?;
            Ok(if reserved { Reservation::Reserved } else { Reservation::AlreadyReserved })
        })
    }

    async fn lease_replay(&self, provider: &SourceName, minute: Minute, calls: u32, share: u32) -> Result<u32> {
        self.database().write("lease replay calls", |tx| {
            let sql = "SELECT leased, share FROM budget WHERE provider = ?1 AND minute = ?2";
            let key = params![provider.as_str(), minute.index()];
            let given = tx.query_row(sql, key, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            let (leased, smallest): (u32, Option<u32>) = given.unwrap_or_default();
            let share = smallest.map_or(share, |smallest| smallest.min(share));
            let lease = calls.min(share.saturating_sub(leased));
            let sql = "INSERT INTO budget (provider, minute, leased, share) VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT DO UPDATE SET leased = excluded.leased, share = excluded.share";
            tx.execute(sql, params![provider.as_str(), minute.index(), leased + lease, share])?;
            forget_old(tx, provider, minute)?;
            Ok(lease)
        })
    }
}

fn forget_old(tx: &Transaction<'_>, provider: &SourceName, now: Minute) -> Step<()> {
    let sql = "DELETE FROM budget WHERE provider = ?1 AND minute < ?2";
    tx.execute(sql, params![provider.as_str(), now.plus(-KEPT_MINUTES).index()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::crash::Folder;

    #[tokio::test]
    async fn a_minute_is_forgotten_after_a_day_and_not_before() {
        let folder = Folder::new();
        let ledger = SqliteLedger::new(folder.open());
        let provider = "finnhub".parse().unwrap();
        let reserve = async |minute| ledger.reserve_live(&provider, Minute::from_index(minute), 1).await.unwrap();
        assert_eq!(reserve(0).await, Reservation::Reserved);
        reserve(KEPT_MINUTES).await;
        assert_eq!(reserve(0).await, Reservation::AlreadyReserved);
        let other = "other".parse().unwrap();
        ledger.lease_replay(&other, Minute::from_index(9 * KEPT_MINUTES), 1, 1).await.unwrap();
        assert_eq!(reserve(0).await, Reservation::AlreadyReserved, "another provider's minutes say nothing");
        ledger.lease_replay(&provider, Minute::from_index(KEPT_MINUTES + 1), 1, 1).await.unwrap();
        let left: u32 = ledger
            .database()
            .read("count", |tx| Ok(tx.query_row("SELECT count(*) FROM budget", [], |row| row.get(0))?))
            .unwrap();
        assert_eq!(left, 3, "the last two minutes and the other provider's");
    }
}
