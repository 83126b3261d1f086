//! A stream on Kinesis: the writing end. The reading end is the function's event source.
//!
//! Asks for `kinesis:PutRecords` on the stream, and `kms:GenerateDataKey` where it is encrypted under a key of its
//! owner's.

mod arn;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::put_records::{PutRecordsError, PutRecordsOutput};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::stream::{NewRecord, Stream};
use sha2::{Digest, Sha256};

use super::error::{code, failed, kind_of_code};
use super::pace::Pace;
use crate::memory::locked;
use crate::settings::check_record;

pub use super::pace::WriteShare;
pub use arn::{NotAStream, StreamArn};

/// The most records of one call.
const CALL_RECORDS: usize = 500;

/// The most bytes of one call, data and keys: 5 MB, as it was before Kinesis took more.
const CALL_BYTES: usize = 5_000_000;

/// The most characters of a partition key.
const MAX_KEY_CHARS: usize = 256;

/// How often a record is put, the first time included. A shard counts by the second: the waits reach into the third.
const TRIES: u32 = 5;

/// Before the second try, at most; then twice as long each time.
const WAIT_MS: i64 = 200;

/// A data stream of Kinesis.
///
/// Of a half-failed answer, the records that failed are put again, some times; those that fail to the end are told as
/// throttled or unavailable. A call that failed whole was tried again by the client already, which cannot see a
/// half-failed one: it is told as it is, for each of its records, and the other calls are made all the same. Records of
/// one `append` that are put again come after those that were not.
#[derive(Debug)]
pub struct KinesisStream<C> {
    client: Client,
    arn: StreamArn,
    clock: C,
    /// Where the jitter comes from.
    seed: u64,
    waits: AtomicU64,
    /// Live collection has none.
    pace: Option<Mutex<Pace>>,
}

impl<C: Clock> KinesisStream<C> {
    /// The stream of this name, for live collection: as fast as it can. Two writers with one seed would wait alike.
    pub fn new(client: Client, arn: StreamArn, clock: C, seed: u64) -> Self {
        Self { client, arn, clock, seed, waits: AtomicU64::new(0), pace: None }
    }

    /// The same for replay: takes no more than its share, half as much after each throttled answer, and slowly more again.
    pub fn paced(self, share: WriteShare) -> Self {
        Self { pace: Some(Mutex::new(Pace::new(share))), ..self }
    }

    /// One call: the outcomes in the order of the records, and which of them may be put again.
    async fn put(&self, records: &[&NewRecord]) -> Vec<(Result<()>, bool)> {
        if let Some(pace) = &self.pace {
            let at = locked(pace).admit(self.clock.now(), records.iter().copied());
            self.clock.sleep_until(at).await;
        }
        let entries = records.iter().map(|record| entry(record)).collect();
        let outcomes =
            match self.client.put_records().stream_arn(self.arn.as_str()).set_records(Some(entries)).send().await {
                Ok(output) => outcomes(records.len(), &output).into_iter().map(|outcome| (outcome, true)).collect(),
                Err(error) => {
                    let error = self.refused(records.len(), error);
                    let each = || Err(PortError::new(error.kind, error.chain()));
                    records.iter().map(|_| (each(), false)).collect::<Vec<_>>()
                }
            };
        let throttled = |outcome: &Result<()>| outcome.as_ref().is_err_and(|error| error.kind == Kind::Throttled);
        if let Some(pace) = &self.pace
            && outcomes.iter().any(|(outcome, _)| throttled(outcome))
        {
            locked(pace).throttled(self.clock.now());
        }
        outcomes
    }

    fn refused(&self, records: usize, error: SdkError<PutRecordsError, HttpResponse>) -> PortError {
        let name = self.arn.name();
        // Nothing is wrong with the records: were they rejected, they would be dropped.
        let advice = match code(&error) {
            Some("ResourceNotFoundException") => "there is none with this name: check it against the stack's outputs",
            Some("KMSNotFoundException" | "KMSInvalidStateException" | "KMSOptInRequired") => {
                "its key cannot be used: enable the key, or encrypt the stream under another"
            }
            _ => return failed(format!("put {records} records to stream `{name}`"), error),
        };
        PortError::new(Kind::Denied, format!("find stream `{name}`: {advice}"))
    }

    /// Waits before the next try: between half of the wait and all of it, so that writers that failed together do not
    /// come back together.
    async fn back_off(&self, tried: u32) {
        let half_ms = (WAIT_MS << (tried - 1)) / 2;
        let nth = self.waits.fetch_add(1, Ordering::Relaxed);
        let digest = Sha256::new().chain_update(self.seed.to_be_bytes()).chain_update(nth.to_be_bytes()).finalize();
        let random = i64::from(u16::from_be_bytes([digest[0], digest[1]]));
        let wait_ms = half_ms + half_ms * random / i64::from(u16::MAX);
        self.clock.sleep_until(self.clock.now().plus_ms(wait_ms)).await;
    }

    fn call_limits(&self) -> (usize, usize) {
        match &self.pace {
            Some(pace) => locked(pace).call_limits(),
            None => (CALL_RECORDS, CALL_BYTES),
        }
    }
}

impl<C: Clock> Stream for KinesisStream<C> {
    async fn append(&self, records: &[NewRecord]) -> Result<Vec<Result<()>>> {
        let mut all: Vec<Result<()>> = records.iter().map(check).collect();
        let mut left: Vec<usize> = (0..records.len()).filter(|index| all[*index].is_ok()).collect();
        for tried in 0..TRIES {
            if left.is_empty() {
                break;
            }
            if tried > 0 {
                self.back_off(tried).await;
            }
            let calls = calls(records, &left, self.call_limits());
            left.clear();
            for call in calls {
                let taken: Vec<&NewRecord> = call.iter().map(|index| &records[*index]).collect();
                for (index, (outcome, again)) in call.into_iter().zip(self.put(&taken).await) {
                    if outcome.is_err() && again {
                        left.push(index);
                    }
                    all[index] = outcome;
                }
            }
        }
        Ok(all)
    }
}

/// Whether Kinesis takes the record: one that it does not would cost the others of its call.
fn check(record: &NewRecord) -> Result<()> {
    check_record(record)?;
    match record.partition_key.chars().count() {
        1..=MAX_KEY_CHARS => Ok(()),
        chars => {
            let what = format!("append record: its key has not 1 to {MAX_KEY_CHARS} characters: {chars}");
            Err(PortError::new(Kind::Rejected, what))
        }
    }
}

/// The records with these places, in calls within the limits of records and bytes; one larger record has its own.
fn calls(records: &[NewRecord], places: &[usize], (most_records, most_bytes): (usize, usize)) -> Vec<Vec<usize>> {
    let mut calls: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for &index in places {
        bytes += records[index].bytes();
        match calls.last_mut() {
            Some(call) if call.len() < most_records && bytes <= most_bytes => call.push(index),
            _ => {
                bytes = records[index].bytes();
                calls.push(vec![index]);
            }
        }
    }
    calls
}

fn entry(record: &NewRecord) -> PutRecordsRequestEntry {
    let entry = PutRecordsRequestEntry::builder().partition_key(&record.partition_key);
    entry.data(Blob::new(record.data.clone())).build().expect("an entry has data and a key")
}

/// The outcomes in the order of the records, which is the answer's.
fn outcomes(records: usize, output: &PutRecordsOutput) -> Vec<Result<()>> {
    let untold = || Err(PortError::new(Kind::Unavailable, "append record: the answer does not tell of it"));
    let told = output.records().iter().map(outcome);
    told.chain(std::iter::repeat_with(untold)).take(records).collect()
}

fn outcome(entry: &PutRecordsResultEntry) -> Result<()> {
    let Some(code) = entry.error_code() else {
        return Ok(());
    };
    let kind = kind_of_code(code).unwrap_or(Kind::Unavailable);
    let message = entry.error_message().unwrap_or("no reason given");
    Err(PortError::new(kind, format!("append record: {code}: {message}")))
}

#[cfg(test)]
mod tests;
