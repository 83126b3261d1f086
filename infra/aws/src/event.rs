//! The events AWS sends, as far as they are read, and the answers it takes.
//!
//! Own types: these are few fields, and their absence is an error that names them. Records of a stream are read by the
//! adapters, which read them in parked batches too. Source: the Lambda developer guide's pages on each event source.

use mendlake_domain::minute::Timestamp;
use serde::{Deserialize, Serialize};

/// What the minute's schedule sends.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tick {
    /// The instant it was scheduled for, whenever it comes.
    pub time: Timestamp,
}

/// Messages of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Messages {
    /// At least one.
    #[serde(rename = "Records")]
    pub records: Vec<QueueMessage>,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueMessage {
    /// Names it in the answer.
    pub message_id: String,
    /// Its text.
    pub body: String,
}

/// What of a batch is to be delivered again; empty where all is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failures {
    /// By message id, or the lowest sequence number from which on a shard is to be read again.
    pub batch_item_failures: Vec<Failure>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The message's id, or the record's sequence number.
    pub item_identifier: String,
}

impl Failures {
    /// These are to be delivered again.
    pub fn of(identifiers: impl IntoIterator<Item = String>) -> Self {
        let failure = |item_identifier| Failure { item_identifier };
        Self { batch_item_failures: identifiers.into_iter().map(failure).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_named_as_event_sources_want_them() {
        let json = serde_json::to_value(Failures::of(["a".to_owned()])).expect("json");
        assert_eq!(json, serde_json::json!({ "batchItemFailures": [{ "itemIdentifier": "a" }] }));
        let none = serde_json::to_value(Failures::default()).expect("json");
        assert_eq!(none, serde_json::json!({ "batchItemFailures": [] }));
    }
}
