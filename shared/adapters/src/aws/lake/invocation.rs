//! What Lambda keeps of a batch that it gave up: the object its on-failure destination for a Kinesis event source writes.
//!
//! A JSON object with what became of the invocation, `KinesisBatchInfo`, and in `payload` the whole event, as text. The key
//! is `aws/lambda/<mapping's id>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<random id>`. Source: the Lambda developer guide,
//! "Retain discarded batch records for a Kinesis Data Streams event source in Lambda".

use mendlake_ports::stream::Batch;
use mendlake_ports::{Kind, PortError, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::aws::records::Records;

/// Reads the batch of a record of Lambda's.
pub(super) fn batch(bytes: &[u8], url: &str) -> Result<Batch> {
    let corrupt = |why: &str| {
        let what = format!("read `{url}`: {why}; where it is none of this lake's, move it away");
        PortError::new(Kind::Corrupt, what)
    };
    let record: Invocation = serde_json::from_slice(bytes)
        .map_err(|error| PortError::caused(Kind::Corrupt, format!("read `{url}` as a batch Lambda gave up"), error))?;
    if record.batch_info.is_none() {
        return Err(corrupt("it is of no Kinesis stream"));
    }
    let records = match record.payload {
        None => return Err(corrupt("it holds no records, only where they were")),
        Some(Payload::Event(records)) => records,
        Some(Payload::Text(text)) => serde_json::from_str(&text)
            .map_err(|error| PortError::caused(Kind::Corrupt, format!("read the payload of `{url}`"), error))?,
    };
    records.batch().map_err(|error| PortError::caused(Kind::Corrupt, format!("read the payload of `{url}`"), error))
}

#[derive(Deserialize)]
struct Invocation {
    #[serde(rename = "KinesisBatchInfo")]
    batch_info: Option<IgnoredAny>,
    payload: Option<Payload>,
}

/// AWS's page says text; its stand-ins write the event itself.
#[derive(Deserialize)]
#[serde(untagged)]
enum Payload {
    Text(String),
    Event(Records),
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::aws::records::tests::event;

    /// A record as AWS's page shows it, with this payload.
    pub(crate) fn record(payload: Option<Value>) -> Vec<u8> {
        let mut record = json!({
            "requestContext": {
                "requestId": "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",
                "functionArn": "arn:aws:lambda:us-east-1:111122223333:function:land",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 1,
            },
            "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
            "version": "1.0",
            "timestamp": "2026-11-20T20:30:02.021Z",
            "KinesisBatchInfo": {
                "shardId": "shardId-000000000006",
                "startSequenceNumber": "4954",
                "endSequenceNumber": "4955",
                "approximateArrivalOfFirstRecord": "2026-11-20T14:30:01.678Z",
                "approximateArrivalOfLastRecord": "2026-11-20T14:30:01.678Z",
                "batchSize": 2,
                "streamArn": "arn:aws:kinesis:us-east-1:111122223333:stream/lambda-stream",
            },
        });
        if let Some(payload) = payload {
            record["payload"] = payload;
        }
        record.to_string().into_bytes()
    }

    fn both() -> Value {
        event(&["shardId-000000000006:4954", "shardId-000000000006:4955"])
    }

    #[test]
    fn the_batch_is_the_one_that_land_was_given() {
        let given: Records = serde_json::from_value(both()).expect("an event");
        let given = given.batch().expect("a batch");
        for payload in [Value::String(both().to_string()), both()] {
            assert_eq!(batch(&record(Some(payload)), "s3://lake/x").expect("a batch"), given);
        }
        assert_eq!(given.records.len(), 2);
    }

    #[test]
    fn what_holds_no_batch_is_corrupt_and_named() {
        let of_another_service = json!({ "DDBStreamBatchInfo": {}, "payload": both().to_string() });
        let wrong = [
            b"no JSON".to_vec(),
            record(None),
            record(Some(Value::String("half".into()))),
            record(Some(json!({ "Records": [] }))),
            of_another_service.to_string().into_bytes(),
        ];
        for bytes in wrong {
            let error = batch(&bytes, "s3://lake/x").expect_err("no batch");
            assert!(error.kind == Kind::Corrupt && error.chain().contains("`s3://lake/x`"), "{}", error.chain());
        }
    }
}
