//! What the footer of an object of `quotes` says: which minutes of which symbols it holds, without reading a column.

use std::collections::BTreeMap;
use std::future::Future;

use mendlake_domain::coverage::{Coverage, Held, MinuteSet};
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::Basis;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::{Kind, PortError, Result};
use serde::{Deserialize, Serialize};

use super::object::{self, Metadata, TRAILER_BYTES, corrupt};
use super::quotes::TABLE;

/// Read at once from the end of an object: the footer of an object of 500 symbols and an hour fits.
const FIRST_READ_BYTES: usize = 64 * 1024;

const DIGEST_KEY: &str = "mendlake.digest";
const COVERAGE_KEY: &str = "mendlake.coverage";

/// What a footer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// The digest of the object's rows.
    pub digest: String,
    /// How many rows it holds.
    pub rows: u64,
    /// Which minutes it holds, by symbol: a mask an hour for each basis, for suspects and for revised minutes.
    pub coverage: Coverage,
}

/// An object whose end can be read: a file, or an object in a bucket by a GET of its last bytes.
pub trait Tail: Send + Sync {
    /// Names the object in errors.
    fn name(&self) -> &str;

    /// The last `bytes` bytes, or all of it where it has no more.
    fn tail(&self, bytes: usize) -> impl Future<Output = Result<Vec<u8>>> + Send;
}

/// Reads an object's footer: one read of its end, two where the footer is longer than most.
pub async fn read(object: &impl Tail) -> Result<Footer> {
    let name = object.name();
    let mut tail = object.tail(FIRST_READ_BYTES).await?;
    let no_file = || corrupt(name, "it does not end as a Parquet file does");
    let wanted = object::footer_len(&tail).ok_or_else(no_file)? + TRAILER_BYTES;
    if wanted > tail.len() {
        tail = object.tail(wanted).await?;
    }
    let start = tail.len().checked_sub(wanted).ok_or_else(no_file)?;
    parse(&Metadata::read(&tail[start..tail.len() - TRAILER_BYTES], TABLE, name)?, name)
}

/// The footer in an object's metadata.
pub(super) fn parse(metadata: &Metadata, name: &str) -> Result<Footer> {
    let masks: Masks = serde_json::from_str(metadata.value(COVERAGE_KEY, name)?)
        .map_err(|error| PortError::caused(Kind::Corrupt, format!("read the masks of `{name}`"), error))?;
    Ok(Footer {
        digest: metadata.value(DIGEST_KEY, name)?.to_owned(),
        rows: metadata.rows,
        coverage: coverage(masks).ok_or_else(|| corrupt(name, "its footer has a mask that is none"))?,
    })
}

/// The metadata that holds a footer.
pub(super) fn to_metadata(digest: &str, coverage: &Coverage) -> [(&'static str, String); 2] {
    let masks = serde_json::to_string(&masks(coverage)).expect("masks are JSON: their keys are text");
    [(DIGEST_KEY, digest.to_owned()), (COVERAGE_KEY, masks)]
}

/// First minute of an hour → symbol → masks. By hour first: most objects have one hour and many symbols.
type Masks = BTreeMap<Minute, BTreeMap<Symbol, HourMasks>>;

/// The masks of one symbol and hour, hexadecimal, bit 0 the hour's first minute; empty ones are left out.
#[derive(Default, Serialize, Deserialize)]
struct HourMasks {
    #[serde(flatten)]
    by_basis: BTreeMap<Basis, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    suspect: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revised: Option<String>,
}

fn masks(coverage: &Coverage) -> Masks {
    let mut masks = Masks::new();
    let hex = |mask: u64| format!("{mask:x}");
    for (symbol, held) in &coverage.0 {
        let mut put = |set: &MinuteSet, put: &dyn Fn(&mut HourMasks, String)| {
            for (hour, mask) in set.masks() {
                put(masks.entry(hour.minute(0)).or_default().entry(symbol.clone()).or_default(), hex(mask));
            }
        };
        for (basis, set) in &held.by_basis {
            put(set, &|hour, mask| drop(hour.by_basis.insert(*basis, mask)));
        }
        put(&held.suspect, &|hour, mask| hour.suspect = Some(mask));
        put(&held.revised, &|hour, mask| hour.revised = Some(mask));
    }
    masks
}

fn coverage(masks: Masks) -> Option<Coverage> {
    let mut coverage = Coverage::default();
    for (first, symbols) in masks {
        for (symbol, hour) in symbols {
            let held: &mut Held = coverage.0.entry(symbol).or_default();
            for (basis, mask) in hour.by_basis {
                held.by_basis.entry(basis).or_default().extend_set(&set(first, &mask)?);
            }
            held.suspect.extend_set(&set(first, hour.suspect.as_deref().unwrap_or("0"))?);
            held.revised.extend_set(&set(first, hour.revised.as_deref().unwrap_or("0"))?);
        }
    }
    Some(coverage)
}

fn set(first: Minute, mask: &str) -> Option<MinuteSet> {
    let mask = u64::from_str_radix(mask, 16).ok()?;
    (first.of_hour() == 0 && mask >> 60 == 0).then(|| MinuteSet::of_hour(first.hour(), mask))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::object::tests::{altered, metadata_of};
    use super::*;
    use crate::parquet::quotes;
    use crate::stored::quotes::prepare;
    use crate::stored::quotes::tests::{healed, object, row};

    /// An object of which each read of the end is noted.
    struct Noted {
        bytes: Vec<u8>,
        reads: Mutex<Vec<usize>>,
    }

    impl Tail for Noted {
        fn name(&self) -> &str {
            "the-name"
        }

        async fn tail(&self, bytes: usize) -> Result<Vec<u8>> {
            self.reads.lock().expect("one thread").push(bytes);
            Ok(self.bytes[self.bytes.len().saturating_sub(bytes)..].to_vec())
        }
    }

    async fn footer_of(bytes: Vec<u8>) -> (Result<Footer>, Vec<usize>) {
        let object = Noted { bytes, reads: Mutex::default() };
        let footer = read(&object).await;
        (footer, object.reads.into_inner().expect("one thread"))
    }

    fn rows() -> Vec<mendlake_domain::quote::StoredRow> {
        let mut suspect = row("B", 31);
        suspect.row.traded_at = Some(suspect.row.minute.start().plus_s(-600));
        vec![
            row("A", 0),
            row("A", 29),
            healed("A", 29, Basis::Close, 7),
            healed("A", 30, Basis::PreviousClose, 0),
            suspect,
            healed("^C", 500, Basis::Open, 0),
        ]
    }

    #[tokio::test]
    async fn a_footer_says_what_its_rows_are() {
        let prepared = prepare(&object(rows())).expect("prepared");
        let (footer, reads) = footer_of(quotes::to_bytes(&prepared)).await;
        let coverage = Coverage::of(rows().iter().map(|stored| &stored.row));
        assert_eq!(footer.expect("a footer"), Footer { digest: prepared.name.digest, rows: 6, coverage });
        assert_eq!(reads.len(), 1);
    }

    #[test]
    fn the_masks_read_as_the_design_has_them() {
        let coverage = Coverage::of(rows().iter().map(|stored| &stored.row));
        let [_, (_, masks)] = to_metadata("", &coverage);
        let expected = concat!(
            r#"{"2026-11-20T14:00:00Z":{"A":{"quote":"800000040000000","close":"800000000000000","#,
            r#""revised":"800000000000000"}},"2026-11-20T15:00:00Z":{"A":{"previous_close":"1"},"#,
            r#""B":{"quote":"2","suspect":"2"}},"2026-11-20T22:00:00Z":{"^C":{"open":"4000000000000"}}}"#
        );
        assert_eq!(masks, expected);
    }

    #[tokio::test]
    async fn a_footer_longer_than_the_first_read_takes_a_second_one() {
        let symbols: Vec<String> = (0..4000).map(|n| format!("S{n}")).collect();
        let rows: Vec<_> = symbols.iter().map(|symbol| row(symbol, 0)).collect();
        let bytes = quotes::to_bytes(&prepare(&object(rows)).expect("prepared"));
        assert!(bytes.len() > FIRST_READ_BYTES);
        let (footer, reads) = footer_of(bytes.clone()).await;
        assert_eq!(footer.expect("a footer").coverage.0.len(), 4000);
        assert_eq!(reads, [FIRST_READ_BYTES, metadata_of(&bytes).len() + TRAILER_BYTES]);
        let (cut, _) = footer_of(bytes[bytes.len() - FIRST_READ_BYTES..].to_vec()).await;
        assert_eq!(cut.expect_err("most of the footer is gone").kind, Kind::Corrupt);
    }

    #[tokio::test]
    async fn a_flipped_bit_of_the_footer_is_corrupt_and_one_of_the_data_changes_nothing() {
        let bytes = quotes::to_bytes(&prepare(&object(rows())).expect("prepared"));
        let (whole, _) = footer_of(bytes.clone()).await;
        let whole = whole.expect("a footer");
        let data = bytes.len() - TRAILER_BYTES - metadata_of(&bytes).len();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            match footer_of(flipped).await.0 {
                Ok(footer) => assert!(at < data && footer == whole, "byte {at}"),
                Err(error) => {
                    assert!(at >= data && error.kind == Kind::Corrupt, "byte {at}: {}", error.chain());
                    assert!(error.chain().contains("`the-name`"), "{}", error.chain());
                }
            }
        }
    }

    #[tokio::test]
    async fn a_mask_that_is_none_is_corrupt() {
        let bytes = quotes::to_bytes(&prepare(&object(rows())).expect("prepared"));
        for (mask, none) in
            [("800000040000000", "zzzzzzzzzzzzzzz"), ("T15:00:00Z", "T15:01:00Z"), ("{\"quote\"", "{\"quota\"")]
        {
            let error = footer_of(altered(&bytes, mask, none)).await.0.expect_err("no mask");
            assert_eq!(error.kind, Kind::Corrupt, "{}", error.chain());
        }
    }
}
