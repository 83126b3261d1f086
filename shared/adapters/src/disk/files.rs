//! The calls on files that publication is made of, so that a test can stop after each; and what their failures mean.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use mendlake_ports::{Kind, PortError};

/// What publication asks of the file system.
pub(super) trait Files {
    /// Makes a folder; no error where it is there.
    fn make_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes a file that is not there yet and writes it.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<File>;

    /// Makes what was written to a file survive power loss.
    fn sync_file(&self, path: &Path, file: &File) -> io::Result<()>;

    /// Gives a file another name, if nothing has it.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a name away.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder survive power loss.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// What a published file survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// The power going, once publication has returned. Two waits for the disk a file.
    PowerLoss,
    /// The death of the process only: nothing is synced. For demonstrations and tests whose lake nobody keeps.
    ProcessCrash,
}

/// The machine's file system.
#[derive(Debug)]
pub(super) struct RealFiles(pub(super) Survives);

impl Files for RealFiles {
    fn make_dir(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        }
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<File> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(bytes)?;
        Ok(file)
    }

    fn sync_file(&self, _path: &Path, file: &File) -> io::Result<()> {
        match self.0 {
            Survives::PowerLoss => file.sync_all(),
            Survives::ProcessCrash => Ok(()),
        }
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match self.0 {
            Survives::PowerLoss => File::open(path)?.sync_all(),
            Survives::ProcessCrash => Ok(()),
        }
    }
}

/// A call on a file or folder failed: names it, and says what a person can do.
pub(super) fn failed(doing: &str, path: &Path, error: io::Error) -> PortError {
    let (kind, advice) = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => (Kind::Unavailable, ": no space is left there, make some"),
        ErrorKind::PermissionDenied => (Kind::Denied, ": this user may not, give it the right to"),
        ErrorKind::ReadOnlyFilesystem => (Kind::Denied, ": it is mounted for reading only"),
        ErrorKind::IsADirectory => (Kind::Corrupt, ": it is a folder, move it away"),
        ErrorKind::Unsupported => (Kind::Denied, ": a lake needs a file system with hard links"),
        _ => (Kind::Unavailable, ""),
    };
    PortError::caused(kind, format!("{doing} `{}`{advice}", path.display()), error)
}
