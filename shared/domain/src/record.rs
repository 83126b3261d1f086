//! The stream record: newline-delimited JSON, one row a line, `"v":1` first.

use serde::{Deserialize, Serialize};

use crate::quote::Row;

/// The version every line begins with.
pub const VERSION: u32 = 1;

/// The largest record of a replay while a session is open: small, so that it never delays a live record.
pub const MAX_IN_SESSION_BYTES: usize = 64 * 1024;

/// The largest record of a replay otherwise.
pub const MAX_BYTES: usize = 256 * 1024;

#[derive(Serialize)]
struct LineOut<'a> {
    v: u32,
    #[serde(flatten)]
    row: &'a Row,
}

#[derive(Deserialize)]
struct VersionOnly {
    v: u32,
}

/// Writes rows as one record. An empty slice gives an empty record.
pub fn encode(rows: &[Row]) -> Vec<u8> {
    rows.iter().flat_map(line).collect()
}

/// Writes rows as as few records as fit `max_bytes` each, in order. A single row is never split.
pub fn pack(rows: &[Row], max_bytes: usize) -> Vec<Vec<u8>> {
    let mut records: Vec<Vec<u8>> = Vec::new();
    for line in rows.iter().map(line) {
        match records.last_mut() {
            Some(record) if record.len() + line.len() <= max_bytes => record.extend(line),
            _ => records.push(line),
        }
    }
    records
}

fn line(row: &Row) -> Vec<u8> {
    let mut line = serde_json::to_vec(&LineOut { v: VERSION, row }).expect("a row is JSON: its keys are text");
    line.push(b'\n');
    line
}

/// What a record held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// Rows of the lines that could be read, in order.
    pub rows: Vec<Row>,
    /// Lines that could not. Where there are any, the record is set aside whole, beside landing what could be read.
    pub rejected: Vec<RejectedLine>,
}

/// A line that is no row of a known version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {number}: {reason}")]
pub struct RejectedLine {
    /// Counted from 1.
    pub number: usize,
    /// Why; holds no part of the line.
    pub reason: String,
}

/// Reads a record. Never fails: what cannot be read is returned as such. A record without any line is rejected too.
pub fn decode(record: &[u8]) -> Decoded {
    decode_admitting(record, |_| Ok(()))
}

/// Reads a record, and rejects rows that are not admitted, with the reason given.
pub fn decode_admitting(record: &[u8], admit: impl Fn(&Row) -> Result<(), String>) -> Decoded {
    let mut decoded = Decoded::default();
    let lines = record.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    for (index, line) in lines {
        match decode_line(line).and_then(|row| admit(&row).map(|()| row)) {
            Ok(row) => decoded.rows.push(row),
            Err(reason) => decoded.rejected.push(RejectedLine { number: index + 1, reason }),
        }
    }
    if decoded.rows.is_empty() && decoded.rejected.is_empty() {
        decoded.rejected.push(RejectedLine { number: 1, reason: "the record is empty".into() });
    }
    decoded
}

fn decode_line(line: &[u8]) -> Result<Row, String> {
    let not_json = |error: serde_json::Error| match error.classify() {
        serde_json::error::Category::Data => format!("not a row: {error}"),
        _ => format!("not JSON: column {}", error.column()),
    };
    let VersionOnly { v } = serde_json::from_slice(line).map_err(not_json)?;
    if v != VERSION {
        return Err(format!("record version {v} is not {VERSION}, the one this release reads"));
    }
    serde_json::from_slice(line).map_err(not_json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::minute::{Minute, Timestamp};
    use crate::quote::{Basis, Day, Price};

    fn row(index: i64) -> Row {
        Row {
            symbol: "AAPL".parse().expect("symbol"),
            minute: Minute::from_index(29_919_750 + index),
            price: Price::new(308.82).expect("price"),
            basis: Basis::Quote,
            source: "finnhub".parse().expect("source"),
            traded_at: Some(Timestamp::from_epoch_ms(1_795_184_999_000)),
            day: Day { open: Price::new(306.12), ..Day::default() },
            observed_at: Timestamp::from_epoch_ms(1_795_185_001_600),
            revision: 0,
        }
    }

    /// The golden line of version 1: it must stay readable for ever.
    const GOLDEN: &str = concat!(
        r#"{"v":1,"symbol":"AAPL","minute":"2026-11-20T14:30:00Z","price":308.82,"basis":"quote","source":"finnhub","#,
        r#""traded_at":"2026-11-20T14:29:59.000Z","day_open":306.12,"day_high":null,"day_low":null,"prev_close":null,"#,
        r#""observed_at":"2026-11-20T14:30:01.600Z","revision":0}"#,
        "\n"
    );

    #[test]
    fn the_golden_line_is_written_and_read() {
        assert_eq!(String::from_utf8(encode(&[row(0)])).expect("text"), GOLDEN);
        assert_eq!(decode(GOLDEN.as_bytes()), Decoded { rows: vec![row(0)], rejected: vec![] });
    }

    #[test]
    fn records_are_packed_to_the_limit_and_keep_their_order() {
        let rows: Vec<Row> = (0..10).map(row).collect();
        let records = pack(&rows, GOLDEN.len() * 3);
        assert_eq!(records.iter().map(|r| decode(r).rows.len()).collect::<Vec<_>>(), [3, 3, 3, 1]);
        assert_eq!(records.iter().flat_map(|r| decode(r).rows).collect::<Vec<_>>(), rows);
        assert_eq!(pack(&rows, 1).len(), 10, "a row is never split");
    }

    #[test]
    fn a_bad_line_is_named_and_the_good_ones_are_kept() {
        let record = format!("{GOLDEN}{{\"v\":2}}\nnot json\n{}{GOLDEN}", GOLDEN.replace("308.82", "0"));
        let decoded = decode(record.as_bytes());
        assert_eq!(decoded.rows.len(), 2);
        assert_eq!(decoded.rejected.iter().map(|r| r.number).collect::<Vec<_>>(), [2, 3, 4]);
        assert!(decoded.rejected[0].reason.contains("record version 2"));
        assert!(decoded.rejected[2].reason.contains("not a price above zero"), "{}", decoded.rejected[2].reason);
    }

    #[test]
    fn a_row_that_is_not_admitted_is_named_by_its_own_line() {
        let record = format!("not json\n{GOLDEN}{GOLDEN}");
        let decoded = decode_admitting(record.as_bytes(), |_| Err("not today".into()));
        assert!(decoded.rows.is_empty());
        assert_eq!(decoded.rejected.iter().map(|r| r.number).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn an_empty_record_and_bytes_that_are_no_text_are_rejected() {
        assert_eq!(decode(b"").rejected.len(), 1);
        assert_eq!(decode(&[0xff, 0xfe]).rejected.len(), 1);
    }
}
