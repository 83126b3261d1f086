//! Where a demo's lake is made where nobody names a folder, and what becomes of the lakes of earlier demos.
//!
//! One folder for each demo rather than one for all that is replaced: two demos may run at once, and a lake that is being
//! looked at is not taken away by the next demo.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use mendlake_adapters::stored::marker;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::error::{Kind, PortError, Result};

use crate::lock::LOCK_FILE;
use crate::rehearsal::WHO;

/// How the folders' names begin.
const PREFIX: &str = "mendlake-demo-";

/// Random bytes of a folder's name: no two demos share one.
const NAME_BYTES: usize = 8;

/// A lake that was not written to for this long is left over. A demo takes seconds.
const LEFT_OVER_MS: i64 = 24 * 3_600_000;

/// The most files and folders a demo's lake has; one with more is none.
const MOST_ENTRIES: usize = 100_000;

/// A new, empty folder for one demo. Dropped while it is still empty, it is taken away again.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one in the folder for temporary files.
    pub fn new(temporary: &Path) -> Result<Self> {
        let mut bytes = [0_u8; NAME_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| {
            PortError::new(Kind::Unavailable, format!("mint a name for the demo's folder: {error}"))
        })?;
        let name: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = temporary.join(format!("{PREFIX}{name}"));
        match fs::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) => {
                let what = format!("make a folder in `{}` (or name one with `--out`)", temporary.display());
                Err(PortError::caused(Kind::Unavailable, what, error))
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Removes the lakes that earlier demos of this user left beside it a day ago or longer; gives how many. Whatever is not
    /// surely one stays: another user's, one that `mendlake run` or a person has worked on, and what is not wholly a demo's.
    /// What cannot be removed stays too.
    pub fn clear(&self, now: Timestamp) -> usize {
        let (Some(beside), Ok(own)) = (self.0.parent(), fs::symlink_metadata(&self.0)) else { return 0 };
        let Ok(entries) = fs::read_dir(beside) else { return 0 };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let left = paths.filter(|path| is_left_over(path, &own, now).unwrap_or(false));
        left.filter(|path| fs::remove_dir_all(path).is_ok()).count()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Takes away nothing but an empty folder.
        let _ = fs::remove_dir(&self.0);
    }
}

fn is_left_over(path: &Path, own: &Metadata, now: Timestamp) -> io::Result<bool> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let unique = name.strip_prefix(PREFIX).unwrap_or_default();
    let named = !unique.is_empty() && unique.bytes().all(|byte| byte.is_ascii_hexdigit());
    Ok(named && is_untouched(path, own, now)? && is_rehearsed(path)?)
}

/// Whether everything in it is a file or a folder of the same user's, and older than a day.
fn is_untouched(path: &Path, own: &Metadata, now: Timestamp) -> io::Result<bool> {
    let mut folders = vec![path.to_owned()];
    let mut entries = 0;
    let untouched = |found: &Metadata| {
        let old = modified(found)?.is_some_and(|at| now.ms_since(at) > LEFT_OVER_MS);
        Ok::<_, io::Error>(old && is_of_same_user(found, own))
    };
    // Not through links, wherever they lead.
    let top = fs::symlink_metadata(path)?;
    if !top.is_dir() || !untouched(&top)? {
        return Ok(false);
    }
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let found = entry.metadata()?;
            entries += 1;
            if entries > MOST_ENTRIES || !(found.is_dir() || found.is_file()) || !untouched(&found)? {
                return Ok(false);
            }
            if found.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(true)
}

/// Whether it is a lake whose whole watchlist a rehearsal entered, and on which no daemon worked.
fn is_rehearsed(path: &Path) -> io::Result<bool> {
    if !path.join(marker::NAME).is_file() || path.join(LOCK_FILE).exists() {
        return Ok(false);
    }
    let mut versions = 0;
    for entry in fs::read_dir(path.join("control/watchlist"))? {
        let version: serde_json::Value = serde_json::from_slice(&fs::read(entry?.path())?)?;
        if version["who"] != WHO {
            return Ok(false);
        }
        versions += 1;
    }
    Ok(versions > 0)
}

fn modified(found: &Metadata) -> io::Result<Option<Timestamp>> {
    let since = found.modified()?.duration_since(std::time::UNIX_EPOCH).ok();
    Ok(since.and_then(|since| i64::try_from(since.as_millis()).ok()).map(Timestamp::from_epoch_ms))
}

#[cfg(unix)]
fn is_of_same_user(found: &Metadata, own: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    found.uid() == own.uid()
}

/// Elsewhere nobody is sure, and nothing is removed.
#[cfg(not(unix))]
fn is_of_same_user(_: &Metadata, _: &Metadata) -> bool {
    false
}

#[cfg(all(test, unix))]
mod tests {
    use mendlake_ports::clock::Clock;

    use super::*;
    use crate::clock::ScaledClock;

    /// A lake as a demo leaves it.
    fn lake(temporary: &Path, name: &str) -> PathBuf {
        let path = temporary.join(name);
        fs::create_dir_all(path.join("control/watchlist")).expect("folders");
        fs::create_dir_all(path.join("quotes/dt=2026-11-20")).expect("folders");
        fs::write(path.join(marker::NAME), "{}").expect("write");
        fs::write(path.join("quotes/dt=2026-11-20/a.parquet"), "rows").expect("write");
        fs::write(path.join("control/watchlist/00000001.json"), r#"{"v":1,"who":"rehearsal"}"#).expect("write");
        path
    }

    fn in_a_day() -> Timestamp {
        ScaledClock::machine().now().plus_ms(LEFT_OVER_MS + 60_000)
    }

    #[test]
    fn a_lake_that_a_demo_left_is_removed_after_a_day_and_not_before() {
        let temporary = tempfile::tempdir().expect("folder");
        let (first, second) = (lake(temporary.path(), "mendlake-demo-0a"), lake(temporary.path(), "mendlake-demo-0b"));
        let scratch = Scratch::new(temporary.path()).expect("a folder");
        assert_eq!(scratch.clear(ScaledClock::machine().now()), 0);
        assert!(first.exists() && second.exists());
        assert_eq!(scratch.clear(in_a_day()), 2);
        assert!(!first.exists() && !second.exists() && scratch.path().exists());
    }

    #[test]
    fn nothing_is_removed_but_what_is_surely_a_demos() {
        let temporary = tempfile::tempdir().expect("folder");
        let of = |name: &str| lake(temporary.path(), name);
        of("lake");
        of("mendlake-demo-mine");
        of("mendlake-demo-");
        fs::write(of("mendlake-demo-01").join(LOCK_FILE), "{}").expect("write");
        let by_hand = r#"{"v":1,"who":"mendlake watch"}"#;
        fs::write(of("mendlake-demo-02").join("control/watchlist/00000002.json"), by_hand).expect("write");
        fs::remove_file(of("mendlake-demo-03").join(marker::NAME)).expect("remove");
        fs::remove_dir_all(of("mendlake-demo-04").join("control")).expect("remove");
        std::os::unix::fs::symlink("/", of("mendlake-demo-05").join("link")).expect("link");
        let elsewhere = tempfile::tempdir().expect("folder");
        let linked = lake(elsewhere.path(), "mendlake-demo-06");
        std::os::unix::fs::symlink(&linked, temporary.path().join("mendlake-demo-06")).expect("link");
        fs::create_dir(temporary.path().join("mendlake-demo-07")).expect("folder");
        let before = fs::read_dir(temporary.path()).expect("read").count();
        let scratch = Scratch::new(temporary.path()).expect("a folder");
        assert_eq!(scratch.clear(in_a_day()), 0);
        assert_eq!(fs::read_dir(temporary.path()).expect("read").count(), before + 1);
        assert!(linked.join("quotes").exists());
    }

    #[test]
    fn a_folder_in_which_nothing_was_made_is_taken_away_and_a_lake_is_not() {
        let temporary = tempfile::tempdir().expect("folder");
        let (empty, used) = (Scratch::new(temporary.path()), Scratch::new(temporary.path()));
        let (empty, used) = (empty.expect("a folder"), used.expect("a folder"));
        let (empty_path, used_path) = (empty.path().to_owned(), used.path().to_owned());
        assert_ne!(empty_path, used_path);
        fs::write(used_path.join(marker::NAME), "{}").expect("write");
        drop((empty, used));
        assert!(!empty_path.exists() && used_path.exists());
        assert!(Scratch::new(&temporary.path().join("absent")).expect_err("none").chain().contains("--out"));
    }
}
