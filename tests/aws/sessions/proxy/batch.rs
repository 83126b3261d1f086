//! Batches on their way: entries taken out and told as refused, delays taken off.

use bytes::Bytes;
use serde_json::{Value, json};

use super::asked::{Asked, Service};

/// A batch of which only some entries are sent on.
pub(super) struct Halved {
    /// What is sent on; `None` where nothing is left.
    pub(super) sent: Option<Bytes>,
    request: Value,
    refused: Vec<bool>,
}

/// Where an operation has its entries.
fn entries_of(asked: &Asked) -> &'static str {
    match (asked.service, asked.operation.as_str()) {
        (Service::Kinesis, "PutRecords") => "Records",
        (Service::Sqs, "SendMessageBatch") => "Entries",
        _ => panic!("`{}` is no batch that fails by halves", asked.operation),
    }
}

/// Takes entries out of a batch.
pub(super) fn halve(asked: &Asked, body: &Bytes, refuses: impl Fn() -> bool) -> Halved {
    let field = entries_of(asked);
    let request: Value = serde_json::from_slice(body).expect("the SDK sends JSON");
    let entries = request[field].as_array().expect("a batch has entries");
    let refused: Vec<bool> = entries.iter().map(|_| refuses()).collect();
    let left: Vec<&Value> = entries.iter().zip(&refused).filter(|(_, refused)| !**refused).map(|(e, _)| e).collect();
    let mut sent = request.clone();
    sent[field] = json!(left);
    let sent = (!left.is_empty()).then(|| Bytes::from(sent.to_string()));
    Halved { sent, request, refused }
}

impl Halved {
    /// The answer with what was refused in it. `told` is what the service said of the rest.
    pub(super) fn answer(&self, asked: &Asked, told: Option<&Value>) -> Value {
        match asked.service {
            Service::Kinesis => self.of_records(told),
            _ => self.of_messages(told),
        }
    }

    /// In the order of the records.
    fn of_records(&self, told: Option<&Value>) -> Value {
        let mut taken = told.and_then(|told| told["Records"].as_array()).into_iter().flatten().cloned();
        let refusal = || json!({ "ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "told to" });
        let outcome = |refused: &bool| if *refused { refusal() } else { taken.next().unwrap_or_else(refusal) };
        let records: Vec<Value> = self.refused.iter().map(outcome).collect();
        let failed = records.iter().filter(|record| record.get("ErrorCode").is_some()).count();
        json!({ "FailedRecordCount": failed, "Records": records })
    }

    /// By their ids.
    fn of_messages(&self, told: Option<&Value>) -> Value {
        let entries = self.request["Entries"].as_array().into_iter().flatten();
        let refused = entries.zip(&self.refused).filter(|(_, refused)| **refused);
        let refusal = |id: &Value| json!({ "Id": id, "SenderFault": false, "Code": "InternalError" });
        let failed: Vec<Value> = refused.map(|(entry, _)| refusal(&entry["Id"])).collect();
        let successful = told.map_or_else(|| json!([]), |told| told["Successful"].clone());
        json!({ "Successful": successful, "Failed": failed })
    }
}

/// Messages without their delays, which are another time's; and the delays by entry, in milliseconds.
pub(super) fn undelayed(body: &Bytes) -> (Bytes, Vec<(String, i64)>) {
    let mut request: Value = serde_json::from_slice(body).expect("the SDK sends JSON");
    let mut delays = Vec::new();
    for entry in request["Entries"].as_array_mut().into_iter().flatten() {
        let id = entry["Id"].as_str().unwrap_or_default().to_owned();
        let entry = entry.as_object_mut().expect("an entry");
        let delay_s = entry.remove("DelaySeconds").and_then(|delay| delay.as_i64()).unwrap_or(0);
        delays.push((id, delay_s * 1_000));
    }
    (Bytes::from(request.to_string()), delays)
}
