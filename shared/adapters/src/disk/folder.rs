//! Reading folders and files.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::UNIX_EPOCH;

use chrono::NaiveDate;
use mendlake_ports::Result;

use super::files::{Files, failed};
use crate::stored::listing::{Listed, Stamp};
use crate::stored::name::date_of;
pub(super) use crate::stored::name::folder_of as of_date;

/// The dates there are folders of, ascending. Other names hold nothing of the lake's.
pub(super) fn dates(folder: &Path) -> Result<Vec<NaiveDate>> {
    Ok(names(folder)?.iter().filter_map(|name| date_of(name)).collect())
}

/// The names in a folder, ascending; none where it is not there yet. A name that is no text is none of the lake's.
pub(super) fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let list = || -> std::io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(folder)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    };
    match list() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeSet::new()),
        listed => listed.map_err(|error| failed("list", folder, error)),
    }
}

/// What lies in a folder, by name, with what tells a file's bytes from others.
pub(super) fn listed(folder: &Path) -> Result<BTreeSet<Listed>> {
    let stamped = |name: String| {
        let path = folder.join(&name);
        match fs::metadata(&path) {
            Ok(told) => {
                let changed = told.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                let change = changed.map(|since| since.as_nanos().to_string()).unwrap_or_default();
                Ok(Listed { name, stamp: Stamp { bytes: told.len(), change } })
            }
            // Whoever reads it finds out: what is listed is not left out.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Listed { name, stamp: Stamp::default() }),
            Err(error) => Err(failed("look at", &path, error)),
        }
    };
    names(folder)?.into_iter().map(stamped).collect()
}

/// A file's bytes.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| failed("read", path, error))
}

/// A file's bytes, `None` where there is none.
pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        read => read.map(Some).map_err(|error| failed("read", path, error)),
    }
}

/// Takes a name away, if it is there.
pub(super) fn remove_if_there(files: &impl Files, path: &Path) -> Result<()> {
    match files.remove(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|error| failed("remove", path, error)),
    }
}
