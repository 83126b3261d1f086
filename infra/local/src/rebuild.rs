//! Putting a database aside that cannot be used, so that a new one can be derived from the lake.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use mendlake_adapters::sqlite::database::Database;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};

use crate::clock::{ClockArgs, ScaledClock};
use crate::config::Config;
use crate::lock::{Holder, RunLock};
use crate::place::database_path;

/// What belongs to a database: its write-ahead log first, which without the database means nothing.
const PARTS: [&str; 3] = ["-wal", "-shm", ""];

/// Puts the database of a lake aside where it is corrupt; tells where it is now. One that can be used stays.
pub async fn put_aside_corrupt(config: &Config) -> Result<Option<PathBuf>> {
    let path = database_path(&config.lake);
    let _lock = RunLock::take(&config.lake, &Holder::this(config.settings.calendar, &ClockArgs::default())).await?;
    match Database::open(&path).and_then(|database| database.check()) {
        Err(error) if error.kind == Kind::Corrupt => {
            let aside = path.with_extension(format!("corrupt-{}", ScaledClock::machine().now().epoch_s()));
            tracing::warn!("the ledger is corrupt and is put aside as {}: {}", aside.display(), error.chain());
            for part in PARTS {
                give_name(&with(&path, part), &with(&aside, part))?;
            }
            Ok(Some(aside))
        }
        checked => checked.map(|()| None),
    }
}

/// Gives a file another name, if it is there. Never over another file.
fn give_name(from: &Path, to: &Path) -> Result<()> {
    let given = fs::hard_link(from, to).and_then(|()| fs::remove_file(from));
    match given {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        given => given
            .map_err(|error| PortError::caused(Kind::Unavailable, format!("put `{}` aside", from.display()), error)),
    }
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
