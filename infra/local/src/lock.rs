//! One pipeline a lake: the lock that a running `mendlake run` holds, and what it says to others.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use mendlake_domain::calendar::Calendar;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};
use serde::{Deserialize, Serialize};

use crate::clock::{ClockArgs, ScaledClock};

/// The lock's file in a lake's folder.
pub const LOCK_FILE: &str = "run.lock";

/// How often a taken lock is tried again: whoever looks at it holds it for microseconds, shared.
const TRIES: usize = 5;

/// How long between.
const BETWEEN_TRIES_MS: i64 = 40;

/// The most bytes of a lock's file that are read.
const MOST_BYTES: u64 = 4096;

/// Who holds the lock, or held it last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// When it started, on the machine's clock.
    pub started_at: Timestamp,
    /// Whose sessions it expects.
    pub calendar: Calendar,
    /// Where it was told what to watch; `None` where the lake's watchlist holds.
    #[serde(default)]
    pub watched_by: Option<String>,
    /// Its clock, where that is not the machine's: who works beside it uses the same.
    pub clock: Option<ClockArgs>,
}

impl Holder {
    /// This process.
    pub fn this(calendar: Calendar, clock: &ClockArgs) -> Self {
        Self {
            pid: std::process::id(),
            started_at: ScaledClock::machine().now(),
            calendar,
            watched_by: None,
            clock: (!clock.is_machine()).then(|| clock.clone()),
        }
    }
}

/// The lock, held until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock of a lake's folder. `Denied` where another process holds it, by name.
    pub async fn take(folder: &Path, holder: &Holder) -> Result<Self> {
        let path = folder.join(LOCK_FILE);
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(|error| failed("open", &path, error))?;
        for tried in 1..=TRIES {
            match file.try_lock() {
                Ok(()) => {
                    return write(&mut file, holder)
                        .map(|()| Self { _file: file })
                        .map_err(|error| failed("write", &path, error));
                }
                Err(TryLockError::Error(error)) => return Err(failed("lock", &path, error)),
                Err(TryLockError::WouldBlock) if tried < TRIES => {
                    let machine = ScaledClock::steady();
                    machine.sleep_until(machine.now().plus_ms(BETWEEN_TRIES_MS)).await;
                }
                Err(TryLockError::WouldBlock) => {}
            }
        }
        Err(taken(folder, last_holder(folder).as_ref()))
    }
}

/// Who holds the lock now; `None` where nobody does.
pub fn holder(folder: &Path) -> Result<Option<Holding>> {
    let path = folder.join(LOCK_FILE);
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| failed("open", &path, error))?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(Holding(last_holder(folder)))),
        Err(TryLockError::Error(error)) => Err(failed("look at", &path, error)),
    }
}

/// A lock that is held, by whom it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Holding(pub Option<Holder>);

/// Who held the lock last, where it says so.
pub fn last_holder(folder: &Path) -> Option<Holder> {
    let mut text = String::new();
    let file = File::open(folder.join(LOCK_FILE)).ok()?;
    file.take(MOST_BYTES).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn write(file: &mut File, holder: &Holder) -> std::io::Result<()> {
    let mut text = serde_json::to_string(holder).expect("a holder is JSON: its keys are text");
    text.push('\n');
    file.set_len(0)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn taken(folder: &Path, holder: Option<&Holder>) -> PortError {
    let folder = folder.display();
    let who = holder.map_or_else(
        || "another process".to_owned(),
        |holder| format!("process {}, since {}", holder.pid, holder.started_at),
    );
    let what =
        format!("a pipeline runs on the lake at `{folder}` already: {who}; stop it first, or use another folder");
    PortError::new(Kind::Denied, what)
}

fn failed(doing: &str, path: &Path, error: std::io::Error) -> PortError {
    PortError::caused(Kind::Unavailable, format!("{doing} the lock `{}`", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> Holder {
        Holder::this(Calendar::Xnys, &ClockArgs { rate: 60.0, ..ClockArgs::default() })
    }

    #[tokio::test]
    async fn the_second_to_take_it_is_refused_with_the_firsts_name() {
        let folder = tempfile::tempdir().expect("folder");
        assert_eq!(holder(folder.path()).expect("looked"), None, "no file");
        let lock = RunLock::take(folder.path(), &me()).await.expect("the lock");
        let error = RunLock::take(folder.path(), &me()).await.expect_err("taken");
        assert_eq!(error.kind, Kind::Denied);
        let said = error.chain();
        assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
        let holding = holder(folder.path()).expect("looked").expect("held");
        assert_eq!(holding.0.map(|holder| holder.pid), Some(std::process::id()));
        drop(lock);
        assert_eq!(holder(folder.path()).expect("looked"), None);
        assert!(last_holder(folder.path()).is_some(), "who held it last is still told");
        RunLock::take(folder.path(), &me()).await.expect("free again");
    }

    #[tokio::test]
    async fn looking_at_it_keeps_nobody_from_taking_it() {
        let folder = tempfile::tempdir().expect("folder");
        drop(RunLock::take(folder.path(), &me()).await.expect("the lock"));
        let looking = File::open(folder.path().join(LOCK_FILE)).expect("open");
        looking.lock_shared().expect("shared");
        let path = folder.path().to_owned();
        let taking = tokio::spawn(async move { RunLock::take(&path, &me()).await.map(drop) });
        let machine = ScaledClock::steady();
        machine.sleep_until(machine.now().plus_ms(BETWEEN_TRIES_MS * 2)).await;
        drop(looking);
        taking.await.expect("no panic").expect("the lock");
    }

    #[tokio::test]
    async fn a_lock_that_says_nothing_of_use_is_still_a_lock() {
        let folder = tempfile::tempdir().expect("folder");
        let lock = RunLock::take(folder.path(), &me()).await.expect("the lock");
        std::fs::write(folder.path().join(LOCK_FILE), "not json").expect("write");
        assert_eq!(holder(folder.path()).expect("looked"), Some(Holding(None)));
        let error = RunLock::take(folder.path(), &me()).await.expect_err("taken");
        assert!(error.chain().contains("another process"));
        drop(lock);
    }
}
