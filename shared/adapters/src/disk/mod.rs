//! A lake in a folder: `DiskLake`.
//!
//! ```text
//! mendlake.json                 makes the folder a lake
//! quotes/dt=2026-11-20/….parquet
//! sessions/dt=2026-11-20/….parquet
//! control/watchlist/00000001.json, control/overlay/…, control/verdicts/…
//! quarantine/dt=2026-11-20/….json
//! parked/….json
//! staging/                      files on their way to one of the others
//! ```
//!
//! Any number of processes may read and write one folder. File I/O is inline in the async methods: each is a handful of
//! calls on small files, and a thread hop would cost more than most of them; a runtime with one thread waits meanwhile.

mod control;
#[cfg(test)]
mod crash;
mod files;
mod folder;
mod listing;
mod place;
mod quotes;
mod sessions;
mod set_aside;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use chrono::NaiveDate;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::{Kind, PortError, Result};

use crate::stored::index::{Index, lock};
pub use crate::stored::listing::{Listing, StoredObject};
use crate::stored::marker::{self, Marker};
use crate::stored::statuses;
pub use files::Survives;
use files::{Files, RealFiles, failed};

/// Where files are written before they are published.
const STAGING: &str = "staging";

/// A lake in a folder.
#[derive(Debug)]
pub struct DiskLake {
    root: PathBuf,
    created_at: Timestamp,
    files: RealFiles,
    /// Numbers this handle's files in `staging/`.
    staged: AtomicU64,
    /// Folders known to survive power loss: their parents were synced since they are there.
    durable: Mutex<BTreeSet<PathBuf>>,
    /// What is known of the table `quotes`.
    index: Index,
    /// The current statuses, by date.
    sessions: Mutex<BTreeMap<NaiveDate, statuses::Day>>,
}

impl DiskLake {
    /// Makes a lake of a folder, which is made too, or is empty. `Rejected` where it is a lake already or holds other
    /// files. Making it again after a crash half way works.
    pub fn create(root: impl Into<PathBuf>, created_at: Timestamp) -> Result<Self> {
        Self::create_with(&RealFiles(Survives::PowerLoss), root.into(), created_at)
    }

    /// Opens a lake. `Rejected` where the folder is no lake, or one of a newer version.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let Some(bytes) = folder::read_if_there(&root.join(marker::NAME))? else {
            let why =
                if root.is_dir() { format!("the folder has no `{}`", marker::NAME) } else { "no such folder".into() };
            let what =
                format!("open the lake at `{}`: {why}, name a lake's folder or make a lake there", root.display());
            return Err(PortError::new(Kind::Rejected, what));
        };
        let marker = Marker::parse(&bytes, &root.display().to_string())?;
        Ok(Self::at(root, marker.created_at))
    }

    /// Removes what crashed processes left in `staging/`; gives how many files. For the one process that writes, when it
    /// starts: a file that another process is publishing just then is lost to it, which it reports as `Unavailable`.
    pub fn clear_staging(&self) -> Result<usize> {
        let staging = self.root.join(STAGING);
        let stale = folder::names(&staging)?;
        for name in &stale {
            folder::remove_if_there(&self.files, &staging.join(name))?;
        }
        Ok(stale.len())
    }

    /// This handle, with files that survive less than a power loss, which is what they survive unless it is said here.
    #[must_use]
    pub fn surviving(self, survives: Survives) -> Self {
        Self { files: RealFiles(survives), ..self }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// When the lake was made.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    fn create_with(files: &impl Files, root: PathBuf, created_at: Timestamp) -> Result<Self> {
        let refuse =
            |why: &str| Err(PortError::new(Kind::Rejected, format!("make a lake at `{}`: {why}", root.display())));
        make_folders(files, &root)?;
        let names = folder::names(&root)?;
        if names.iter().any(|name| name == marker::NAME) {
            return refuse("it is one already, open it");
        }
        // `staging` alone is what a crash leaves: the marker comes last.
        if names.iter().any(|name| name != STAGING) {
            return refuse("the folder is not empty, name a new or an empty one");
        }
        let lake = Self::at(root, created_at);
        lake.place(files, Path::new(""), marker::NAME, &Marker::new(created_at).to_bytes())?;
        Ok(lake)
    }

    fn at(root: PathBuf, created_at: Timestamp) -> Self {
        Self {
            durable: Mutex::new(BTreeSet::from([root.clone()])),
            root,
            created_at,
            files: RealFiles(Survives::PowerLoss),
            staged: AtomicU64::default(),
            index: Index::default(),
            sessions: Mutex::default(),
        }
    }
}

/// Makes a folder, and those above it that are not there, survive power loss.
fn make_folders(files: &impl Files, folder: &Path) -> Result<()> {
    let parent = match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    if !parent.is_dir() {
        make_folders(files, parent)?;
    }
    files.make_dir(folder).map_err(|error| failed("make", folder, error))?;
    files.sync_dir(parent).map_err(|error| failed("sync", parent, error))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use mendlake_ports::contracts;
    use mendlake_ports::set_aside::SetAside;

    use super::*;

    pub(super) fn now() -> Timestamp {
        Timestamp::from_epoch_s(1_795_185_000)
    }

    pub(super) fn lake() -> (tempfile::TempDir, DiskLake) {
        let folder = tempfile::tempdir().expect("a folder");
        let lake = DiskLake::create(folder.path(), now()).expect("a lake");
        (folder, lake)
    }

    fn reopened(lake: &DiskLake) -> DiskLake {
        DiskLake::open(lake.root()).expect("a lake")
    }

    /// Breaks a parked batch.
    fn damage(lake: &DiskLake) -> impl FnOnce(&str) {
        let folder = lake.root().join("parked");
        move |name| fs::write(folder.join(format!("{name}.json")), b"{\"v\":1,").expect("written")
    }

    #[tokio::test]
    async fn the_lake_keeps_its_contract() {
        let (_folder, lake) = lake();
        contracts::lake::all(&lake, &reopened(&lake)).await;
    }

    #[tokio::test]
    async fn the_control_logs_keep_their_contract() {
        let (_folder, lake) = lake();
        contracts::control::all(&lake, &reopened(&lake)).await;
        contracts::control::all(&reopened(&lake), &lake).await;
    }

    #[tokio::test]
    async fn the_sessions_keep_their_contract() {
        let (_folder, lake) = lake();
        contracts::sessions::all(&lake, &reopened(&lake)).await;
    }

    #[tokio::test]
    async fn the_quarantine_and_the_parking_place_keep_their_contract() {
        let (_folder, lake) = lake();
        contracts::set_aside::all(&lake, &reopened(&lake), damage(&lake)).await;
    }

    #[tokio::test]
    async fn a_folder_among_the_parked_batches_is_named_and_no_batch() {
        let (_folder, lake) = lake();
        fs::create_dir_all(lake.root().join("parked/copied.json")).expect("a folder");
        assert_eq!(lake.parked().await.expect("parked"), ["copied"]);
        let error = lake.parked_batch("copied").await.expect_err("a folder");
        let chain = error.chain();
        assert!(error.kind == Kind::Corrupt && chain.contains("parked/copied.json`: it is a folder"), "{chain}");
    }

    #[tokio::test]
    async fn a_lake_that_survives_a_crash_only_keeps_its_contract_too() {
        let (_folder, lake) = lake();
        let lake = lake.surviving(Survives::ProcessCrash);
        contracts::lake::all(&lake, &reopened(&lake)).await;
        contracts::set_aside::all(&lake, &reopened(&lake), damage(&lake)).await;
    }

    #[test]
    fn a_lake_is_opened_as_it_was_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("new/lake");
        assert_eq!(DiskLake::create(&root, now()).expect("a lake").created_at(), now());
        assert_eq!(DiskLake::open(&root).expect("a lake").created_at(), now());
        assert_eq!(DiskLake::open(&root).expect("a lake").root(), root);
    }

    #[test]
    fn a_folder_that_is_no_lake_is_refused_and_says_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        for root in [folder.path().to_path_buf(), folder.path().join("nowhere")] {
            let error = DiskLake::open(&root).expect_err("no lake");
            assert_eq!(error.kind, Kind::Rejected);
            let chain = error.chain();
            assert!(chain.contains(&root.display().to_string()) && chain.contains("make a lake there"), "{chain}");
        }
    }

    #[test]
    fn a_lake_of_a_newer_version_is_refused() {
        let (_folder, lake) = lake();
        fs::write(lake.root().join(marker::NAME), br#"{"v":2,"created_at":"2026-11-20T14:30:00.000Z"}"#)
            .expect("written");
        let error = DiskLake::open(lake.root()).expect_err("newer");
        assert_eq!(error.kind, Kind::Rejected);
        assert!(error.chain().contains("use the newer release"), "{}", error.chain());
    }

    #[test]
    fn a_lake_is_made_only_where_nothing_is() {
        let (_folder, lake) = lake();
        let error = DiskLake::create(lake.root(), now()).expect_err("a lake already");
        assert!(error.kind == Kind::Rejected && error.chain().contains("open it"), "{}", error.chain());
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("letter.txt"), b"dear").expect("written");
        let error = DiskLake::create(folder.path(), now()).expect_err("not empty");
        assert!(error.kind == Kind::Rejected && error.chain().contains("not empty"), "{}", error.chain());
        assert!(fs::read_dir(folder.path()).expect("a folder").count() == 1, "nothing was added");
    }

    #[test]
    fn what_crashed_processes_left_in_staging_is_cleared() {
        let (_folder, lake) = lake();
        fs::write(lake.root().join(STAGING).join("999999-0"), b"half").expect("written");
        assert_eq!(lake.clear_staging().expect("cleared"), 1);
        assert_eq!(lake.clear_staging().expect("cleared"), 0);
    }
}
