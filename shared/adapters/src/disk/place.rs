//! Publication: a file appears under its name whole or not at all, and stays.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use mendlake_ports::Result;

use super::files::{Files, failed};
use super::{DiskLake, STAGING, folder, lock};

/// What placing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// The file is there now.
    New,
    /// A file had this name already, and was left alone.
    Existed,
}

impl DiskLake {
    /// Publishes a file as `name` in a folder of the lake, if nothing has that name.
    ///
    /// 1. Write it in `staging/` and sync it: only whole files are ever linked.
    /// 2. Make the folder, and sync its parent: else the folder is lost with all in it.
    /// 3. Link it to its name, which fails where the name is taken (a rename would overwrite).
    /// 4. Take the staging name away.
    /// 5. Sync the folder, even where the name was taken: whoever linked it may not have come to that.
    pub(super) fn place(&self, files: &impl Files, folder: &Path, name: &str, bytes: &[u8]) -> Result<Placed> {
        let staging = self.durable_folder(files, Path::new(STAGING))?;
        let (staged, file) = self.stage(files, &staging, bytes)?;
        let placed = self.publish_staged(files, &staged, &file, folder, name);
        if placed.is_err() {
            // What failed is told; that a stale file may be left is of no more interest.
            let _ = folder::remove_if_there(files, &staged);
        }
        placed
    }

    fn publish_staged(
        &self,
        files: &impl Files,
        staged: &Path,
        file: &File,
        folder: &Path,
        name: &str,
    ) -> Result<Placed> {
        files.sync_file(staged, file).map_err(|error| failed("sync", staged, error))?;
        let folder = self.durable_folder(files, folder)?;
        let target = folder.join(name);
        let placed = match files.link(staged, &target) {
            Ok(()) => Placed::New,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Placed::Existed,
            Err(error) => return Err(failed("publish", &target, error)),
        };
        folder::remove_if_there(files, staged)?;
        files.sync_dir(&folder).map_err(|error| failed("sync", &folder, error))?;
        Ok(placed)
    }

    /// Writes a new file in `staging/`. Its name has the process in it, and numbers that others took are skipped.
    fn stage(&self, files: &impl Files, staging: &Path, bytes: &[u8]) -> Result<(PathBuf, File)> {
        loop {
            let number = self.staged.fetch_add(1, Ordering::Relaxed);
            let path = staging.join(format!("{}-{number}", std::process::id()));
            match files.write_new(&path, bytes) {
                Ok(file) => return Ok((path, file)),
                // Ends: each round has a higher number, and a folder holds finitely many.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let _ = folder::remove_if_there(files, &path);
                    return Err(failed("write in", staging, error));
                }
            }
        }
    }

    /// Makes a folder of the lake, and those above it, survive power loss; gives its path. Every folder is synced into
    /// its parent once by each process, even where another one made it: that one may not have come to it.
    fn durable_folder(&self, files: &impl Files, folder: &Path) -> Result<PathBuf> {
        let mut path = self.root.clone();
        for part in folder {
            let parent = path.clone();
            path.push(part);
            if !lock(&self.durable).contains(&path) {
                files.make_dir(&path).map_err(|error| failed("make", &path, error))?;
                files.sync_dir(&parent).map_err(|error| failed("sync", &parent, error))?;
                lock(&self.durable).insert(path.clone());
            }
        }
        Ok(path)
    }
}
