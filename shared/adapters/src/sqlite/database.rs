//! The database file: opening, versions, transactions.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mendlake_ports::error::{Kind, PortError, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::error::{Step, sql_error};

/// The schema's versions, in order: version n is what the first n leave behind.
const MIGRATIONS: &[&str] = &[include_str!("migrations/1.sql")];

/// `mend` in ASCII: tells this program's databases from others.
const APPLICATION_ID: i32 = 0x6d65_6e64;

/// How long a call waits for another process's transaction. Transactions here take milliseconds; a write-ahead log that
/// is being carried over on a slow disk may take a second.
const BUSY_FOR: Duration = Duration::from_secs(5);

/// How often the switch to a write-ahead log is tried: others that open the same new file at the same moment are in the
/// way for one try each.
const MOST_SWITCHES: usize = 20;

/// What a commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Power loss: the log is synced at every commit, which takes a millisecond or two.
    PowerLoss,
    /// The end of the process, by `kill -9` too, but not of the machine, which may lose the newest commits. For
    /// demonstrations and tests on a virtual clock, whose data can be made again.
    ProcessEnd,
}

/// One database file, open. Clones share its connection.
///
/// - Every port call is one transaction on a write-ahead log, committed with `synchronous=FULL` unless [`Durability`] says
///   otherwise: what a call returned survives power loss, and a call that failed left nothing.
/// - Calls run inline under a mutex, not on a thread of their own: each is a few statements over an index, with a bound
///   on the rows it touches. A call may wait for the disk, and up to 5 s for another process's transaction.
/// - Any number of processes may read while one writes. Two processes may write; that there is one pipeline a folder is
///   the caller's to keep.
#[derive(Clone, Debug)]
pub struct Database {
    connection: Arc<Mutex<Connection>>,
}

impl Database {
    /// Opens the file for reading and writing; creates it, and brings an older schema up to date.
    ///
    /// A newer schema than this release knows, or another program's database, is `Rejected` and left untouched; what is
    /// no database is `Corrupt`.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, Durability::PowerLoss)
    }

    /// Opens the file as [`open`](Self::open) does, its commits surviving what is asked.
    pub fn open_with(path: &Path, durability: Durability) -> Result<Self> {
        let doing = format!("open database `{}`", path.display());
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut connection = connect(path, flags, &doing)?;
        check_version(&connection, MIGRATIONS.len(), &doing)?;
        make_durable(&connection, durability, &doing)?;
        migrate(&mut connection, MIGRATIONS, &doing)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Opens the file for reading beside a process that writes it. Writing through it is `Denied`.
    ///
    /// No file, or one of a schema this release would first have to bring up to date, is `Rejected`.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        let doing = format!("open database `{}` for reading", path.display());
        if !path.exists() {
            return Err(PortError::new(Kind::Rejected, format!("{doing}: there is none")));
        }
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, &doing)?;
        let version = check_version(&connection, MIGRATIONS.len(), &doing)?;
        if version < MIGRATIONS.len() {
            let what = format!("schema version {version} is not {} yet: start `mendlake run` once", MIGRATIONS.len());
            return Err(PortError::new(Kind::Rejected, format!("{doing}: {what}")));
        }
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Reads the whole file and checks that its tables and indexes agree. `Corrupt` where they do not.
    pub fn check(&self) -> Result<()> {
        let answer = self.read("check database", |tx| {
            Ok(tx.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0))?)
        })?;
        match answer.as_str() {
            "ok" => Ok(()),
            found => Err(PortError::new(Kind::Corrupt, format!("check database: {found}"))),
        }
    }

    /// Runs one reading transaction: it sees one moment of the database.
    pub(super) fn read<T>(&self, doing: &str, work: impl FnOnce(&Transaction<'_>) -> Step<T>) -> Result<T> {
        self.transaction(TransactionBehavior::Deferred, doing, work)
    }

    /// Runs one writing transaction and commits it; an error rolls it back. It is the writer from its first statement on:
    /// what it reads cannot change before it writes.
    pub(super) fn write<T>(&self, doing: &str, work: impl FnOnce(&Transaction<'_>) -> Step<T>) -> Result<T> {
        self.transaction(TransactionBehavior::Immediate, doing, work)
    }

    fn transaction<T>(
        &self,
        behavior: TransactionBehavior,
        doing: &str,
        work: impl FnOnce(&Transaction<'_>) -> Step<T>,
    ) -> Result<T> {
        let run = |connection: &mut Connection| {
            let transaction = connection.transaction_with_behavior(behavior)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        run(&mut self.connection()).map_err(|failure: super::error::Failure| failure.while_doing(doing))
    }

    /// A panic in a transaction rolled it back, so the connection of a poisoned mutex is sound.
    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(path: &Path, flags: OpenFlags, doing: &str) -> Result<Connection> {
    // No mutex of SQLite's own: ours lets one thread in at a time.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| sql_error(doing, e))?;
    connection.busy_timeout(BUSY_FOR).map_err(|e| sql_error(doing, e))?;
    connection.pragma_update(None, "foreign_keys", true).map_err(|e| sql_error(doing, e))?;
    Ok(connection)
}

/// Sets what a commit survives.
fn make_durable(connection: &Connection, durability: Durability, doing: &str) -> Result<()> {
    let synchronous = match durability {
        Durability::PowerLoss => "FULL",
        Durability::ProcessEnd => "NORMAL",
    };
    let set = || {
        connection.pragma_update(None, "synchronous", synchronous)?;
        // Only macOS heeds these: its fsync leaves data in the drive's cache.
        connection.pragma_update(None, "fullfsync", true)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
        switch_to_log(connection)
    };
    match set().map_err(|e| sql_error(doing, e))?.as_str() {
        "wal" => Ok(()),
        mode => {
            let what = format!("no write-ahead log here, is it a network drive? journal mode: `{mode}`");
            Err(PortError::new(Kind::Rejected, format!("{doing}: {what}")))
        }
    }
}

/// Switches to a write-ahead log, where that is not done yet; gives the journal mode. SQLite does not wait for others
/// here as it does for a transaction, so a transaction is waited for before it is tried again.
fn switch_to_log(connection: &Connection) -> rusqlite::Result<String> {
    let switch = || connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0));
    for _ in 1..MOST_SWITCHES {
        match switch() {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                connection.execute_batch("BEGIN IMMEDIATE; COMMIT")?;
            }
            switched => return switched,
        }
    }
    switch()
}

/// The schema version, 0 where the database is new; refuses another program's database and a newer schema.
fn check_version(connection: &Connection, newest: usize, doing: &str) -> Result<usize> {
    // One statement, so that all three are of one moment though another process may be migrating.
    let sql = "SELECT (SELECT count(*) FROM sqlite_schema), application_id, user_version
               FROM pragma_application_id, pragma_user_version";
    let read = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let (tables, application, version): (i64, i64, i64) = read.map_err(|e| sql_error(doing, e))?;
    let refuse = |what: String| Err(PortError::new(Kind::Rejected, format!("{doing}: {what}")));
    if application != i64::from(APPLICATION_ID) && (application, version, tables) != (0, 0, 0) {
        return refuse("it is another program's database".into());
    }
    match usize::try_from(version) {
        Ok(version) if version <= newest => Ok(version),
        _ => refuse(format!(
            "schema version {version} was written by a newer release than this one, which reads up to {newest}: \
             use the newer release"
        )),
    }
}

/// Brings the schema up to date, in one transaction.
fn migrate(connection: &mut Connection, migrations: &[&str], doing: &str) -> Result<()> {
    if check_version(connection, migrations.len(), doing)? == migrations.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = transaction.map_err(|e| sql_error(doing, e))?;
    // Again, now that nobody else can migrate.
    let version = check_version(&transaction, migrations.len(), doing)?;
    let apply = || -> rusqlite::Result<()> {
        for migration in &migrations[version..] {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", migrations.len() as i64)
    };
    apply().and_then(|()| transaction.commit()).map_err(|e| sql_error(doing, e))
}

#[cfg(test)]
mod tests;
