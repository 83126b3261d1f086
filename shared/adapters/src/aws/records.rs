//! The event in which Lambda hands over records of one shard of a Kinesis stream: what `land` gets, and what Lambda keeps of a
//! batch that it gave up.
//!
//! Own types: these are few fields, their absence is an error that names them, and a record's arrival keeps its
//! milliseconds. Source: the Lambda developer guide, "Using Lambda to process records from Amazon Kinesis Data Streams".

use mendlake_domain::minute::Timestamp;
use mendlake_ports::stream::{Batch, StreamRecord};
use serde::{Deserialize, Deserializer};

/// Records of one shard.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Records {
    /// At least one, oldest first.
    #[serde(rename = "Records")]
    pub records: Vec<ShardRecord>,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ShardRecord {
    /// `shardId-000000000000:<sequence number>`.
    #[serde(rename = "eventID")]
    pub event_id: String,
    /// The stream's.
    #[serde(rename = "eventSourceARN")]
    pub stream_arn: String,
    /// The record itself.
    pub kinesis: Kinesis,
}

/// What the stream has of a record.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kinesis {
    /// Spreads records over shards.
    pub partition_key: String,
    /// Its place in its shard.
    pub sequence_number: String,
    /// Base64.
    pub data: String,
    /// When the stream accepted it.
    #[serde(rename = "approximateArrivalTimestamp", deserialize_with = "epoch_seconds")]
    pub arrived_at: Timestamp,
}

/// Why an event is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// An event without records, or with records of two shards: no event source sends one.
    #[error("not an event of one shard of a stream: {0}")]
    NotOneShard(String),
}

impl Records {
    /// The batch. A record whose data is no Base64 keeps its text: it is set aside as what it is.
    ///
    /// The stream's id is a digest of its ARN: the template leaves the stream unnamed, so that CloudFormation mints a name
    /// when it makes one, and a stream made anew never has the id of one before it.
    pub fn batch(&self) -> Result<Batch, EventError> {
        let Some(first) = self.records.first() else {
            return Err(EventError::NotOneShard("it has no records".into()));
        };
        let shard = first.shard().to_owned();
        let is_other = |record: &&ShardRecord| record.shard() != shard || record.stream_arn != first.stream_arn;
        if let Some(other) = self.records.iter().find(is_other) {
            return Err(EventError::NotOneShard(format!("`{}` beside `{}`", other.event_id, first.event_id)));
        }
        let stream_id = mendlake_domain::digest::short(first.stream_arn.as_bytes());
        Ok(Batch { stream_id, shard, records: self.records.iter().map(ShardRecord::record).collect() })
    }
}

impl ShardRecord {
    fn shard(&self) -> &str {
        let shard = self.event_id.split(':').next().unwrap_or_default();
        shard.rsplit('-').next().unwrap_or_default()
    }

    fn record(&self) -> StreamRecord {
        let Kinesis { partition_key, sequence_number, data, arrived_at } = self.kinesis.clone();
        let data = aws_smithy_types::base64::decode(&data).unwrap_or_else(|_| data.into_bytes());
        StreamRecord { sequence: sequence_number, arrived_at, partition_key, data }
    }
}

/// Epoch seconds with a fraction, as Kinesis tells them, to the millisecond.
fn epoch_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    if !(0.0..1e11).contains(&seconds) {
        return Err(serde::de::Error::custom(format!("no epoch seconds: {seconds}")));
    }
    Ok(Timestamp::from_epoch_ms((seconds * 1000.0).round() as i64))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An event of these records.
    pub(crate) fn event(event_ids: &[&str]) -> serde_json::Value {
        let record = |id: &&str| {
            serde_json::json!({
                "kinesis": {
                    "kinesisSchemaVersion": "1.0", "partitionKey": "SPY",
                    "sequenceNumber": id.split(':').next_back(),
                    "data": "eyJ2IjoxfQ==", "approximateArrivalTimestamp": 1_795_185_001.678,
                },
                "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": id, "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::111122223333:role/land", "awsRegion": "us-east-1",
                "eventSourceARN": "arn:aws:kinesis:us-east-1:111122223333:stream/lambda-stream",
            })
        };
        let records: Vec<_> = event_ids.iter().map(record).collect();
        serde_json::json!({ "Records": records })
    }

    fn records(event_ids: &[&str]) -> Records {
        serde_json::from_value(event(event_ids)).expect("an event")
    }

    #[test]
    fn a_stream_event_is_a_batch_of_its_shard_with_milliseconds() {
        let batch = records(&["shardId-000000000006:4954", "shardId-000000000006:4955"]).batch().expect("one shard");
        assert_eq!((batch.shard.as_str(), batch.records.len()), ("000000000006", 2));
        assert_eq!(batch.records[0].data, b"{\"v\":1}");
        assert_eq!(batch.records[0].arrived_at.epoch_ms(), 1_795_185_001_678);
        assert!(!batch.stream_id.is_empty());
    }

    #[test]
    fn an_event_of_two_shards_or_of_none_is_refused() {
        for ids in [&["shardId-000000000006:1", "shardId-000000000007:1"][..], &[]] {
            assert!(records(ids).batch().is_err(), "{ids:?}");
        }
    }

    #[test]
    fn data_that_is_no_base64_is_kept_to_be_set_aside() {
        let mut event = records(&["shardId-000000000006:1"]);
        event.records[0].kinesis.data = "not base64!".into();
        assert_eq!(event.batch().expect("a batch").records[0].data, b"not base64!");
    }
}
