//! The table `quotes` on disk, and the index of its footers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chrono::NaiveDate;
use mendlake_domain::coverage::Coverage;
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::StoredRow;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::lake::{Lake, NewObject, Published};
use mendlake_ports::{Kind, PortError, Result};

use super::files::{Files, RealFiles, failed};
use super::place::Placed;
use super::{DiskLake, folder, lock};
use crate::parquet::footer::{self, Footer, Tail};
use crate::parquet::quotes::{TABLE, from_bytes, to_bytes, verify};
use crate::stored::name::{EXTENSION, ObjectName};
use crate::stored::quotes::{prepare, sort, within};

/// An object of the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredObject {
    /// The date of its folder.
    pub dt: NaiveDate,
    /// Its name.
    pub name: String,
}

/// What the footers of one date say.
#[derive(Debug, Default)]
pub(super) struct Day {
    /// Of each object, the first and the last minute of each symbol: enough to know which to open for rows.
    spans: BTreeMap<String, Vec<(Symbol, Minute, Minute)>>,
    /// All of them, joined.
    coverage: Coverage,
}

impl Day {
    fn note(&mut self, name: String, footer: &Footer) {
        let span = |(symbol, held): (&Symbol, &mendlake_domain::coverage::Held)| {
            let present = held.present();
            Some((symbol.clone(), present.first()?, present.last()?))
        };
        self.coverage.join(&footer.coverage);
        self.spans
            .insert(name, footer.coverage.0.iter().filter_map(span).collect());
    }

    fn with_rows_of(&self, symbols: &BTreeSet<Symbol>, from: Minute, to: Minute) -> Vec<String> {
        let touches =
            |(symbol, first, last): &(Symbol, Minute, Minute)| *first < to && *last >= from && symbols.contains(symbol);
        self.spans
            .iter()
            .filter(|(_, spans)| spans.iter().any(touches))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

impl Lake for DiskLake {
    async fn publish(&self, object: &NewObject) -> Result<Published> {
        self.publish_with(&RealFiles, object)
    }

    async fn coverage(&self, from: Minute, to: Minute) -> Result<Coverage> {
        let mut coverage = Coverage::default();
        for dt in self.dates_of(from, to)? {
            self.refresh(dt).await?;
            if let Some(day) = lock(&self.quotes).get(&dt) {
                coverage.join(&within(&day.coverage, from, to));
            }
        }
        Ok(coverage)
    }

    async fn rows(&self, symbols: &BTreeSet<Symbol>, from: Minute, to: Minute) -> Result<Vec<StoredRow>> {
        let mut rows = Vec::new();
        for dt in self.dates_of(from, to)? {
            self.refresh(dt).await?;
            let day = lock(&self.quotes)
                .get(&dt)
                .map(|day| day.with_rows_of(symbols, from, to));
            for name in day.unwrap_or_default() {
                // Whole objects: what a batch left is small, and only whole bytes have a checksum.
                let object = from_bytes(&self.read_object(dt, &name)?, &name)?;
                let named = |row: &StoredRow| symbols.contains(&row.row.symbol);
                let inside = |row: &StoredRow| row.row.minute >= from && row.row.minute < to;
                rows.extend(object.into_iter().filter(|row| inside(row) && named(row)));
            }
        }
        sort(&mut rows);
        Ok(rows)
    }
}

impl DiskLake {
    /// Every object of the table `quotes`, by date and name. `Corrupt` where another file would be read as one.
    pub fn objects(&self) -> Result<Vec<StoredObject>> {
        let mut objects = Vec::new();
        for dt in folder::dates(&self.table())? {
            objects.extend(self.object_names(dt)?.into_iter().map(|name| StoredObject { dt, name }));
        }
        Ok(objects)
    }

    /// Reads an object's columns and checks that its footer, its name and its folder agree with them; gives its footer.
    /// `Corrupt` where they do not.
    pub fn verify_object(&self, object: &StoredObject) -> Result<Footer> {
        verify(&self.read_object(object.dt, &object.name)?, object.dt, &object.name)
    }

    pub(super) fn publish_with(&self, files: &impl Files, object: &NewObject) -> Result<Published> {
        let prepared = prepare(object)?;
        let folder = Path::new(TABLE).join(folder::of_date(object.dt));
        Ok(
            match self.place(files, &folder, &prepared.name.to_string(), &to_bytes(&prepared))? {
                Placed::New => Published::New,
                Placed::Existed => Published::Existed,
            },
        )
    }

    /// Brings the index of a date up to what is in its folder: reads the footers that are new.
    async fn refresh(&self, dt: NaiveDate) -> Result<()> {
        let listed = self.object_names(dt)?;
        let new: Vec<String> = {
            let mut days = lock(&self.quotes);
            let day = days.entry(dt).or_default();
            if day.spans.keys().any(|known| !listed.contains(known)) {
                // Somebody took objects away by hand: what they said must not stay.
                *day = Day::default();
            }
            listed
                .into_iter()
                .filter(|name| !day.spans.contains_key(name))
                .collect()
        };
        for name in new {
            let footer = footer::read(&FileTail {
                path: self.path_of(dt, &name),
                name: &name,
            })
            .await?;
            lock(&self.quotes).entry(dt).or_default().note(name, &footer);
        }
        Ok(())
    }

    /// The names of the objects of a date. Files that no reader takes for an object are ignored.
    fn object_names(&self, dt: NaiveDate) -> Result<BTreeSet<String>> {
        let folder = self.table().join(folder::of_date(dt));
        let mut names = folder::names(&folder)?;
        names.retain(|name| name.ends_with(EXTENSION));
        match names.iter().find(|name| name.parse::<ObjectName>().is_err()) {
            None => Ok(names),
            Some(foreign) => {
                let what = format!(
                    "read `{foreign}` in `{}`: no object has such a name, move it away",
                    folder.display()
                );
                Err(PortError::new(Kind::Corrupt, what))
            }
        }
    }

    /// The dates with a folder and a minute in `[from, to)`.
    fn dates_of(&self, from: Minute, to: Minute) -> Result<Vec<NaiveDate>> {
        if to <= from {
            return Ok(Vec::new());
        }
        let mut dates = folder::dates(&self.table())?;
        dates.retain(|dt| *dt >= from.date() && *dt <= to.plus(-1).date());
        Ok(dates)
    }

    fn read_object(&self, dt: NaiveDate, name: &str) -> Result<Bytes> {
        folder::read(&self.path_of(dt, name)).map(Bytes::from)
    }

    fn path_of(&self, dt: NaiveDate, name: &str) -> PathBuf {
        self.table().join(folder::of_date(dt)).join(name)
    }

    fn table(&self) -> PathBuf {
        self.root.join(TABLE)
    }
}

/// The end of a file.
struct FileTail<'a> {
    path: PathBuf,
    name: &'a str,
}

impl Tail for FileTail<'_> {
    fn name(&self) -> &str {
        self.name
    }

    async fn tail(&self, bytes: usize) -> Result<Vec<u8>> {
        let read = || {
            let mut file = File::open(&self.path)?;
            let len = file.metadata()?.len();
            file.seek(SeekFrom::Start(len.saturating_sub(bytes as u64)))?;
            let mut tail = Vec::new();
            file.read_to_end(&mut tail)?;
            Ok(tail)
        };
        read().map_err(|error| failed("read", &self.path, error))
    }
}
