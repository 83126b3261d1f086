//! Quarantine and parking place on disk: `quarantine/dt=…/`, `parked/`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use mendlake_ports::Result;
use mendlake_ports::set_aside::{Rejected, SetAside};
use mendlake_ports::stream::Batch;

use super::files::{Files, failed};
use super::{DiskLake, folder};
use crate::stored::set_aside::{
    parked_file, parked_from_bytes, parked_name, parked_of_file, parked_to_bytes, rejected_from_bytes, rejected_name,
    rejected_to_bytes,
};

const QUARANTINE: &str = "quarantine";
const PARKED: &str = "parked";

impl SetAside for DiskLake {
    async fn quarantine(&self, rejected: &Rejected) -> Result<()> {
        self.quarantine_with(&self.files, rejected)
    }

    async fn quarantined(&self) -> Result<Vec<Rejected>> {
        let quarantine = self.root.join(QUARANTINE);
        let mut all = Vec::new();
        for dt in folder::dates(&quarantine)? {
            let folder = quarantine.join(folder::of_date(dt));
            for name in folder::names(&folder)? {
                all.push(rejected_from_bytes(&folder::read(&folder.join(&name))?, &name)?);
            }
        }
        all.sort_by_key(|rejected: &Rejected| rejected.at);
        Ok(all)
    }

    async fn park(&self, batch: &Batch, reason: &str) -> Result<()> {
        self.park_with(&self.files, batch, reason)
    }

    async fn parked(&self) -> Result<Vec<String>> {
        let files = folder::names(&self.root.join(PARKED))?;
        Ok(files.iter().filter_map(|file| parked_of_file(file)).map(str::to_owned).collect())
    }

    async fn parked_batch(&self, name: &str) -> Result<Option<Batch>> {
        let Some(path) = self.path_of_parked(name) else { return Ok(None) };
        let bytes = folder::read_if_there(&path)?;
        bytes.map(|bytes| parked_from_bytes(&bytes, &path.display().to_string())).transpose()
    }

    async fn unpark(&self, name: &str) -> Result<()> {
        if let Some(path) = self.path_of_parked(name).filter(|path| path.exists()) {
            folder::remove_if_there(&self.files, &path)?;
            let folder = self.root.join(PARKED);
            self.files.sync_dir(&folder).map_err(|error| failed("sync", &folder, error))?;
        }
        Ok(())
    }
}

impl DiskLake {
    pub(super) fn quarantine_with(&self, files: &impl Files, rejected: &Rejected) -> Result<()> {
        let (dt, name) = rejected_name(rejected);
        let folder = Path::new(QUARANTINE).join(folder::of_date(dt));
        self.place(files, &folder, &name, &rejected_to_bytes(rejected)).map(drop)
    }

    /// The path of a name that was given out; one that leads elsewhere names no batch.
    fn path_of_parked(&self, name: &str) -> Option<PathBuf> {
        let file = parked_file(name);
        (Path::new(&file).file_name() == Some(OsStr::new(&file))).then(|| self.root.join(PARKED).join(file))
    }

    pub(super) fn park_with(&self, files: &impl Files, batch: &Batch, reason: &str) -> Result<()> {
        let file = parked_file(&parked_name(batch));
        self.place(files, Path::new(PARKED), &file, &parked_to_bytes(batch, reason)).map(drop)
    }
}
