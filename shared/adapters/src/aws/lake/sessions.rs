//! The table `sessions` in S3.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use mendlake_domain::status::SessionStatus;
use mendlake_ports::Result;
use mendlake_ports::sessions::Sessions;

use super::bucket::{Part, Tries, at_once};
use super::{S3Lake, gone};
use crate::parquet::sessions::{TABLE, from_bytes, name, to_bytes};
use crate::stored::damaged::{SESSIONS, advised};
use crate::stored::index::lock;
use crate::stored::listing::Listed;
use crate::stored::name::{EXTENSION, folder_of};

impl Sessions for S3Lake {
    async fn append(&self, statuses: &[SessionStatus]) -> Result<()> {
        let mut days: BTreeMap<NaiveDate, Vec<SessionStatus>> = BTreeMap::new();
        for status in statuses {
            days.entry(status.on).or_default().push(status.clone());
        }
        at_once(days.into_iter().map(|(on, statuses)| self.append_day(on, statuses))).await.map(drop)
    }

    async fn current(&self, first: NaiveDate, last: NaiveDate) -> Result<Vec<SessionStatus>> {
        let dates = self.dates(TABLE, first, last).await?;
        Ok(at_once(dates.into_iter().map(|dt| self.current_of(dt))).await?.concat())
    }
}

impl S3Lake {
    async fn append_day(&self, on: NaiveDate, statuses: Vec<SessionStatus>) -> Result<()> {
        let key = self.session_key(on, &name(&statuses));
        self.bucket.create(&key, to_bytes(&statuses), Tries::Sdk).await.map(drop)
    }

    /// The current statuses of a date, with what was appended since they were last asked for.
    async fn current_of(&self, dt: NaiveDate) -> Result<Vec<SessionStatus>> {
        let lost = self.read_new_statuses(dt).await?;
        if !lost.is_empty() {
            // Taken away between its listing and its reading: listed once more, it is not there.
            if let Some(object) = self.read_new_statuses(dt).await?.first() {
                return Err(gone(&self.bucket.url(&self.session_key(dt, &object.name))));
            }
        }
        Ok(lock(&self.sessions).get(&dt).map(|day| day.current().to_vec()).unwrap_or_default())
    }

    /// Reads the objects of a date that were not read yet; gives those that were listed and then gone.
    async fn read_new_statuses(&self, dt: NaiveDate) -> Result<Vec<Listed>> {
        let listed = self.bucket.listed(&self.session_key(dt, "")).await?;
        let listed = listed.into_iter().filter(|object| object.name.ends_with(EXTENSION)).collect();
        let unread = lock(&self.sessions).entry(dt).or_default().unread(listed);
        let lost = at_once(unread.into_iter().map(|object| self.read_statuses(dt, object))).await?;
        Ok(lost.into_iter().flatten().collect())
    }

    /// Notes what an object says; gives the object where it is gone.
    async fn read_statuses(&self, dt: NaiveDate, object: Listed) -> Result<Option<Listed>> {
        let key = self.session_key(dt, &object.name);
        let Some(bytes) = self.bucket.get(&key, Part::Whole).await? else { return Ok(Some(object)) };
        let appended = from_bytes(&bytes, &self.bucket.url(&key)).map_err(|error| advised(error, SESSIONS))?;
        lock(&self.sessions).entry(dt).or_default().note(object, appended);
        Ok(None)
    }

    fn session_key(&self, dt: NaiveDate, name: &str) -> String {
        self.bucket.key(&format!("{TABLE}/{}/{name}", folder_of(dt)))
    }
}
