//! Quarantine and parking place in S3: `quarantine/dt=…/`, `parked/`, and where Lambda itself puts batches that it gave up.

use mendlake_ports::Result;
use mendlake_ports::set_aside::{Rejected, SetAside};
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

    async fn parked(&self) -> Result<Vec<String>> {
        let own = self.bucket.list(&self.bucket.key(PARKED)).await?;
        let own = own.iter().filter_map(|file| parked_of_file(file)).map(str::to_owned);
        let by_lambda = self.bucket.list(BY_LAMBDA).await?;
        let mut by_lambda: Vec<String> =
            by_lambda.iter().map(|path| format!("{BY_LAMBDA}{path}")).filter(|key| !key.ends_with('/')).collect();
        // Shard by shard otherwise: the last part of a key begins with the instant at which Lambda gave up.
        by_lambda.sort_by(|a, b| a.rsplit('/').cmp(b.rsplit('/')));
        Ok(own.chain(by_lambda).collect())
    }

    async fn parked_batch(&self, name: &str) -> Result<Option<Batch>> {
        let Some(key) = self.key_of_parked(name) else { return Ok(None) };
        let Some(bytes) = self.bucket.get(&key, Part::Whole).await? else { return Ok(None) };
        let url = self.bucket.url(&key);
        let batch = if is_lambdas(name) { invocation::batch(&bytes, &url) } else { parked_from_bytes(&bytes, &url) };
        batch.map(Some)
    }

    async fn unpark(&self, name: &str) -> Result<()> {
        match self.key_of_parked(name) {
            Some(key) => self.bucket.remove(&key).await,
            None => Ok(()),
        }
    }
}

impl S3Lake {
    /// What was rejected, `None` where it expired since it was listed.
    async fn read_rejected(&self, key: String) -> Result<Option<Rejected>> {
        let bytes = self.bucket.get(&key, Part::Whole).await?;
        bytes.map(|bytes| rejected_from_bytes(&bytes, &self.bucket.url(&key))).transpose()
    }

    /// The key of a name that was given out; one that leads elsewhere names no batch.
    fn key_of_parked(&self, name: &str) -> Option<String> {
        match is_lambdas(name) {
            true => Some(name.to_owned()),
            false => (!name.contains('/')).then(|| self.parked_key(name)),
        }
    }

    fn parked_key(&self, name: &str) -> String {
        self.bucket.key(&format!("{PARKED}{}", parked_file(name)))
    }
}

/// Whether a parked batch of this name is a record of Lambda's: the name is then its key.
fn is_lambdas(name: &str) -> bool {
    name.starts_with(BY_LAMBDA)
}
