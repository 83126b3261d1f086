//! Crashes for tests: a database as a killed process or a power loss leaves it.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use mendlake_ports::queue::{Message, Queue, QueueConsumer};
use tempfile::TempDir;

use super::database::Database;
use super::queue::SqliteQueue;
use crate::memory::clock::ManualClock;
use crate::settings::QueueSettings;

const DATABASE: &str = "mendlake.sqlite";
const LOG: &str = "mendlake.sqlite-wal";

pub(super) fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from_epoch_s(1_800_000_000))
}

/// A folder with one database.
pub(super) struct Folder {
    root: Rc<TempDir>,
    path: PathBuf,
}

impl Folder {
    pub(super) fn new() -> Self {
        let root = Rc::new(tempfile::tempdir().unwrap());
        Self { path: root.path().to_owned(), root }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    pub(super) fn open(&self) -> Database {
        Database::open(&self.file()).unwrap()
    }

    /// What is on disk when the process dies with `user` in its hands: nothing of it is closed, and what SQLite keeps
    /// beside the two files is gone.
    pub(super) fn crashed_with<T>(&self, user: T) -> Self {
        std::mem::forget(user);
        self.image(|log| log)
    }

    /// A copy of the database with its log as `change` makes it.
    fn image(&self, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Self {
        let images = fs::read_dir(self.root.path()).unwrap().count();
        let path = self.root.path().join(format!("image-{images}"));
        fs::create_dir(&path).unwrap();
        fs::copy(self.file(), path.join(DATABASE)).unwrap();
        fs::write(path.join(LOG), change(self.log())).unwrap();
        Self { root: Rc::clone(&self.root), path }
    }

    fn log(&self) -> Vec<u8> {
        fs::read(self.path.join(LOG)).unwrap()
    }
}

fn queue(folder: &Folder) -> SqliteQueue<ManualClock> {
    SqliteQueue::new(folder.open(), clock(), "live", QueueSettings::new(60_000, 3))
}

async fn waiting(folder: &Folder) -> usize {
    queue(folder).receive(1_000).await.unwrap().len()
}

/// Every acknowledged call is there, every other is there whole or not at all, wherever the log was cut and whatever
/// was left behind the cut.
#[tokio::test]
async fn a_torn_log_loses_no_acknowledged_call_and_no_part_of_one() {
    let folder = Folder::new();
    let sender = queue(&folder);
    let message = Message { body: "x".repeat(900), visible_at: clock().now() };
    let mut lengths = vec![folder.log().len()];
    for _call in 0..5 {
        sender.send(&vec![message.clone(); 20]).await.unwrap();
        lengths.push(folder.log().len());
    }
    assert!(lengths.is_sorted_by(|a, b| a < b), "each call is in the log when it returns: {lengths:?}");
    for (calls, pair) in lengths.windows(2).enumerate() {
        for cut in [pair[0], pair[0] + 1, pair[0].midpoint(pair[1]), pair[1] - 1] {
            let torn = folder.image(|log| log[..cut].to_vec());
            assert_eq!(waiting(&torn).await, calls * 20, "cut at {cut} of {lengths:?}");
            let smeared = folder.image(|mut log| {
                log[cut..].iter_mut().for_each(|byte| *byte = !*byte);
                log
            });
            assert_eq!(waiting(&smeared).await, calls * 20, "smeared from {cut} of {lengths:?}");
        }
    }
    assert_eq!(waiting(&folder.crashed_with(sender)).await, 100);
}

#[tokio::test]
async fn a_crash_while_the_database_is_made_leaves_one_that_opens() {
    let folder = Folder::new();
    let made = folder.open();
    let whole = folder.log().len();
    for cut in [0, 10, whole / 2, whole - 1] {
        assert_eq!(waiting(&folder.image(|log| log[..cut].to_vec())).await, 0);
    }
    drop(made);
    let empty = Folder::new();
    fs::write(empty.file(), b"").unwrap();
    assert_eq!(waiting(&empty).await, 0);
}

#[tokio::test]
async fn a_call_that_fails_half_way_leaves_nothing() {
    let folder = Folder::new();
    let sender = queue(&folder);
    let limited = folder.open();
    limited.connection().execute_batch("PRAGMA cache_size = 1; PRAGMA max_page_count = 40").unwrap();
    let limited = SqliteQueue::new(limited, clock(), "live", QueueSettings::new(60_000, 3));
    let message = Message { body: "x".repeat(9_000), visible_at: clock().now() };
    let refused = limited.send(&vec![message.clone(); 20]).await.unwrap_err();
    assert!(refused.to_string().ends_with("the disk is full"), "{}", refused.chain());
    assert_eq!(refused.kind, mendlake_ports::Kind::Unavailable);
    assert_eq!(sender.receive(100).await.unwrap(), []);
    limited.send(&[message]).await.expect("a smaller call still fits");
    assert_eq!(waiting(&folder).await, 1);
}

/// A file as its bytes, to see that nothing touched it.
pub(super) fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}
