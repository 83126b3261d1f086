//! The control logs in S3: `control/<log>/00000001.json`, each created on condition that nobody has its number.

use mendlake_ports::Result;
use mendlake_ports::control::{Appended, Control, Log};

use super::S3Lake;
use super::bucket::{Created, Part, Tries, at_once};
use crate::stored::control::{missing, name, newest, refuse_hole};

impl Control for S3Lake {
    async fn append(&self, log: Log, number: usize, entry: &[u8]) -> Result<Appended> {
        refuse_hole(log, number, self.newest(log).await?)?;
        // Tried once: `Taken` must be another's, since whoever is told it appends the same entry again as the next number.
        let created = self.bucket.create(&self.entry(log, number), entry.to_vec(), Tries::One).await?;
        Ok(match created {
            Created::New => Appended::Done,
            Created::Existed => Appended::Taken,
        })
    }

    async fn read(&self, log: Log, after: usize) -> Result<Vec<Vec<u8>>> {
        let newest = self.newest(log).await?;
        at_once((after + 1..=newest).map(|number| self.read_entry(log, number))).await
    }

    fn place_of(&self, log: Log, number: usize) -> String {
        self.bucket.url(&self.entry(log, number))
    }
}

impl S3Lake {
    /// The number of the newest entry, 0 where there is none. `Corrupt` where one before it is missing.
    async fn newest(&self, log: Log) -> Result<usize> {
        let names = self.bucket.list(&self.bucket.key(&folder_of(log))).await?;
        newest(log, names, |number| self.place_of(log, number))
    }

    async fn read_entry(&self, log: Log, number: usize) -> Result<Vec<u8>> {
        let entry = self.bucket.get(&self.entry(log, number), Part::Whole).await?;
        entry.map(|entry| entry.to_vec()).ok_or_else(|| missing(log, number, &self.place_of(log, number)))
    }

    fn entry(&self, log: Log, number: usize) -> String {
        self.bucket.key(&format!("{}{}", folder_of(log), name(number)))
    }
}

fn folder_of(log: Log) -> String {
    format!("control/{}/", log.folder())
}
