//! The table `quotes` on disk, and the index of its footers.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use chrono::NaiveDate;
use mendlake_domain::coverage::Coverage;
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::StoredRow;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::Result;
use mendlake_ports::lake::{Lake, NewObject, Published};

use super::files::{Files, failed};
use super::place::Placed;
use super::{DiskLake, StoredObject, folder};
use crate::parquet::footer::{self, Footer, Tail};
use crate::parquet::quotes::{TABLE, from_bytes, to_bytes, verify};
use crate::stored::damaged::{QUOTES_ON_DISK, advised};
use crate::stored::listing::Listed;
use crate::stored::quotes::{prepare, sort};

impl Lake for DiskLake {
    async fn publish(&self, object: &NewObject) -> Result<Published> {
        self.publish_with(&self.files, object)
    }

    async fn coverage(&self, from: Minute, to: Minute) -> Result<Coverage> {
        let mut coverage = Coverage::default();
        let dates = self.dates_of(from, to)?;
        let _in_use = self.index.begin(&dates);
        for dt in dates {
            self.refresh(dt).await?;
            coverage.join(&self.index.coverage(dt, from, to));
        }
        Ok(coverage)
    }

    async fn rows(&self, symbols: &BTreeSet<Symbol>, from: Minute, to: Minute) -> Result<Vec<StoredRow>> {
        let mut rows = Vec::new();
        let dates = self.dates_of(from, to)?;
        let _in_use = self.index.begin(&dates);
        for dt in dates {
            self.refresh(dt).await?;
            for object in self.index.with_rows_of(dt, symbols, from, to) {
                let object = self.opened(dt, object)?;
                let named = |row: &StoredRow| symbols.contains(&row.row.symbol);
                let inside = |row: &StoredRow| row.row.minute >= from && row.row.minute < to;
                rows.extend(object.iter().filter(|row| inside(row) && named(row)).cloned());
            }
        }
        sort(&mut rows);
        Ok(rows)
    }
}

impl DiskLake {
    /// Reads an object's columns and checks that its footer, its name and its folder agree with them; gives its footer.
    /// `Corrupt` where they do not.
    pub fn verify_object(&self, object: &StoredObject) -> Result<Footer> {
        verify(&self.read_object(object.dt, &object.name)?, object.dt, &object.name)
    }

    pub(super) fn publish_with(&self, files: &impl Files, object: &NewObject) -> Result<Published> {
        let prepared = prepare(object)?;
        let folder = Path::new(TABLE).join(folder::of_date(object.dt));
        Ok(match self.place(files, &folder, &prepared.name.to_string(), &to_bytes(&prepared))? {
            Placed::New => Published::New,
            Placed::Existed => Published::Existed,
        })
    }

    /// Brings the index of a date up to what is in its folder: reads the footers that are new.
    async fn refresh(&self, dt: NaiveDate) -> Result<()> {
        for object in self.index.unknown(dt, self.objects_of(dt)?) {
            let path = self.path_of(dt, &object.name);
            let footer = footer::read(&FileTail { name: &path.display().to_string(), path: &path }).await;
            self.index.note(dt, object, &footer.map_err(|error| advised(error, QUOTES_ON_DISK))?.coverage);
        }
        Ok(())
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

    /// The rows of an object, read once as long as the cache has room. Whole objects: what a batch left is small, and
    /// only whole bytes have a checksum.
    fn opened(&self, dt: NaiveDate, object: Listed) -> Result<Arc<Vec<StoredRow>>> {
        if let Some(rows) = self.index.opened(dt, &object) {
            return Ok(rows);
        }
        let place = self.path_of(dt, &object.name).display().to_string();
        let rows = from_bytes(&self.read_object(dt, &object.name)?, &place);
        let rows = Arc::new(rows.map_err(|error| advised(error, QUOTES_ON_DISK))?);
        self.index.keep(dt, object, rows.clone());
        Ok(rows)
    }

    fn read_object(&self, dt: NaiveDate, name: &str) -> Result<Bytes> {
        folder::read(&self.path_of(dt, name)).map(Bytes::from)
    }

    fn path_of(&self, dt: NaiveDate, name: &str) -> PathBuf {
        self.table().join(folder::of_date(dt)).join(name)
    }

    pub(super) fn table(&self) -> PathBuf {
        self.root.join(TABLE)
    }
}

/// The end of a file.
struct FileTail<'a> {
    path: &'a Path,
    name: &'a str,
}

impl Tail for FileTail<'_> {
    fn name(&self) -> &str {
        self.name
    }

    async fn tail(&self, bytes: usize) -> Result<Vec<u8>> {
        let read = || {
            let mut file = File::open(self.path)?;
            let len = file.metadata()?.len();
            file.seek(SeekFrom::Start(len.saturating_sub(bytes as u64)))?;
            let mut tail = Vec::new();
            file.read_to_end(&mut tail)?;
            Ok(tail)
        };
        read().map_err(|error| failed("read", self.path, error))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use mendlake_ports::Kind;
    use mendlake_ports::contracts::lake::an_unreadable_object_is_named;

    use super::super::tests::lake;
    use super::*;
    use crate::stored::quotes::tests::{object, row};

    /// The one object of a date.
    fn object_of(lake: &DiskLake, dt: NaiveDate) -> (PathBuf, String) {
        let objects = lake.objects().expect("objects");
        let mut of_date = objects.into_iter().filter(|object| object.dt == dt);
        let (object, None) = (of_date.next().expect("an object"), of_date.next()) else { panic!("more than one") };
        (lake.path_of(dt, &object.name), object.name)
    }

    pub(in super::super) async fn coverage_of_all(lake: &DiskLake) -> Result<Coverage> {
        lake.coverage(row("A", -3000).row.minute, row("A", 3000).row.minute).await
    }

    #[tokio::test]
    async fn an_unreadable_object_is_corrupt_and_named() {
        let damages: [fn(Vec<u8>) -> Vec<u8>; 4] = [
            |bytes| bytes[..bytes.len() / 2].to_vec(),
            |_| Vec::new(),
            |mut bytes| {
                let at = bytes.len() - 100;
                bytes[at] ^= 1;
                bytes
            },
            |bytes| vec![0; bytes.len()],
        ];
        for damage in damages {
            let (_folder, lake) = lake();
            let fresh = || DiskLake::open(lake.root()).expect("a lake");
            let break_it = |dt| {
                let (path, name) = object_of(&lake, dt);
                fs::write(&path, damage(fs::read(&path).expect("an object"))).expect("damaged");
                name
            };
            an_unreadable_object_is_named(&lake, fresh, break_it).await;
        }
    }

    #[tokio::test]
    async fn data_that_is_broken_while_its_footer_is_not_is_found_by_rows_and_by_the_deep_check() {
        let (_folder, lake) = lake();
        lake.publish(&object(vec![row("A", 0)])).await.expect("published");
        let dt = row("A", 0).row.minute.date();
        let (path, name) = object_of(&lake, dt);
        let mut bytes = fs::read(&path).expect("an object");
        bytes[40] ^= 1;
        fs::write(&path, bytes).expect("damaged");
        assert_eq!(coverage_of_all(&lake).await.expect("coverage").0.len(), 1, "its footer is whole");
        let (minute, symbols) = (row("A", 0).row.minute, BTreeSet::from(["A".parse().expect("symbol")]));
        let rows = lake.rows(&symbols, minute, minute + 1).await.map(drop).expect_err("broken");
        let deep = lake.verify_object(&StoredObject { dt, name: name.clone() }).map(drop).expect_err("broken");
        for error in [rows, deep] {
            assert!(error.kind == Kind::Corrupt && error.chain().contains(&name), "{}", error.chain());
        }
    }

    #[tokio::test]
    async fn a_footer_is_read_once_by_each_handle_and_anew_where_its_object_was_overwritten() {
        let (_folder, lake) = lake();
        lake.publish(&object(vec![row("A", 0)])).await.expect("published");
        let whole = coverage_of_all(&lake).await.expect("coverage");
        let (path, name) = object_of(&lake, row("A", 0).row.minute.date());
        let bytes = fs::read(&path).expect("an object");
        let changed_at = fs::metadata(&path).and_then(|told| told.modified()).expect("a file");
        let unseen = vec![0; bytes.len()];
        fs::write(&path, unseen).expect("damaged");
        let file = fs::OpenOptions::new().write(true).open(&path).expect("a file");
        file.set_modified(changed_at).expect("set back");
        assert_eq!(coverage_of_all(&lake).await.expect("not read again"), whole);
        assert!(
            coverage_of_all(&DiskLake::open(lake.root()).expect("a lake")).await.is_err(),
            "read for the first time"
        );
        fs::write(&path, b"broken").expect("damaged");
        let (minute, symbols) = (row("A", 0).row.minute, BTreeSet::from(["A".parse().expect("symbol")]));
        let errors = [coverage_of_all(&lake).await.map(drop), lake.rows(&symbols, minute, minute + 1).await.map(drop)];
        for error in errors {
            let chain = error.expect_err("read again").chain();
            let place = format!("`{}`", path.display());
            assert!(path.ends_with(format!("dt=2026-11-20/{name}")) && chain.contains(&place), "{chain}");
            assert!(chain.contains("`mendlake verify`") && chain.contains("move each out of the lake"), "{chain}");
        }
        fs::write(&path, &bytes).expect("mended");
        assert_eq!(coverage_of_all(&lake).await.expect("read again"), whole);
        fs::remove_file(&path).expect("removed");
        assert_eq!(coverage_of_all(&lake).await.expect("coverage"), Coverage::default(), "what is gone is not held");
    }

    #[tokio::test]
    async fn the_deep_check_finds_an_object_in_the_wrong_folder_or_under_another_name() {
        let (_folder, lake) = lake();
        lake.publish(&object(vec![row("A", 0)])).await.expect("published");
        let dt = row("A", 0).row.minute.date();
        let (path, name) = object_of(&lake, dt);
        let right = StoredObject { dt, name: name.clone() };
        assert_eq!(lake.verify_object(&right).expect("right").rows, 1);
        let moved = StoredObject { dt: dt.succ_opt().expect("a day"), ..right.clone() };
        let renamed = StoredObject { name: name.replace("-17-", "-18-"), ..right.clone() };
        let digest = &name[name.len() - 40..name.len() - 8];
        let other = StoredObject { name: name.replace(digest, &"0".repeat(32)), ..right };
        for copy in [&moved, &renamed, &other] {
            let to = lake.path_of(copy.dt, &copy.name);
            fs::create_dir_all(to.parent().expect("a folder")).expect("made");
            fs::copy(&path, to).expect("copied");
        }
        assert!(lake.verify_object(&moved).is_err_and(|error| error.kind == Kind::Corrupt));
        assert!(lake.verify_object(&other).is_err_and(|error| error.kind == Kind::Corrupt));
        assert!(lake.verify_object(&renamed).is_ok(), "the rows do not say which batch they came in");
    }
}
