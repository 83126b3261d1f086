//! An object of either table: plain Parquet, whose key-value metadata holds its version, its table and two checksums.
//!
//! Parquet itself does not notice a flipped bit: a price would be another price, an offset a crash. So the footer holds a
//! checksum of every byte before it and one of itself, and nothing is parsed before they are right. Where the checksums
//! stand, and what they are of, is the same in every version: only so can an older release tell "newer" from "broken".

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use bytes::Bytes;
use mendlake_ports::{Kind, PortError, Result};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, ParquetMetaDataReader, SortingColumn};
use parquet::file::properties::WriterProperties;

use crate::stored::digest::{self, DIGITS};

/// The version of both tables this release writes, and the newest it reads.
pub const VERSION: u32 = 1;

const VERSION_KEY: &str = "mendlake.version";
const TABLE_KEY: &str = "mendlake.table";
const DATA_KEY: &str = "mendlake.checksum.data";
const FOOTER_KEY: &str = "mendlake.checksum.footer";

/// A file ends with the length of its metadata in four bytes, and these.
const MAGIC: &[u8] = b"PAR1";
pub(super) const TRAILER_BYTES: usize = 8;

/// Between a key and its value stand the value's field header and its length, a byte each.
const BETWEEN_BYTES: usize = 2;

/// Writes one batch as one object: zstd, no index pages, the same bytes for the same batch.
pub(super) fn write(table: &str, batch: &RecordBatch, sorted_by: &[usize], metadata: &[(&str, String)]) -> Vec<u8> {
    let no_checksum = || "0".repeat(DIGITS);
    let own = [
        (VERSION_KEY, VERSION.to_string()),
        (TABLE_KEY, table.to_owned()),
        (DATA_KEY, no_checksum()),
        (FOOTER_KEY, no_checksum()),
    ];
    let pairs = own.iter().chain(metadata).map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone()));
    let ascending = |column: &usize| SortingColumn {
        column_idx: i32::try_from(*column).expect("a table has few columns"),
        descending: false,
        nulls_first: false,
    };
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        // Not the library's own name and version: bytes would change with them.
        .set_created_by(format!("mendlake version {VERSION}"))
        .set_offset_index_disabled(true)
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::Chunk)
        .set_sorting_columns(Some(sorted_by.iter().map(ascending).collect()))
        .set_key_value_metadata(Some(pairs.collect()))
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options)
        .expect("the tables' column types are Parquet's");
    writer.write(batch).expect("a batch has its own schema, and memory takes every byte");
    let mut bytes = writer.into_inner().expect("memory takes every byte");
    seal(&mut bytes);
    bytes
}

/// Puts both checksums where their place was kept.
fn seal(bytes: &mut [u8]) {
    let footer = bytes.len() - TRAILER_BYTES - footer_len(bytes).expect("written just now");
    let (data, tail) = bytes.split_at_mut(footer);
    let metadata = tail.len() - TRAILER_BYTES;
    let metadata = &mut tail[..metadata];
    for (key, sum_of) in [(DATA_KEY, Some(&*data)), (FOOTER_KEY, None)] {
        let sum = digest::of_bytes(sum_of.unwrap_or(metadata));
        let place = place(metadata, key).expect("written just now");
        metadata[place..place + DIGITS].copy_from_slice(sum.as_bytes());
    }
}

/// The length of the metadata, from the end of a file; `None` where that is no end of a Parquet file.
pub(super) fn footer_len(tail: &[u8]) -> Option<usize> {
    let (rest, magic) = tail.split_at_checked(tail.len().checked_sub(MAGIC.len())?)?;
    let (_, len) = rest.split_at_checked(rest.len().checked_sub(4)?)?;
    let len = u32::from_le_bytes(len.try_into().ok()?);
    (magic == MAGIC).then_some(len as usize)
}

/// Where the value of this key begins in the metadata.
fn place(metadata: &[u8], key: &str) -> Option<usize> {
    let at = metadata.windows(key.len()).position(|window| window == key.as_bytes())? + key.len() + BETWEEN_BYTES;
    (at + DIGITS <= metadata.len()).then_some(at)
}

/// The key-value metadata of an object, once its checksum was found right, and how many rows the object holds.
pub(super) struct Metadata {
    values: BTreeMap<String, String>,
    pub(super) rows: u64,
}

impl Metadata {
    /// Reads the metadata of an object of this table. `Corrupt` where a bit of it is another, `Rejected` where it is of a
    /// newer version.
    pub(super) fn read(metadata: &[u8], table: &str, name: &str) -> Result<Self> {
        let broken = |why: &str| corrupt(name, why);
        let at = place(metadata, FOOTER_KEY).ok_or_else(|| broken("its footer has no checksum"))?;
        let mut unsealed = metadata.to_vec();
        unsealed[at..at + DIGITS].fill(b'0');
        if digest::of_bytes(&unsealed).as_bytes() != &metadata[at..at + DIGITS] {
            return Err(broken("its footer's checksum is wrong"));
        }
        let parsed = ParquetMetaDataReader::decode_metadata(metadata)
            .map_err(|error| PortError::caused(Kind::Corrupt, format!("read the footer of `{name}`"), error))?;
        let pairs = parsed.file_metadata().key_value_metadata().cloned().unwrap_or_default();
        let values = pairs.into_iter().filter_map(|pair| Some((pair.key, pair.value?))).collect();
        let rows = u64::try_from(parsed.file_metadata().num_rows()).map_err(|_| broken("it has less than no rows"))?;
        let this = Self { values, rows };
        this.check_version(name)?;
        if this.value(TABLE_KEY, name)? != table {
            return Err(broken(&format!("it is no object of the table `{table}`")));
        }
        Ok(this)
    }

    /// The value of a key. `Corrupt` where there is none.
    pub(super) fn value(&self, key: &str, name: &str) -> Result<&str> {
        self.values.get(key).map(String::as_str).ok_or_else(|| corrupt(name, &format!("its footer has no `{key}`")))
    }

    fn check_version(&self, name: &str) -> Result<()> {
        match self.value(VERSION_KEY, name)?.parse::<u32>() {
            Ok(VERSION) => Ok(()),
            Ok(newer) if newer > VERSION => {
                let what = format!("read `{name}`: its version {newer} is newer than {VERSION}, use the newer release");
                Err(PortError::new(Kind::Rejected, what))
            }
            _ => Err(corrupt(name, "its version is none that ever was")),
        }
    }
}

/// The metadata and the columns of a whole object, after both checksums were found right.
pub(super) fn read(bytes: &Bytes, table: &str, schema: &Schema, name: &str) -> Result<(Metadata, Vec<RecordBatch>)> {
    let no_file = || corrupt(name, "it does not end as a Parquet file does");
    let footer = footer_len(bytes).ok_or_else(no_file)?;
    let data = bytes.len().checked_sub(footer + TRAILER_BYTES).ok_or_else(no_file)?;
    let metadata = Metadata::read(&bytes[data..bytes.len() - TRAILER_BYTES], table, name)?;
    if digest::of_bytes(&bytes[..data]) != metadata.value(DATA_KEY, name)? {
        return Err(corrupt(name, "its data's checksum is wrong"));
    }
    let unreadable = |error| PortError::caused(Kind::Corrupt, format!("read the columns of `{name}`"), error);
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).map_err(unreadable)?;
    if reader.schema().fields() != schema.fields() {
        return Err(corrupt(name, &format!("its columns are not those of the table `{table}`")));
    }
    let reader = reader.build().map_err(unreadable)?;
    let batches = reader.collect::<std::result::Result<_, _>>().map_err(|error| unreadable(error.into()))?;
    Ok((metadata, batches))
}

/// The object with this name is broken.
pub(super) fn corrupt(name: &str, why: &str) -> PortError {
    PortError::new(Kind::Corrupt, format!("read `{name}`: {why}"))
}

/// A column without nulls.
pub(super) fn required(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
}

/// A column with nulls.
pub(super) fn nullable(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

/// A UTC timestamp in milliseconds.
pub(super) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some(Arc::from(UTC)))
}

/// The zone of every timestamp.
pub(super) const UTC: &str = "UTC";

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::parquet::{quotes, sessions};
    use crate::stored::quotes::prepare;
    use crate::stored::quotes::tests::{object, row};

    /// The metadata of an object.
    pub(crate) fn metadata_of(bytes: &[u8]) -> &[u8] {
        let len = footer_len(bytes).expect("an object");
        &bytes[bytes.len() - TRAILER_BYTES - len..bytes.len() - TRAILER_BYTES]
    }

    /// The object with the first such text in its footer replaced by another as long, sealed again: what another writer
    /// might have written.
    pub(crate) fn altered(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let mut bytes = bytes.to_vec();
        let end = bytes.len() - TRAILER_BYTES;
        let start = end - footer_len(&bytes).expect("an object");
        let footer = &mut bytes[start..end];
        let at = footer.windows(from.len()).position(|window| window == from.as_bytes()).expect("such a text");
        footer[at..at + to.len()].copy_from_slice(to.as_bytes());
        for key in [DATA_KEY, FOOTER_KEY] {
            let at = place(footer, key).expect("an object");
            footer[at..at + DIGITS].fill(b'0');
        }
        seal(&mut bytes);
        bytes
    }

    fn sample() -> Vec<u8> {
        quotes::to_bytes(&prepare(&object(vec![row("A", 0), row("B", 1)])).expect("prepared"))
    }

    fn error_of(bytes: Vec<u8>) -> PortError {
        let error = quotes::from_bytes(&bytes.into(), "the-name").expect_err("unreadable");
        assert!(error.chain().contains("`the-name`"), "{}", error.chain());
        error
    }

    #[test]
    fn every_flipped_bit_is_corrupt_and_names_the_object() {
        let bytes = sample();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(error_of(flipped).kind, Kind::Corrupt, "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn every_truncation_is_corrupt_and_names_the_object() {
        let bytes = sample();
        for len in 0..bytes.len() {
            assert_eq!(error_of(bytes[..len].to_vec()).kind, Kind::Corrupt, "cut to {len}");
            assert_eq!(error_of(bytes[len + 1..].to_vec()).kind, Kind::Corrupt, "the first {} gone", len + 1);
        }
    }

    #[test]
    fn a_newer_version_is_refused_and_says_what_to_use() {
        let key = |version| format!("{VERSION_KEY}\u{18}\u{1}{version}");
        let error = error_of(altered(&sample(), &key(1), &key(2)));
        assert_eq!(error.kind, Kind::Rejected);
        assert!(error.chain().contains("version 2 is newer than 1, use the newer release"), "{}", error.chain());
        for version in ["0", "x"] {
            let never = format!("{VERSION_KEY}\u{18}\u{1}{version}");
            assert_eq!(error_of(altered(&sample(), &key(1), &never)).kind, Kind::Corrupt);
        }
    }

    #[test]
    fn an_object_of_another_table_is_corrupt() {
        let bytes = sessions::to_bytes(&[crate::stored::statuses::tests::status(0)]);
        assert_eq!(error_of(bytes).kind, Kind::Corrupt);
        let error = sessions::from_bytes(&sample().into(), "the-name").expect_err("quotes");
        assert!(error.chain().contains("no object of the table `sessions`"), "{}", error.chain());
    }

    #[test]
    fn parquet_of_other_columns_or_of_another_writer_is_corrupt() {
        let column: arrow_array::ArrayRef = Arc::new(arrow_array::Int64Array::from(vec![1]));
        let batch = RecordBatch::try_from_iter([("symbol", column)]).expect("a batch");
        let error = error_of(write("quotes", &batch, &[0], &[]));
        assert!(error.chain().contains("columns are not those"), "{}", error.chain());
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("written");
        assert_eq!(error_of(writer.into_inner().expect("written")).kind, Kind::Corrupt);
    }
}
