//! The table `quotes` in S3: coverage from footers by ranged GETs, rows from whole objects.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::NaiveDate;
use mendlake_domain::coverage::Coverage;
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::StoredRow;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::Result;
use mendlake_ports::lake::{Lake, NewObject, Published};

use super::bucket::{Bucket, Created, Part, Tries, at_once};
use super::{S3Lake, gone};
use crate::parquet::footer::{self, Footer, Tail};
use crate::parquet::quotes::{TABLE, from_bytes, to_bytes, verify};
use crate::parquet::sessions;
use crate::stored::damaged::{QUOTES_IN_S3, advised};
use crate::stored::listing::{Listed, Listing, StoredObject, objects_of};
use crate::stored::name::{EXTENSION, date_of, folder_of};
use crate::stored::quotes::{prepare, sort};

impl Lake for S3Lake {
    async fn publish(&self, object: &NewObject) -> Result<Published> {
        let prepared = prepare(object)?;
        let key = self.quotes_key(object.dt, &prepared.name.to_string());
        Ok(match self.bucket.create(&key, to_bytes(&prepared), Tries::Sdk).await? {
            Created::New => Published::New,
            Created::Existed => Published::Existed,
        })
    }

    async fn coverage(&self, from: Minute, to: Minute) -> Result<Coverage> {
        let dates = self.dates_of(from, to).await?;
        let _in_use = self.index.begin(&dates);
        self.refresh(&dates).await?;
        let mut coverage = Coverage::default();
        for dt in dates {
            coverage.join(&self.index.coverage(dt, from, to));
        }
        Ok(coverage)
    }

    async fn rows(&self, symbols: &BTreeSet<Symbol>, from: Minute, to: Minute) -> Result<Vec<StoredRow>> {
        let dates = self.dates_of(from, to).await?;
        let _in_use = self.index.begin(&dates);
        self.refresh(&dates).await?;
        let mut found = self.rows_of(&dates, symbols, from, to).await?;
        if found.is_err() {
            // Taken away between its listing and its reading: listed once more, it is not there.
            self.refresh(&dates).await?;
            found = self.rows_of(&dates, symbols, from, to).await?;
        }
        let mut rows = found.map_err(|(dt, object)| gone(&self.url_of(dt, &object.name)))?;
        sort(&mut rows);
        Ok(rows)
    }
}

impl S3Lake {
    /// Every object of the table `quotes`, by date and name. `Corrupt` where another one would be read as one.
    pub async fn objects(&self) -> Result<Vec<StoredObject>> {
        self.listing().await?.into_objects(&self.table())
    }

    /// Every object of the table `quotes`, and what lies among them.
    pub async fn listing(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        for path in self.bucket.list(&self.bucket.key(&format!("{TABLE}/"))).await? {
            if let Some((folder, name)) = path.split_once('/')
                && let Some(dt) = date_of(folder)
            {
                listing.note(dt, name.to_owned());
            }
        }
        Ok(listing)
    }

    /// Reads an object's columns and checks that its footer, its name and its folder agree with them; gives its footer.
    /// `Corrupt` where they do not, `Unavailable` where it is not there (any more).
    pub async fn verify_object(&self, object: &StoredObject) -> Result<Footer> {
        let bytes = self.bucket.get(&self.quotes_key(object.dt, &object.name), Part::Whole).await?;
        verify(&bytes.ok_or_else(|| gone(&self.url_of(object.dt, &object.name)))?, object.dt, &object.name)
    }

    /// The oldest date of which there is anything in `quotes` or in `sessions`, whatever it is worth.
    pub async fn oldest_on(&self) -> Result<Option<NaiveDate>> {
        let mut oldest = None;
        for table in [TABLE, sessions::TABLE] {
            let table = self.bucket.key(&format!("{table}/"));
            for dt in self.bucket.folders(&table).await?.iter().filter_map(|folder| date_of(folder)) {
                let names = self.bucket.list(&format!("{table}{}/", folder_of(dt))).await?;
                if names.iter().any(|name| name.ends_with(EXTENSION)) {
                    oldest = oldest.into_iter().chain([dt]).min();
                    break;
                }
            }
        }
        Ok(oldest)
    }

    /// The dates that may have a minute in `[from, to)`.
    async fn dates_of(&self, from: Minute, to: Minute) -> Result<Vec<NaiveDate>> {
        if to <= from {
            return Ok(Vec::new());
        }
        self.dates(TABLE, from.date(), to.plus(-1).date()).await
    }

    /// Brings the index of dates up to what is in their folders: reads the footers that are new.
    async fn refresh(&self, dates: &[NaiveDate]) -> Result<()> {
        let lost = self.read_new_footers(dates.iter().copied().collect()).await?;
        if lost.is_empty() {
            return Ok(());
        }
        // Taken away between its listing and its reading: listed once more, it is not there.
        let again = lost.into_iter().map(|(dt, _)| dt).collect();
        let lost = self.read_new_footers(again).await?;
        lost.first().map_or(Ok(()), |(dt, object)| Err(gone(&self.url_of(*dt, &object.name))))
    }

    /// Reads the footers of these dates that are not known; gives the objects that were listed and then gone.
    async fn read_new_footers(&self, dates: BTreeSet<NaiveDate>) -> Result<Vec<OfDate>> {
        let listed = at_once(dates.into_iter().map(|dt| self.unknown(dt))).await?;
        let lost = at_once(listed.into_iter().flatten().map(|object| self.read_footer(object))).await?;
        Ok(lost.into_iter().flatten().collect())
    }

    /// The objects of a date whose footers are not known.
    async fn unknown(&self, dt: NaiveDate) -> Result<Vec<OfDate>> {
        let listed = self.bucket.listed(&self.quotes_key(dt, "")).await?;
        let objects = objects_of(dt, listed, &self.table()).map_err(|error| advised(error, QUOTES_IN_S3))?;
        Ok(self.index.unknown(dt, objects).into_iter().map(|object| (dt, object)).collect())
    }

    /// Notes an object's footer; gives the object where it is gone.
    async fn read_footer(&self, (dt, object): OfDate) -> Result<Option<OfDate>> {
        let key = self.quotes_key(dt, &object.name);
        let url = self.bucket.url(&key);
        let tail = ObjectTail { bucket: &self.bucket, key, url, is_gone: AtomicBool::new(false) };
        match footer::read(&tail).await {
            Ok(footer) => self.index.note(dt, object, &footer.coverage),
            Err(_) if tail.is_gone.load(Ordering::Relaxed) => return Ok(Some((dt, object))),
            Err(error) => return Err(advised(error, QUOTES_IN_S3)),
        }
        Ok(None)
    }

    /// The rows that known objects have of these symbols in `[from, to)`, or an object that is gone.
    async fn rows_of(
        &self,
        dates: &[NaiveDate],
        symbols: &BTreeSet<Symbol>,
        from: Minute,
        to: Minute,
    ) -> Result<std::result::Result<Vec<StoredRow>, OfDate>> {
        let of_date = |dt: NaiveDate| {
            let objects = self.index.with_rows_of(dt, symbols, from, to);
            objects.into_iter().map(move |object| (dt, object))
        };
        let objects: Vec<OfDate> = dates.iter().copied().flat_map(of_date).collect();
        let found = at_once(objects.into_iter().map(|object| self.rows_in(object, symbols, from, to))).await?;
        Ok(found.into_iter().collect::<std::result::Result<Vec<_>, _>>().map(|rows| rows.concat()))
    }

    /// The rows an object has of these symbols in `[from, to)`; the object where it is gone.
    async fn rows_in(
        &self,
        object: OfDate,
        symbols: &BTreeSet<Symbol>,
        from: Minute,
        to: Minute,
    ) -> Result<std::result::Result<Vec<StoredRow>, OfDate>> {
        let Some(rows) = self.opened(&object).await? else { return Ok(Err(object)) };
        let named = |row: &StoredRow| symbols.contains(&row.row.symbol);
        let inside = |row: &StoredRow| row.row.minute >= from && row.row.minute < to;
        Ok(Ok(rows.iter().filter(|row| inside(row) && named(row)).cloned().collect()))
    }

    /// The rows of an object, read once as long as the cache has room; `None` where it is gone. Whole objects: what a
    /// batch left is small, and only whole bytes have a checksum.
    async fn opened(&self, (dt, object): &OfDate) -> Result<Option<Arc<Vec<StoredRow>>>> {
        if let Some(rows) = self.index.opened(*dt, object) {
            return Ok(Some(rows));
        }
        let key = self.quotes_key(*dt, &object.name);
        let Some(bytes) = self.bucket.get(&key, Part::Whole).await? else { return Ok(None) };
        let rows = from_bytes(&bytes, &self.bucket.url(&key)).map_err(|error| advised(error, QUOTES_IN_S3))?;
        let rows = Arc::new(rows);
        self.index.keep(*dt, object.clone(), rows.clone());
        Ok(Some(rows))
    }

    fn quotes_key(&self, dt: NaiveDate, name: &str) -> String {
        self.bucket.key(&format!("{TABLE}/{}/{name}", folder_of(dt)))
    }

    fn url_of(&self, dt: NaiveDate, name: &str) -> String {
        self.bucket.url(&self.quotes_key(dt, name))
    }

    fn table(&self) -> String {
        self.bucket.url(&self.bucket.key(TABLE))
    }
}

/// An object of a date.
type OfDate = (NaiveDate, Listed);

/// The end of an object.
struct ObjectTail<'a> {
    bucket: &'a Bucket,
    key: String,
    url: String,
    /// Whether it turned out not to be there.
    is_gone: AtomicBool,
}

impl Tail for ObjectTail<'_> {
    fn name(&self) -> &str {
        &self.url
    }

    async fn tail(&self, bytes: usize) -> Result<Vec<u8>> {
        match self.bucket.get(&self.key, Part::Last(bytes)).await? {
            Some(tail) => Ok(tail.to_vec()),
            None => {
                self.is_gone.store(true, Ordering::Relaxed);
                Err(gone(&self.url))
            }
        }
    }
}
