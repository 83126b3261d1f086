//! What lies in a lake's folders.

use chrono::NaiveDate;
use mendlake_ports::Result;

use super::{DiskLake, Listing, StoredObject, folder};
use crate::parquet::sessions;
use crate::stored::damaged::{QUOTES_ON_DISK, advised};
use crate::stored::listing::{Listed, objects_of};
use crate::stored::name::EXTENSION;

impl DiskLake {
    /// Every object of the table `quotes`, by date and name. `Corrupt` where another file would be read as one.
    pub fn objects(&self) -> Result<Vec<StoredObject>> {
        self.listing()?.into_objects(&self.table().display().to_string())
    }

    /// Every object of the table `quotes`, and what lies among them.
    pub fn listing(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        for dt in folder::dates(&self.table())? {
            self.list(dt, &mut listing)?;
        }
        Ok(listing)
    }

    /// The oldest date of which there is anything in `quotes` or in `sessions`, whatever it is worth.
    pub fn oldest_on(&self) -> Result<Option<NaiveDate>> {
        let mut oldest = None;
        for table in [self.table(), self.root.join(sessions::TABLE)] {
            for dt in folder::dates(&table)? {
                if folder::names(&table.join(folder::of_date(dt)))?.iter().any(|name| name.ends_with(EXTENSION)) {
                    oldest = oldest.into_iter().chain([dt]).min();
                    break;
                }
            }
        }
        Ok(oldest)
    }

    /// The objects of a date, as its folder shows them.
    pub(super) fn objects_of(&self, dt: NaiveDate) -> Result<Vec<Listed>> {
        let listed = folder::listed(&self.table().join(folder::of_date(dt)))?;
        objects_of(dt, listed, &self.table().display().to_string()).map_err(|error| advised(error, QUOTES_ON_DISK))
    }

    fn list(&self, dt: NaiveDate, listing: &mut Listing) -> Result<()> {
        let names = folder::names(&self.table().join(folder::of_date(dt)))?;
        names.into_iter().for_each(|name| listing.note(dt, name));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use mendlake_ports::Kind;
    use mendlake_ports::lake::Lake;
    use mendlake_ports::sessions::Sessions;

    use super::super::quotes::tests::coverage_of_all;
    use super::super::tests::lake;
    use super::*;
    use crate::stored::quotes::tests::{object, row};
    use crate::stored::statuses::tests::status;

    #[tokio::test]
    async fn a_foreign_parquet_file_is_corrupt_and_other_files_are_ignored() {
        let (_folder, lake) = lake();
        lake.publish(&object(vec![row("A", 0)])).await.expect("published");
        let folder = lake.root().join("quotes/dt=2026-11-20");
        fs::write(folder.join(".DS_Store"), b"x").expect("written");
        fs::write(lake.root().join("quotes/README"), b"x").expect("written");
        fs::create_dir(lake.root().join("quotes/dt=yesterday")).expect("made");
        assert_eq!(coverage_of_all(&lake).await.expect("coverage").0.len(), 1);
        fs::write(folder.join("part-0.parquet"), b"x").expect("written");
        for error in [coverage_of_all(&lake).await.map(drop), lake.objects().map(drop)] {
            let error = error.expect_err("foreign");
            assert_eq!(error.kind, Kind::Corrupt);
            assert!(error.chain().contains("`part-0.parquet`") && error.chain().contains("move it away"), "{error}");
        }
    }

    #[tokio::test]
    async fn the_listing_has_foreign_files_beside_the_objects() {
        let (_folder, lake) = lake();
        assert_eq!(lake.listing().expect("listed"), Listing::default());
        lake.publish(&object(vec![row("A", 0)])).await.expect("published");
        let objects = lake.objects().expect("objects");
        let dt = objects[0].dt;
        let folder = lake.root().join("quotes").join(folder::of_date(dt));
        fs::write(folder.join("part-0.parquet"), b"x").expect("written");
        fs::copy(folder.join(&objects[0].name), folder.join("copy.parquet")).expect("copied");
        fs::write(folder.join("notes.txt"), b"x").expect("written");
        let foreign = ["copy.parquet", "part-0.parquet"].map(|name| StoredObject { dt, name: name.to_owned() });
        assert_eq!(lake.listing().expect("listed"), Listing { objects, foreign: foreign.into() });
    }

    #[tokio::test]
    async fn the_oldest_date_is_that_of_a_row_or_of_a_status() {
        let (_folder, lake) = lake();
        assert_eq!(lake.oldest_on().expect("listed"), None);
        lake.publish(&object(vec![row("A", 3000)])).await.expect("published");
        let dt = row("A", 3000).row.minute.date();
        assert_eq!(lake.oldest_on().expect("listed"), Some(dt));
        lake.append(&[status(0)]).await.expect("appended");
        assert!(status(0).on < dt);
        assert_eq!(lake.oldest_on().expect("listed"), Some(status(0).on));
        fs::create_dir_all(lake.root().join("quotes/dt=2020-01-02")).expect("made");
        assert_eq!(lake.oldest_on().expect("listed"), Some(status(0).on), "an empty folder holds nothing");
    }
}
