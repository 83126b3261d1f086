//! The control logs on disk: `control/<log>/00000001.json`.

use std::path::{Path, PathBuf};

use mendlake_ports::Result;
use mendlake_ports::control::{Appended, Control, Log};

use super::files::Files;
use super::place::Placed;
use super::{DiskLake, folder};
use crate::stored::control::{self, name, refuse_hole};

impl Control for DiskLake {
    async fn append(&self, log: Log, number: usize, entry: &[u8]) -> Result<Appended> {
        self.append_with(&self.files, log, number, entry)
    }

    async fn read(&self, log: Log, after: usize) -> Result<Vec<Vec<u8>>> {
        let folder = self.root.join(folder_of(log));
        (after + 1..=self.newest(log)?).map(|number| folder::read(&folder.join(name(number)))).collect()
    }

    fn place_of(&self, log: Log, number: usize) -> String {
        self.root.join(folder_of(log)).join(name(number)).display().to_string()
    }
}

impl DiskLake {
    pub(super) fn append_with(&self, files: &impl Files, log: Log, number: usize, entry: &[u8]) -> Result<Appended> {
        refuse_hole(log, number, self.newest(log)?)?;
        Ok(match self.place(files, &folder_of(log), &name(number), entry)? {
            Placed::New => Appended::Done,
            Placed::Existed => Appended::Taken,
        })
    }

    /// The number of the newest entry, 0 where there is none. `Corrupt` where one before it is missing.
    fn newest(&self, log: Log) -> Result<usize> {
        let names = folder::names(&self.root.join(folder_of(log)))?;
        control::newest(log, names, |number| self.place_of(log, number))
    }
}

fn folder_of(log: Log) -> PathBuf {
    Path::new("control").join(log.folder())
}

#[cfg(test)]
mod tests {
    use mendlake_ports::Kind;

    use super::super::tests::lake;
    use super::*;

    #[tokio::test]
    async fn a_missing_entry_is_corrupt_and_named() {
        let (_folder, lake) = lake();
        for number in 1..=3 {
            lake.append(Log::Overlay, number, b"{}").await.expect("appended");
        }
        std::fs::remove_file(lake.root().join("control/overlay/00000002.json")).expect("removed");
        let error = lake.read(Log::Overlay, 0).await.expect_err("a hole");
        assert_eq!(error.kind, Kind::Corrupt);
        assert!(error.chain().contains("`overlay`: entry 2 is missing"), "{}", error.chain());
        assert!(error.chain().contains("control/overlay/00000002.json`; put back"), "{}", error.chain());
    }
}
