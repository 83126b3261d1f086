//! The stored forms of what was set aside: rejected input, parked batches. JSON, one object each.

use chrono::NaiveDate;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::set_aside::Rejected;
use mendlake_ports::stream::{Batch, StreamRecord};
use mendlake_ports::{Kind, PortError, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::digest;

/// The version both forms begin with.
const VERSION: u32 = 1;

/// How names end.
const EXTENSION: &str = ".json";

/// The date of the folder rejected input belongs into, and its name there. The same input of one origin and id has one
/// name; its time and reason have no part in it.
pub fn rejected_name(rejected: &Rejected) -> (NaiveDate, String) {
    let mut identity = Vec::new();
    for part in [rejected.origin.as_bytes(), rejected.id.as_bytes(), &rejected.input] {
        identity.extend((part.len() as u64).to_le_bytes());
        identity.extend(part);
    }
    (rejected.at.date(), format!("{}{EXTENSION}", digest::of_bytes(&identity)))
}

/// Rejected input as it is stored.
pub fn rejected_to_bytes(rejected: &Rejected) -> Vec<u8> {
    let Rejected { at, origin, id, reason, input } = rejected.clone();
    to_bytes(&RejectedForm { v: VERSION, at, origin, id, reason, input: input.into() })
}

/// Reads rejected input stored under this name.
pub fn rejected_from_bytes(bytes: &[u8], name: &str) -> Result<Rejected> {
    let form: RejectedForm = parse(bytes, name)?;
    let input = form.input.into_bytes().ok_or_else(|| not_hex(name))?;
    Ok(Rejected { at: form.at, origin: form.origin, id: form.id, reason: form.reason, input })
}

/// The name a batch is parked under, the same for the same batch. In the order of names the oldest comes first: they
/// begin with the arrival of the first record, in milliseconds since the epoch.
pub fn parked_name(batch: &Batch) -> String {
    let arrived_ms = batch.records.first().map_or(0, |record| record.arrived_at.epoch_ms().max(0));
    format!("{arrived_ms:015}-{}", digest::of_bytes(&parked_to_bytes(batch, "")))
}

/// The file name of a parked batch's name.
pub fn parked_file(name: &str) -> String {
    format!("{name}{EXTENSION}")
}

/// The name of the parked batch in this file; `None` where it is none.
pub fn parked_of_file(file: &str) -> Option<&str> {
    file.strip_suffix(EXTENSION)
}

/// A batch as it is stored.
pub fn parked_to_bytes(batch: &Batch, reason: &str) -> Vec<u8> {
    let record = |record: &StreamRecord| RecordForm {
        sequence: record.sequence.clone(),
        arrived_at: record.arrived_at,
        partition_key: record.partition_key.clone(),
        data: record.data.clone().into(),
    };
    to_bytes(&ParkedForm {
        v: VERSION,
        reason: reason.to_owned(),
        stream_id: batch.stream_id.clone(),
        shard: batch.shard.clone(),
        records: batch.records.iter().map(record).collect(),
    })
}

/// Reads a batch stored under this name.
pub fn parked_from_bytes(bytes: &[u8], name: &str) -> Result<Batch> {
    let form: ParkedForm = parse(bytes, name)?;
    let record = |record: RecordForm| {
        let RecordForm { sequence, arrived_at, partition_key, data } = record;
        let data = data.into_bytes().ok_or_else(|| not_hex(name))?;
        Ok(StreamRecord { sequence, arrived_at, partition_key, data })
    };
    let records = form.records.into_iter().map(record).collect::<Result<_>>()?;
    Ok(Batch { stream_id: form.stream_id, shard: form.shard, records })
}

#[derive(Serialize, Deserialize)]
struct RejectedForm {
    v: u32,
    at: Timestamp,
    origin: String,
    id: String,
    reason: String,
    input: BytesForm,
}

#[derive(Serialize, Deserialize)]
struct ParkedForm {
    v: u32,
    reason: String,
    stream_id: String,
    shard: String,
    records: Vec<RecordForm>,
}

#[derive(Serialize, Deserialize)]
struct RecordForm {
    sequence: String,
    arrived_at: Timestamp,
    partition_key: String,
    data: BytesForm,
}

/// Bytes in JSON. Almost all of them are text, and a person reads them: only what is no text is in hexadecimal.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BytesForm {
    Text(String),
    Hex(String),
}

impl From<Vec<u8>> for BytesForm {
    fn from(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Hex(error.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}

impl BytesForm {
    fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.into_bytes()),
            Self::Hex(hex) if hex.len() % 2 == 0 && hex.is_ascii() => {
                (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
            }
            Self::Hex(_) => None,
        }
    }
}

fn to_bytes(form: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(form).expect("the form is JSON: its keys are text");
    bytes.push(b'\n');
    bytes
}

fn parse<T: DeserializeOwned>(bytes: &[u8], name: &str) -> Result<T> {
    #[derive(Deserialize)]
    struct VersionOnly {
        v: u32,
    }
    let corrupt = |error| PortError::caused(Kind::Corrupt, format!("read `{name}`"), error);
    let VersionOnly { v } = serde_json::from_slice(bytes).map_err(corrupt)?;
    if v > VERSION {
        let what = format!("read `{name}`: its version {v} is newer than {VERSION}, use the newer release");
        return Err(PortError::new(Kind::Rejected, what));
    }
    serde_json::from_slice(bytes).map_err(corrupt)
}

fn not_hex(name: &str) -> PortError {
    PortError::new(Kind::Corrupt, format!("read `{name}`: not hexadecimal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(input: &[u8]) -> Rejected {
        Rejected {
            at: Timestamp::from_epoch_s(1_795_185_000),
            origin: "stream".into(),
            id: "0/17".into(),
            reason: "line 1: not JSON".into(),
            input: input.to_vec(),
        }
    }

    fn batch(data: &[u8]) -> Batch {
        let record = StreamRecord {
            sequence: "17".into(),
            arrived_at: Timestamp::from_epoch_s(1_795_185_000),
            partition_key: "AAPL".into(),
            data: data.to_vec(),
        };
        Batch { stream_id: "4f2c".into(), shard: "0".into(), records: vec![record] }
    }

    #[test]
    fn text_stays_text_and_other_bytes_come_back_too() {
        for input in [&b""[..], b"{\"v\":1}\n", b"\xff\x00\x7f", "ö".as_bytes()] {
            let bytes = rejected_to_bytes(&rejected(input));
            assert_eq!(rejected_from_bytes(&bytes, "x").expect("reads back"), rejected(input));
            let bytes = parked_to_bytes(&batch(input), "why");
            assert_eq!(parked_from_bytes(&bytes, "x").expect("reads back"), batch(input));
        }
        assert!(String::from_utf8(rejected_to_bytes(&rejected(b"abc"))).expect("text").contains(r#"{"text":"abc"}"#));
    }

    #[test]
    fn a_newer_form_is_refused_and_a_broken_one_is_corrupt() {
        let newer = parked_from_bytes(br#"{"v":2}"#, "the-name").expect_err("newer");
        assert!(newer.kind == Kind::Rejected && newer.chain().contains("use the newer release"), "{newer}");
        let whole = rejected_to_bytes(&rejected(b"\xff"));
        let odd = String::from_utf8(whole.clone()).expect("text").replace("\"ff\"", "\"f\"").into_bytes();
        for bytes in [&whole[..whole.len() / 2], b"", &odd] {
            let error = rejected_from_bytes(bytes, "the-name").expect_err("broken");
            assert!(error.kind == Kind::Corrupt && error.chain().contains("`the-name`"), "{}", error.chain());
        }
    }

    #[test]
    fn names_tell_inputs_and_batches_apart_and_sort_by_age() {
        let first = rejected(b"a");
        let later = Rejected { at: first.at.plus_s(60), reason: "other".into(), ..first.clone() };
        assert_eq!(rejected_name(&first), rejected_name(&later));
        assert_ne!(rejected_name(&first), rejected_name(&rejected(b"b")));
        assert_ne!(rejected_name(&first), rejected_name(&Rejected { id: "0/18".into(), ..first.clone() }));
        let mut later = batch(b"a");
        later.records[0].arrived_at = Timestamp::from_epoch_s(11_795_185_000);
        assert!(parked_name(&batch(b"a")) < parked_name(&later));
        assert_ne!(parked_name(&batch(b"a")), parked_name(&batch(b"b")));
    }
}
