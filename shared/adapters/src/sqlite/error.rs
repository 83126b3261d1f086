//! SQLite's failures as kinds of what to do next, and values stored as JSON.

use std::fmt::Display;

use mendlake_ports::error::{Kind, PortError};
use rusqlite::ErrorCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a step within a transaction failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite failed; the transaction's name is still to be added.
    Sql(rusqlite::Error),
    /// The port's own refusal.
    Port(PortError),
}

/// What a step within a transaction gives.
pub(super) type Step<T> = Result<T, Failure>;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

impl Failure {
    /// The port's error; `doing` says what in the imperative.
    pub(super) fn while_doing(self, doing: &str) -> PortError {
        match self {
            Self::Port(error) => error,
            Self::Sql(error) => sql_error(doing, error),
        }
    }
}

/// SQLite's error as the port's.
pub(super) fn sql_error(doing: &str, error: rusqlite::Error) -> PortError {
    let doing = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => format!("{doing}: the disk is full"),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            format!("{doing}: it is damaged, `mendlake verify --rebuild-ledger` makes it anew from the lake")
        }
        _ => doing.to_owned(),
    };
    PortError::caused(kind(&error), doing, error)
}

fn kind(error: &rusqlite::Error) -> Kind {
    use rusqlite::Error as E;
    match (error.sqlite_error_code(), error) {
        (Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase), _) => Kind::Corrupt,
        (Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly), _) => Kind::Denied,
        (Some(ErrorCode::TooBig), _) => Kind::Rejected,
        (None, E::FromSqlConversionFailure(..) | E::IntegralValueOutOfRange(..)) => Kind::Corrupt,
        (None, E::InvalidColumnType(..) | E::Utf8Error(..)) => Kind::Corrupt,
        // Busy, locked, a failing or full disk, no memory, no file handle: nothing is wrong with the data or the call.
        _ => Kind::Unavailable,
    }
}

/// A value as it is stored.
pub(super) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a ledger item is JSON: its keys are text")
}

/// A stored value; `what` names the item, for the error.
pub(super) fn from_json<T: DeserializeOwned>(what: impl Display, text: &str) -> Step<T> {
    let corrupt = |error| PortError::caused(Kind::Corrupt, format!("read {what}: not such an item"), error);
    Ok(serde_json::from_str(text).map_err(corrupt)?)
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn each_failure_says_what_to_do_next() {
        let kinds = [
            (ffi::SQLITE_BUSY, Kind::Unavailable),
            (ffi::SQLITE_LOCKED, Kind::Unavailable),
            (ffi::SQLITE_IOERR, Kind::Unavailable),
            (ffi::SQLITE_FULL, Kind::Unavailable),
            (ffi::SQLITE_NOMEM, Kind::Unavailable),
            (ffi::SQLITE_CANTOPEN, Kind::Unavailable),
            (ffi::SQLITE_CORRUPT, Kind::Corrupt),
            (ffi::SQLITE_NOTADB, Kind::Corrupt),
            (ffi::SQLITE_READONLY, Kind::Denied),
            (ffi::SQLITE_PERM, Kind::Denied),
            (ffi::SQLITE_TOOBIG, Kind::Rejected),
        ];
        for (code, kind) in kinds {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let error = sql_error("append to stream", error);
            assert_eq!(error.kind, kind, "{}", error.chain());
            let full = error.to_string() == "append to stream: the disk is full";
            assert_eq!(full, code == ffi::SQLITE_FULL, "{error}");
        }
    }

    #[test]
    fn a_column_of_another_type_is_corrupt() {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        let error = database.query_row("SELECT 'text'", [], |row| row.get::<_, i64>(0)).unwrap_err();
        assert_eq!(sql_error("read", error).kind, Kind::Corrupt);
        let error = database.query_row("SELECT 5000000000", [], |row| row.get::<_, u32>(0)).unwrap_err();
        assert_eq!(sql_error("read", error).kind, Kind::Corrupt);
    }
}
