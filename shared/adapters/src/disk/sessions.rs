//! The table `sessions` on disk.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;
use mendlake_domain::status::SessionStatus;
use mendlake_ports::Result;
use mendlake_ports::sessions::Sessions;

use super::files::Files;
use super::{DiskLake, folder, lock};
use crate::parquet::sessions::{TABLE, from_bytes, name, to_bytes};
use crate::stored::damaged::{SESSIONS, advised};
use crate::stored::name::EXTENSION;

impl Sessions for DiskLake {
    async fn append(&self, statuses: &[SessionStatus]) -> Result<()> {
        self.append_statuses_with(&self.files, statuses)
    }

    async fn current(&self, first: NaiveDate, last: NaiveDate) -> Result<Vec<SessionStatus>> {
        let mut dates = folder::dates(&self.root.join(TABLE))?;
        dates.retain(|dt| *dt >= first && *dt <= last);
        let mut current = Vec::new();
        for dt in dates {
            current.extend(self.current_of(dt)?);
        }
        Ok(current)
    }
}

impl DiskLake {
    /// One object a day.
    pub(super) fn append_statuses_with(&self, files: &impl Files, statuses: &[SessionStatus]) -> Result<()> {
        let mut days: BTreeMap<NaiveDate, Vec<SessionStatus>> = BTreeMap::new();
        for status in statuses {
            days.entry(status.on).or_default().push(status.clone());
        }
        for (on, statuses) in days {
            let folder = Path::new(TABLE).join(folder::of_date(on));
            self.place(files, &folder, &name(&statuses), &to_bytes(&statuses))?;
        }
        Ok(())
    }

    /// The current statuses of a date, with what was appended since they were last asked for.
    fn current_of(&self, dt: NaiveDate) -> Result<Vec<SessionStatus>> {
        let folder = self.root.join(TABLE).join(folder::of_date(dt));
        let mut listed = folder::listed(&folder)?;
        listed.retain(|object| object.name.ends_with(EXTENSION));
        let mut days = lock(&self.sessions);
        let day = days.entry(dt).or_default();
        for object in day.unread(listed) {
            let path = folder.join(&object.name);
            let appended = from_bytes(&folder::read(&path)?.into(), &path.display().to_string());
            day.note(object, appended.map_err(|error| advised(error, SESSIONS))?);
        }
        Ok(day.current().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use mendlake_ports::Kind;

    use super::super::tests::lake;
    use super::*;
    use crate::stored::statuses::tests::status;

    #[tokio::test]
    async fn a_broken_object_is_corrupt_and_named_until_it_is_gone() {
        let (_folder, lake) = lake();
        lake.append(&[status(0)]).await.expect("appended");
        let on = status(0).on;
        assert_eq!(lake.current(on, on).await.expect("current"), [status(0)]);
        lake.append(&[status(60)]).await.expect("appended");
        let name = name(&[status(60)]);
        let path = lake.root().join("sessions/dt=2026-11-20").join(&name);
        let whole = std::fs::read(&path).expect("an object");
        std::fs::write(&path, &whole[..whole.len() / 2]).expect("damaged");
        for _ in 0..2 {
            let error = lake.current(on, on).await.expect_err("broken");
            assert!(error.kind == Kind::Corrupt && error.chain().contains(&name), "{}", error.chain());
            assert!(error.chain().contains("sessions/dt=2026-11-20/") && error.chain().contains("--window morning"));
        }
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(lake.current(on, on).await.expect("current"), [status(0)]);
    }
}
