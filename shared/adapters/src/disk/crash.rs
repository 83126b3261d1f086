//! Crashes and power losses at every step of every writing call of the lake on disk.
//!
//! `Crashing` stands between publication and the real file system. It stops before or after a step (what was done, but
//! not answered), and keeps what had not been synced by then. Power loss is then each combination of that: files half
//! written, names gone, removed names back.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use futures_util::FutureExt;
use mendlake_domain::coverage::Coverage;
use mendlake_ports::control::{Control, Log};
use mendlake_ports::lake::{Lake, NewObject, Published};
use mendlake_ports::sessions::Sessions;
use mendlake_ports::set_aside::{Rejected, SetAside};
use mendlake_ports::stream::{Batch, StreamRecord};
use mendlake_ports::{Kind, PortError, Result};

use super::files::{Files, RealFiles, Survives};
use super::tests::now;
use super::{DiskLake, STAGING};
use crate::stored::quotes::tests::{object, row};
use crate::stored::statuses::tests::status;

/// What the steps are done with.
const REAL: RealFiles = RealFiles(Survives::ProcessCrash);

/// The most steps a writing call takes here; more would mean that the enumeration missed some.
const MOST_STEPS: usize = 20;

/// What had not been synced when the power went.
#[derive(Clone, Debug)]
enum Unsynced {
    /// The bytes of a file, under whichever of its names is left.
    Bytes(Vec<PathBuf>),
    /// A new name in a folder.
    Name(PathBuf),
    /// A name taken away, and what it named.
    Removal(PathBuf, Vec<u8>),
}

/// What stops a call, or what is left out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing goes wrong.
    None,
    /// The process dies before this step.
    Before(usize),
    /// The process dies after this step.
    After(usize),
    /// This step fails.
    Fails(usize, io::ErrorKind),
    /// Files are never synced: a defect, which these tests must find.
    NoFileSync,
    /// Folders are never synced: a defect, which these tests must find.
    NoFolderSync,
}

struct Crashing {
    fault: Fault,
    steps: Cell<usize>,
    dead: Cell<bool>,
    unsynced: RefCell<Vec<Unsynced>>,
}

impl Crashing {
    fn new(fault: Fault) -> Self {
        Self { fault, steps: Cell::new(0), dead: Cell::new(false), unsynced: RefCell::default() }
    }

    fn step<T>(&self, act: impl FnOnce(&mut Vec<Unsynced>) -> io::Result<T>) -> io::Result<T> {
        let died = || io::Error::other("the process died");
        let step = self.steps.get();
        self.steps.set(step + 1);
        match self.fault {
            _ if self.dead.get() => return Err(died()),
            Fault::Before(at) if at == step => self.dead.set(true),
            Fault::Fails(at, kind) if at == step => return Err(kind.into()),
            _ => {}
        }
        if self.dead.get() {
            return Err(died());
        }
        let done = act(&mut self.unsynced.borrow_mut());
        if self.fault == Fault::After(step) {
            self.dead.set(true);
            return Err(died());
        }
        done
    }

    /// Does what a power loss does to what was not synced, where `lost` has the bit of it.
    fn lose_power(&self, lost: usize) {
        let unsynced = self.unsynced.borrow();
        let mut lost: Vec<&Unsynced> =
            unsynced.iter().enumerate().filter(|(at, _)| lost & (1 << at) != 0).map(|(_, effect)| effect).collect();
        // Bytes go before names, which lead to them; names in folders before the folders' own.
        lost.sort_by_key(|effect| matches!(effect, Unsynced::Name(_)));
        for effect in lost.iter().filter(|effect| !matches!(effect, Unsynced::Name(_))) {
            match effect {
                Unsynced::Bytes(names) => {
                    if let Some(name) = names.iter().find(|name| name.exists()) {
                        let file = File::options().write(true).open(name).expect("a file");
                        file.set_len(file.metadata().expect("a length").len() / 2).expect("truncated");
                    }
                }
                Unsynced::Removal(path, bytes) => fs::write(path, bytes).expect("back again"),
                Unsynced::Name(_) => unreachable!("filtered"),
            }
        }
        for effect in lost.iter().rev() {
            if let Unsynced::Name(path) = effect {
                let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            }
        }
    }
}

impl Files for Crashing {
    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.step(|unsynced| {
            if !path.is_dir() {
                unsynced.push(Unsynced::Name(path.to_owned()));
            }
            REAL.make_dir(path)
        })
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<File> {
        self.step(|unsynced| {
            unsynced.extend([Unsynced::Name(path.to_owned()), Unsynced::Bytes(vec![path.to_owned()])]);
            REAL.write_new(path, bytes)
        })
    }

    /// Notes it only: what a sync is good for is modelled here, and thousands of real ones take minutes.
    fn sync_file(&self, path: &Path, _file: &File) -> io::Result<()> {
        self.step(|unsynced| {
            if self.fault != Fault::NoFileSync {
                unsynced.retain(|effect| !matches!(effect, Unsynced::Bytes(names) if names.contains(&path.to_owned())));
            }
            Ok(())
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(|unsynced| {
            REAL.link(from, to)?;
            for effect in unsynced.iter_mut() {
                match effect {
                    Unsynced::Bytes(names) if names.contains(&from.to_owned()) => names.push(to.to_owned()),
                    _ => {}
                }
            }
            unsynced.push(Unsynced::Name(to.to_owned()));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(|unsynced| {
            let bytes = fs::read(path)?;
            unsynced.push(Unsynced::Removal(path.to_owned(), bytes));
            REAL.remove(path)
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step(|unsynced| {
            let inside = |name: &Path| name.parent() == Some(path);
            if self.fault != Fault::NoFolderSync {
                unsynced.retain(|effect| match effect {
                    Unsynced::Name(name) | Unsynced::Removal(name, _) => !inside(name),
                    Unsynced::Bytes(_) => true,
                });
            }
            Ok(())
        })
    }
}

/// A writing call of the lake, and how many of what it writes are there: each call's lake holds one before it.
struct Call {
    name: &'static str,
    write: fn(&DiskLake, &Crashing) -> Result<()>,
    count: fn(&DiskLake) -> Result<usize>,
}

const CALLS: [Call; 5] = [
    Call {
        name: "publish",
        write: |lake, files| lake.publish_with(files, &new_object()).map(drop),
        count: |lake| {
            let (from, to) = (row("A", -5000).row.minute, row("A", 5000).row.minute);
            let rows = lake.rows(&["A".parse().expect("symbol")].into(), from, to).now_or_never().expect("inline")?;
            let coverage = lake.coverage(from, to).now_or_never().expect("inline")?;
            check(coverage == Coverage::of(rows.iter().map(|stored| &stored.row)))?;
            for object in lake.objects()? {
                lake.verify_object(&object)?;
            }
            Ok(rows.len())
        },
    },
    Call {
        name: "append to a control log",
        write: |lake, files| lake.append_with(files, Log::Overlay, 2, b"{\"v\":1,\"second\":true}").map(drop),
        count: |lake| {
            let entries = Control::read(lake, Log::Overlay, 0).now_or_never().expect("inline")?;
            check(entries.iter().all(|entry| entry.ends_with(b"}")))?;
            Ok(entries.len())
        },
    },
    Call {
        name: "append statuses",
        write: |lake, files| {
            let on = "2026-11-23".parse().expect("day");
            lake.append_statuses_with(files, &[mendlake_domain::status::SessionStatus { on, ..status(0) }])
        },
        count: |lake| {
            let days = ["2026-01-01", "2026-12-31"].map(|day| day.parse().expect("day"));
            Ok(lake.current(days[0], days[1]).now_or_never().expect("inline")?.len())
        },
    },
    Call {
        name: "quarantine",
        write: |lake, files| lake.quarantine_with(files, &rejected("2")),
        count: |lake| {
            let all = lake.quarantined().now_or_never().expect("inline")?;
            check(all.iter().all(|one| *one == rejected(&one.id)))?;
            Ok(all.len())
        },
    },
    Call {
        name: "park",
        write: |lake, files| lake.park_with(files, &batch("2"), "why"),
        count: |lake| {
            let names = lake.parked().now_or_never().expect("inline")?;
            for name in &names {
                let one = lake.parked_batch(name).now_or_never().expect("inline")?;
                check(one.is_some_and(|one| one == batch(&one.shard)))?;
            }
            Ok(names.len())
        },
    },
];

fn check(whole: bool) -> Result<()> {
    whole.then_some(()).ok_or_else(|| PortError::new(Kind::Corrupt, "something is not as it was written"))
}

fn new_object() -> NewObject {
    object(vec![row("A", 1), row("A", 2)])
}

fn rejected(id: &str) -> Rejected {
    let text = |text: &str| text.to_owned();
    Rejected { at: now(), origin: text("stream"), id: text(id), reason: text("why"), input: b"input".to_vec() }
}

fn batch(shard: &str) -> Batch {
    let record =
        StreamRecord { sequence: "1".into(), arrived_at: now(), partition_key: "AAPL".into(), data: b"data".to_vec() };
    Batch { stream_id: "4f2c".into(), shard: shard.into(), records: vec![record] }
}

/// A lake with one of everything in it, in folders of its own.
fn lake() -> (tempfile::TempDir, DiskLake) {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = Crashing::new(Fault::None);
    let lake = DiskLake::create_with(&whole, folder.path().to_owned(), now()).expect("a lake");
    let two_days_before = vec![row("A", -2880), row("A", -2879)];
    lake.publish_with(&whole, &object(two_days_before)).expect("published");
    lake.append_with(&whole, Log::Overlay, 1, b"{}").expect("appended");
    lake.append_statuses_with(&whole, &[status(0)]).expect("appended");
    lake.quarantine_with(&whole, &rejected("1")).expect("put");
    lake.park_with(&whole, &batch("1"), "why").expect("parked");
    (folder, lake)
}

/// How many of what a call writes there are before it: two rows of an object, one of everything else.
fn before(call: &Call) -> usize {
    if call.name == "publish" { 2 } else { 1 }
}

/// Runs a call with a fault and one combination of losses, then reopens the lake as a new process would.
///
/// `Err` says which promise was broken; `Ok(None)` that there is no such combination, else how many steps were taken.
fn crash(call: &Call, fault: Fault, lost: usize) -> std::result::Result<Option<usize>, String> {
    let (_folder, lake) = lake();
    let lake = DiskLake::open(lake.root()).expect("a lake");
    let files = Crashing::new(fault);
    let answered = (call.write)(&lake, &files).is_ok();
    if lost >= 1 << files.unsynced.borrow().len() {
        return Ok(None);
    }
    files.lose_power(lost);
    let told = || format!("{}: {fault:?}, lost {lost:b} of {:?}", call.name, files.unsynced.borrow());
    let lake = DiskLake::open(lake.root()).map_err(|error| format!("{}: {}", told(), error.chain()))?;
    lake.clear_staging().expect("cleared");
    let (old, new) = (before(call), before(call) * 2);
    let count = (call.count)(&lake).map_err(|error| format!("{}: {}", told(), error.chain()))?;
    if count != new && (answered || count != old) {
        return Err(format!("{}: {count} of {old} or {new}, answered: {answered}", told()));
    }
    (call.write)(&lake, &Crashing::new(Fault::None)).map_err(|error| error.chain())?;
    assert_eq!((call.count)(&lake).map_err(|error| error.chain())?, new, "{} again after {fault:?}", call.name);
    assert_eq!(lake.root().join(STAGING).read_dir().expect("a folder").count(), 0, "nothing is left in staging");
    Ok(Some(files.steps.get()))
}

/// Every combination of losses after a fault; gives the number of steps the call took.
fn every_loss(call: &Call, fault: Fault) -> std::result::Result<usize, String> {
    let mut steps = 0;
    for lost in 0.. {
        match crash(call, fault, lost)? {
            Some(taken) => steps = taken,
            None => break,
        }
    }
    Ok(steps)
}

#[test]
fn a_crash_and_a_power_loss_at_every_step_leave_the_old_or_the_new_whole() {
    for call in &CALLS {
        let steps = every_loss(call, Fault::None).expect("without a crash");
        assert!((5..MOST_STEPS).contains(&steps), "{}: {steps} steps", call.name);
        for step in 0..steps {
            for fault in [Fault::Before(step), Fault::After(step)] {
                every_loss(call, fault).unwrap_or_else(|broken| panic!("{broken}"));
            }
        }
    }
}

#[test]
fn leaving_out_a_sync_is_found_by_these_tests() {
    for call in &CALLS {
        for defect in [Fault::NoFileSync, Fault::NoFolderSync] {
            let broken = every_loss(call, defect).expect_err("a promise is broken");
            assert!(broken.starts_with(call.name), "{broken}");
        }
    }
}

#[test]
fn existing_names_are_made_to_survive_before_they_are_reported() {
    // Another process linked the object and died before it synced the folder.
    let (_folder, lake) = lake();
    let other = DiskLake::open(lake.root()).expect("a lake");
    let died = (0..MOST_STEPS).find_map(|step| {
        let files = Crashing::new(Fault::After(step));
        other.publish_with(&files, &new_object()).err()?;
        let linked = files.unsynced.borrow().iter().any(|u| matches!(u, Unsynced::Name(n) if is_object(n)));
        linked.then_some(())
    });
    died.expect("a step after which the name is there and not synced");
    let files = Crashing::new(Fault::None);
    let synced = RefCell::new(Vec::new());
    let noting = Noting { files: &files, synced: &synced };
    assert_eq!(lake.publish_with(&noting, &new_object()).expect("published"), Published::Existed);
    let folder = lake.root().join("quotes/dt=2026-11-20");
    assert!(synced.borrow().contains(&folder) && synced.borrow().contains(&lake.root().join("quotes")));
}

#[test]
fn a_full_disk_and_a_missing_right_name_the_folder_and_lose_nothing() {
    let kinds = [
        (io::ErrorKind::StorageFull, Kind::Unavailable, "no space is left there"),
        (io::ErrorKind::PermissionDenied, Kind::Denied, "this user may not"),
        (io::ErrorKind::ReadOnlyFilesystem, Kind::Denied, "mounted for reading only"),
    ];
    for call in &CALLS {
        let steps = every_loss(call, Fault::None).expect("without a fault");
        for (error, kind, says) in kinds {
            for step in 0..steps {
                let (_folder, lake) = lake();
                let lake = DiskLake::open(lake.root()).expect("a lake");
                let failed: PortError =
                    (call.write)(&lake, &Crashing::new(Fault::Fails(step, error))).expect_err("fails");
                let chain = failed.chain();
                assert_eq!(failed.kind, kind, "{chain}");
                assert!(chain.contains(says) && chain.contains(&lake.root().display().to_string()), "{chain}");
                (call.write)(&lake, &Crashing::new(Fault::None)).expect("once there is space again");
                assert_eq!((call.count)(&lake).expect("counted"), before(call) * 2, "{} step {step}", call.name);
            }
        }
    }
}

#[test]
fn a_lake_half_made_is_made_again() {
    for step in 0..MOST_STEPS {
        for fault in [Fault::Before(step), Fault::After(step)] {
            for lost in 0.. {
                let folder = tempfile::tempdir().expect("a folder");
                let root = folder.path().join("new/lake");
                let files = Crashing::new(fault);
                let answered = DiskLake::create_with(&files, root.clone(), now()).is_ok();
                if lost >= 1 << files.unsynced.borrow().len() {
                    break;
                }
                files.lose_power(lost);
                match DiskLake::open(&root) {
                    Ok(lake) => assert_eq!(lake.created_at(), now()),
                    Err(error) => {
                        assert!(!answered, "{fault:?} {lost:b}: {}", error.chain());
                        DiskLake::create_with(&Crashing::new(Fault::None), root.clone(), now())
                            .unwrap_or_else(|e| panic!("{fault:?} {lost:b}: {}", e.chain()));
                    }
                }
            }
        }
    }
}

fn is_object(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "parquet")
}

/// Notes which folders are synced.
struct Noting<'a> {
    files: &'a Crashing,
    synced: &'a RefCell<Vec<PathBuf>>,
}

impl Files for Noting<'_> {
    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.files.make_dir(path)
    }
    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<File> {
        self.files.write_new(path, bytes)
    }
    fn sync_file(&self, path: &Path, file: &File) -> io::Result<()> {
        self.files.sync_file(path, file)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.files.link(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.remove(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.synced.borrow_mut().push(path.to_owned());
        self.files.sync_dir(path)
    }
}
