//! A queue on SQLite.

use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::Result;
use mendlake_ports::queue::{Delivery, Message, Queue, QueueConsumer};
use rusqlite::{Transaction, params};

use super::database::Database;
use super::error::Step;
use crate::memory::queue::parse_receipt;
use crate::settings::{MOST_RECEIVED, QueueSettings, check_message};

/// A queue in a database, by name: one database holds any number of them.
///
/// Delivers what has been visible longest first, and of one instant what was sent first. Dead letters are kept until
/// somebody deletes them: each is a defect that a person looks at.
#[derive(Debug)]
pub struct SqliteQueue<C> {
    database: Database,
    clock: C,
    name: String,
    settings: QueueSettings,
}

impl<C: Clock> SqliteQueue<C> {
    /// The queue with this name, empty where the database has none.
    pub fn new(database: Database, clock: C, name: impl Into<String>, settings: QueueSettings) -> Self {
        Self { database, clock, name: name.into(), settings }
    }

    /// Messages that may be delivered now, longest visible first.
    fn visible(&self, tx: &Transaction<'_>, now: Timestamp, max: usize) -> Step<Vec<Visible>> {
        let sql = "SELECT id, body, receives FROM messages WHERE queue = ?1 AND visible_at <= ?2
                   ORDER BY visible_at, id LIMIT ?3";
        let mut statement = tx.prepare(sql)?;
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![self.name, now.epoch_ms(), max], |row| {
            Ok(Visible { id: row.get(0)?, body: row.get(1)?, receives: row.get(2)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn bury(&self, tx: &Transaction<'_>, now: Timestamp, message: &Visible) -> Step<()> {
        let sql = "INSERT INTO dead_letters (queue, body, died_at) VALUES (?1, ?2, ?3)";
        tx.execute(sql, params![self.name, message.body, now.epoch_ms()])?;
        tx.execute("DELETE FROM messages WHERE id = ?1", [message.id])?;
        Ok(())
    }

    fn deliver(&self, tx: &Transaction<'_>, now: Timestamp, message: Visible) -> Step<Delivery> {
        let receives = message.receives + 1;
        let again = self.settings.visible_again(now).epoch_ms();
        let sql = "UPDATE messages SET receives = ?2, visible_at = ?3 WHERE id = ?1";
        tx.execute(sql, params![message.id, receives, again])?;
        Ok(Delivery { receipt: format!("{}-{receives}", message.id), body: message.body, receives })
    }
}

struct Visible {
    id: i64,
    body: String,
    receives: u32,
}

impl<C: Clock> Queue for SqliteQueue<C> {
    async fn send(&self, messages: &[Message]) -> Result<Vec<Result<()>>> {
        let now = self.clock.now();
        self.database.write("send messages", |tx| {
            let mut insert = tx.prepare("INSERT INTO messages (queue, body, visible_at) VALUES (?1, ?2, ?3)")?;
            let mut outcomes = Vec::with_capacity(messages.len());
            for message in messages {
                let outcome = check_message(message, now);
                if outcome.is_ok() {
                    insert.execute(params![self.name, message.body, message.visible_at.epoch_ms()])?;
                }
                outcomes.push(outcome);
            }
            Ok(outcomes)
        })
    }
}

impl<C: Clock> QueueConsumer for SqliteQueue<C> {
    async fn receive(&self, max: usize) -> Result<Vec<Delivery>> {
        let (now, max) = (self.clock.now(), max.min(MOST_RECEIVED));
        self.database.write("receive messages", |tx| {
            let mut delivered = Vec::new();
            // Each round takes what it finds out of what is visible, so the rounds come to an end.
            while delivered.len() < max {
                let visible = self.visible(tx, now, max - delivered.len())?;
                if visible.is_empty() {
                    break;
                }
                for message in visible {
                    if message.receives >= self.settings.most_receives() {
                        self.bury(tx, now, &message)?;
                    } else {
                        delivered.push(self.deliver(tx, now, message)?);
                    }
                }
            }
            Ok(delivered)
        })
    }

    async fn acknowledge(&self, receipt: &str) -> Result<bool> {
        let named = parse_receipt(receipt).and_then(|(id, n)| Some((i64::try_from(id).ok()?, n)));
        let Some((id, receives)) = named else { return Ok(false) };
        self.database.write("acknowledge message", |tx| {
            // Before its first delivery a message has no receipt: 0 receives are none.
            let sql = "DELETE FROM messages WHERE id = ?1 AND queue = ?2 AND receives = ?3 AND receives > 0";
            Ok(tx.execute(sql, params![id, self.name, receives])? == 1)
        })
    }

    async fn next_visible_at(&self) -> Result<Option<Timestamp>> {
        let sql = "SELECT min(visible_at) FROM messages WHERE queue = ?1";
        self.database.read("find next visible message", |tx| {
            let at: Option<i64> = tx.query_row(sql, [&self.name], |row| row.get(0))?;
            Ok(at.map(Timestamp::from_epoch_ms))
        })
    }

    async fn dead_letters(&self) -> Result<Vec<String>> {
        self.database.read("read dead letters", |tx| {
            let mut statement = tx.prepare("SELECT body FROM dead_letters WHERE queue = ?1 ORDER BY id")?;
            let bodies = statement.query_map([&self.name], |row| row.get(0))?;
            Ok(bodies.collect::<rusqlite::Result<_>>()?)
        })
    }
}

#[cfg(test)]
mod tests {
    use mendlake_ports::contracts::{Fresh, queue};

    use super::*;
    use crate::sqlite::crash::{Folder, clock};

    #[tokio::test]
    async fn the_sqlite_queue_keeps_its_contract() {
        let folder = Folder::new();
        for (visibility_ms, most_receives) in [(30_000, 3), (1_000, 2), (900_000, 5)] {
            let clock = clock();
            let name = format!("queue-{visibility_ms}");
            let settings = QueueSettings::new(visibility_ms, most_receives);
            let queue = SqliteQueue::new(folder.open(), clock.clone(), name, settings);
            let settings = queue::Settings { visibility_ms: visibility_ms.into(), most_receives, slack_ms: 0 };
            for run in 0..2 {
                queue::all(&queue, &clock, settings, Fresh(run)).await;
            }
        }
    }

    #[tokio::test]
    async fn what_the_queue_accepted_survives_a_crash() {
        let (folder, clock) = (Folder::new(), clock());
        let open =
            |folder: &Folder| SqliteQueue::new(folder.open(), clock.clone(), "live", QueueSettings::new(30_000, 3));
        let settings = queue::Settings { visibility_ms: 30_000, most_receives: 3, slack_ms: 0 };
        let crash = |queue| open(&folder.crashed_with(queue));
        queue::what_was_accepted_survives_power_loss(open(&folder), &clock, settings, Fresh(0), crash).await;
    }

    #[tokio::test]
    async fn two_queues_in_one_database_are_apart() {
        let (folder, clock) = (Folder::new(), clock());
        let database = folder.open();
        let [live, replay] = ["live", "replay"]
            .map(|name| SqliteQueue::new(database.clone(), clock.clone(), name, QueueSettings::new(1_000, 1)));
        let message = |body: &str| [Message { body: body.into(), visible_at: clock.now() }];
        live.send(&message("a sample")).await.unwrap();
        assert_eq!((replay.receive(9).await.unwrap(), replay.next_visible_at().await.unwrap()), (vec![], None));
        let delivery = live.receive(9).await.unwrap().remove(0);
        assert!(!replay.acknowledge(&delivery.receipt).await.unwrap(), "another queue's receipt");
        clock.advance_ms(1_000);
        assert_eq!(live.receive(9).await.unwrap(), []);
        assert_eq!(live.dead_letters().await.unwrap(), ["a sample"]);
        assert_eq!(replay.dead_letters().await.unwrap(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_message_that_was_never_delivered_has_no_receipt() {
        let (folder, clock) = (Folder::new(), clock());
        let queue = SqliteQueue::new(folder.open(), clock.clone(), "live", QueueSettings::new(1_000, 2));
        queue.send(&[Message { body: "a".into(), visible_at: clock.now() }]).await.unwrap();
        assert!(!queue.acknowledge("1-0").await.unwrap());
        assert_eq!(queue.receive(1).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn one_call_receives_a_bounded_number() {
        let (folder, clock) = (Folder::new(), clock());
        let queue = SqliteQueue::new(folder.open(), clock.clone(), "live", QueueSettings::new(1_000, 2));
        let message = Message { body: "a".into(), visible_at: clock.now() };
        queue.send(&vec![message; MOST_RECEIVED + 1]).await.unwrap();
        assert_eq!(queue.receive(usize::MAX).await.unwrap().len(), MOST_RECEIVED);
        assert_eq!(queue.receive(usize::MAX).await.unwrap().len(), 1);
    }
}
