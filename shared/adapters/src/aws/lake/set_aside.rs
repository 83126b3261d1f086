//! Quarantine and parking place in S3: `quarantine/dt=…/`, `parked/`, and where Lambda itself puts batches that it gave up.

use mendlake_ports::Result;
use mendlake_ports::set_aside::{Parked, Rejected, SetAside};
use mendlake_ports::stream::Batch;

use super::S3Lake;
use super::bucket::{Part, Tries, at_once};
use super::invocation;
use crate::stored::name::{date_of, folder_of};
use crate::stored::set_aside::{
    parked_file, parked_from_bytes, parked_name, parked_of_file, parked_to_bytes, rejected_from_bytes, rejected_name,
    rejected_to_bytes,
};

const QUARANTINE: &str = "quarantine/";
const PARKED: &str = "parked/";

/// Where an event source mapping's on-failure destination puts its records: AWS lets nobody choose, and no lake's prefix
/// comes before it.
const BY_LAMBDA: &str = "aws/lambda/";

impl SetAside for S3Lake {
    async fn quarantine(&self, rejected: &Rejected) -> Result<()> {
        let (dt, name) = rejected_name(rejected);
        let key = self.bucket.key(&format!("{QUARANTINE}{}/{name}", folder_of(dt)));
        self.bucket.create(&key, rejected_to_bytes(rejected), Tries::Sdk).await.map(drop)
    }

    async fn quarantined(&self) -> Result<Vec<Rejected>> {
        let quarantine = self.bucket.key(QUARANTINE);
        let mut keys = self.bucket.list(&quarantine).await?;
        keys.retain(|path| path.split_once('/').is_some_and(|(dt, name)| date_of(dt).is_some() && !name.is_empty()));
        let read = at_once(keys.into_iter().map(|path| self.read_rejected(format!("{quarantine}{path}")))).await?;
        let mut all: Vec<Rejected> = read.into_iter().flatten().collect();
        all.sort_by_key(|rejected| rejected.at);
        Ok(all)
    }

    async fn park(&self, batch: &Batch, reason: &str) -> Result<()> {
        let key = self.parked_key(&parked_name(batch));
        self.bucket.create(&key, parked_to_bytes(batch, reason), Tries::Sdk).await.map(drop)
    }

    async fn parked(&self) -> Result<Vec<Parked>> {
        let own = self.bucket.list(&self.bucket.key(PARKED)).await?;
        let own = own.iter().filter_map(|file| parked_of_file(file)).map(str::to_owned);
        let by_lambda = self.bucket.list(BY_LAMBDA).await?;
        let by_lambda = by_lambda.iter().map(|path| format!("{BY_LAMBDA}{path}")).filter(|key| !key.ends_with('/'));
        let names: Vec<String> = own.chain(by_lambda).collect();
        let mut parked: Vec<Parked> =
            at_once(names.into_iter().map(|name| self.read_parked(name))).await?.into_iter().flatten().collect();
        parked.sort_by_cached_key(|Parked { name, batch }| {
            (batch.records.first().map(|record| record.arrived_at), name.clone())
        });
        Ok(parked)
    }

    async fn unpark(&self, name: &str) -> Result<()> {
        let key = match is_lambdas(name) {
            true => name.to_owned(),
            // Only a name that was given out; one that leads elsewhere names no batch.
            false if name.contains('/') => return Ok(()),
            false => self.parked_key(name),
        };
        self.bucket.remove(&key).await
    }
}

impl S3Lake {
    /// What was rejected, `None` where it expired since it was listed.
    async fn read_rejected(&self, key: String) -> Result<Option<Rejected>> {
        let bytes = self.bucket.get(&key, Part::Whole).await?;
        bytes.map(|bytes| rejected_from_bytes(&bytes, &self.bucket.url(&key))).transpose()
    }

    /// A parked batch, `None` where it was landed and taken away since it was listed.
    async fn read_parked(&self, name: String) -> Result<Option<Parked>> {
        let key = if is_lambdas(&name) { name.clone() } else { self.parked_key(&name) };
        let Some(bytes) = self.bucket.get(&key, Part::Whole).await? else { return Ok(None) };
        let url = self.bucket.url(&key);
        let batch = if is_lambdas(&name) { invocation::batch(&bytes, &url)? } else { parked_from_bytes(&bytes, &url)? };
        Ok(Some(Parked { name, batch }))
    }

    fn parked_key(&self, name: &str) -> String {
        self.bucket.key(&format!("{PARKED}{}", parked_file(name)))
    }
}

/// Whether a parked batch of this name is a record of Lambda's: the name is then its key.
fn is_lambdas(name: &str) -> bool {
    name.starts_with(BY_LAMBDA)
}
