//! Quarantine and parking place on disk: `quarantine/dt=…/`, `parked/`.

use std::path::Path;

use mendlake_ports::Result;
use mendlake_ports::set_aside::{Parked, Rejected, SetAside};
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

    async fn parked(&self) -> Result<Vec<Parked>> {
        let folder = self.root.join(PARKED);
        let mut parked = Vec::new();
        for file in folder::names(&folder)? {
            let Some(name) = parked_of_file(&file) else { continue };
            // Landed and taken away since it was listed: no longer parked.
            let Some(bytes) = folder::read_if_there(&folder.join(&file))? else {
                continue;
            };
            parked.push(Parked { name: name.to_owned(), batch: parked_from_bytes(&bytes, &file)? });
        }
        Ok(parked)
    }

    async fn unpark(&self, name: &str) -> Result<()> {
        let folder = self.root.join(PARKED);
        let file = parked_file(name);
        // Only a name that was given out; a path that leads elsewhere names no batch.
        if folder::names(&folder)?.contains(&file) {
            folder::remove_if_there(&self.files, &folder.join(file))?;
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

    pub(super) fn park_with(&self, files: &impl Files, batch: &Batch, reason: &str) -> Result<()> {
        let file = parked_file(&parked_name(batch));
        self.place(files, Path::new(PARKED), &file, &parked_to_bytes(batch, reason)).map(drop)
    }
}
