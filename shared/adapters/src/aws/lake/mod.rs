//! A lake in a bucket of S3: `S3Lake`. Layout, names and bytes are those of a lake on disk, so that either can be copied to
//! the other.
//!
//! - An object is created on condition that its key is free, by one PutObject: it appears whole or not at all, and is durable
//!   when S3 has answered. S3 reads what was written at once, in listings too.
//! - Who makes the lake: `open_or_make`, by whoever with the right to write comes first, a function or a person's `watch`, on
//!   condition that there is no marker. Who only reads uses `open`, and is refused a bucket without `mendlake.json`.
//! - Batches that Lambda gave up lie under `aws/lambda/` of the same bucket, whatever the lake's prefix: `parked` has them too.
//!
//! IAM actions, on the bucket's ARN and its objects:
//!
//! | action | resource | needed by |
//! |---|---|---|
//! | `s3:ListBucket` | the bucket | everything. Without it S3 answers 403 for a missing key instead of 404, and what is merely not there looks denied |
//! | `s3:GetObject` | `<prefix>*`; `aws/lambda/*` for `parked_batch` | everything |
//! | `s3:PutObject` | `<prefix>quotes/*`, `sessions/*`, `control/*`, `quarantine/*`, `parked/*`, `mendlake.json`, as far as it writes them | conditional writes need no other right |
//! | `s3:DeleteObject` | `<prefix>parked/*`, `aws/lambda/*` | `unpark` alone |

mod bucket;
mod control;
#[cfg(test)]
mod fake;
mod invocation;
mod quotes;
mod sessions;
mod set_aside;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_sdk_s3::Client;
use chrono::NaiveDate;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::{Kind, PortError, Result};

use crate::stored::index::Index;
use crate::stored::marker::{self, Marker};
use crate::stored::name::date_of;
use crate::stored::statuses;
use bucket::{Bucket, Part, Tries};

/// A range of more dates than this is narrowed to the dates there are, by listings of a thousand each.
const MOST_DATES_APART: i64 = 31;

/// A lake in a bucket.
#[derive(Debug)]
pub struct S3Lake {
    bucket: Bucket,
    created_at: Timestamp,
    /// What is known of the table `quotes`.
    index: Index,
    /// The current statuses, by date.
    sessions: Mutex<BTreeMap<NaiveDate, statuses::Day>>,
}

impl S3Lake {
    /// Opens the lake under a prefix of a bucket, which may be empty. `Rejected` where there is none, or one of a newer
    /// version.
    pub async fn open(client: Client, bucket: &str, prefix: &str) -> Result<Self> {
        let bucket = named(client, bucket, prefix)?;
        match read_marker(&bucket).await? {
            Some(marker) => Ok(Self::at(bucket, &marker)),
            None => Err(refuse(&bucket, "there is no `mendlake.json`, name a lake's bucket or make a lake there")),
        }
    }

    /// Opens the lake, or makes it where there are no tables yet. `Rejected` where there are some without a marker: they
    /// were another lake's. A control log alone is what a person put there by hand before anything else ran.
    pub async fn open_or_make(client: Client, bucket: &str, prefix: &str, now: Timestamp) -> Result<Self> {
        let bucket = named(client, bucket, prefix)?;
        if let Some(marker) = read_marker(&bucket).await? {
            return Ok(Self::at(bucket, &marker));
        }
        let mut is_used = false;
        for folder in ["quotes/", "sessions/"] {
            is_used |= bucket.has_any(&bucket.key(folder)).await?;
        }
        if !is_used {
            // Of several who start at once, one makes it.
            bucket.create(&bucket.key(marker::NAME), Marker::new(now).to_bytes(), Tries::Sdk).await?;
        }
        match read_marker(&bucket).await? {
            Some(marker) => Ok(Self::at(bucket, &marker)),
            None => Err(refuse(&bucket, "there are objects and no `mendlake.json`, restore it or name another place")),
        }
    }

    /// When the lake was made.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Where it is: `s3://<bucket>/<prefix>`.
    pub fn url(&self) -> String {
        self.bucket.url(&self.bucket.key(""))
    }

    fn at(bucket: Bucket, marker: &Marker) -> Self {
        let created_at = marker.created_at;
        Self { bucket, created_at, index: Index::default(), sessions: Mutex::default() }
    }

    /// The dates of `[first, last]` that may have objects in a table: all of them where they are few.
    async fn dates(&self, table: &str, first: NaiveDate, last: NaiveDate) -> Result<Vec<NaiveDate>> {
        if last < first {
            return Ok(Vec::new());
        }
        if (last - first).num_days() < MOST_DATES_APART {
            return Ok(first.iter_days().take_while(|dt| *dt <= last).collect());
        }
        let folders = self.bucket.folders(&self.bucket.key(&format!("{table}/"))).await?;
        Ok(folders.iter().filter_map(|folder| date_of(folder)).filter(|dt| *dt >= first && *dt <= last).collect())
    }
}

fn named(client: Client, bucket: &str, prefix: &str) -> Result<Bucket> {
    match bucket.trim() {
        "" => Err(PortError::new(Kind::Rejected, "open the lake: the bucket's name is empty, name the lake's bucket")),
        bucket => Ok(Bucket::new(client, bucket, prefix)),
    }
}

async fn read_marker(bucket: &Bucket) -> Result<Option<Marker>> {
    let bytes = bucket.get(&bucket.key(marker::NAME), Part::Whole).await?;
    bytes.map(|bytes| Marker::parse(&bytes, &bucket.url(&bucket.key("")))).transpose()
}

fn refuse(bucket: &Bucket, why: &str) -> PortError {
    PortError::new(Kind::Rejected, format!("open the lake at `{}`: {why}", bucket.url(&bucket.key(""))))
}

/// An object is listed, again and again, and not there.
fn gone(url: &str) -> PortError {
    PortError::new(Kind::Unavailable, format!("read `{url}`: it is listed and not there"))
}
