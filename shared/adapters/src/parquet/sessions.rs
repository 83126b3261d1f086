//! An object of the table `sessions`: statuses to bytes, bytes to statuses.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;
use chrono::NaiveDate;
use mendlake_domain::gap::Unrecoverable;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::Basis;
use mendlake_domain::status::SessionStatus;
use mendlake_ports::Result;

use super::object::{self, UTC, corrupt, nullable, required, timestamp};
use crate::stored::statuses::UNRECOVERABLE;
use crate::stored::{digest, statuses};

/// The table's name.
pub const TABLE: &str = "sessions";

/// The columns, in their order: the fields of a status, `on` (a word of SQL) as `session_on`, its maps as one column for
/// each key, 0 where the map has none.
static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    let counts = |prefix: &str, keys: &[&str]| {
        keys.iter().map(|key| required(&format!("{prefix}_{key}"), DataType::Int64)).collect::<Vec<Field>>()
    };
    let mut fields = vec![
        required("session_on", DataType::Date32),
        required("symbol", DataType::Utf8),
        required("open", timestamp()),
        required("close", timestamp()),
        required("expected", DataType::Int64),
    ];
    fields.extend(counts("present", &Basis::ALL.map(Basis::as_str)));
    fields.push(nullable("longest_quiet_run", DataType::Int64));
    fields.push(required("gaps", DataType::Int64));
    fields.extend(counts("unrecoverable", &UNRECOVERABLE.map(Unrecoverable::as_str)));
    fields.extend([
        nullable("oldest_price_age_s", DataType::Int64),
        required("outside", DataType::Int64),
        required("final", DataType::Boolean),
        required("as_of", timestamp()),
    ]);
    Arc::new(Schema::new(fields))
});

/// The name of an object of these statuses: `<newest as_of>-<digest>.parquet`, the same for the same statuses.
pub fn name(statuses: &[SessionStatus]) -> String {
    let newest_ms = statuses.iter().map(|status| status.as_of.epoch_ms()).max().unwrap_or(0).max(0);
    let json = serde_json::to_vec(&sorted(statuses)).expect("a status is JSON: its keys are text");
    format!("{newest_ms:015}-{}.parquet", digest::of_bytes(&json))
}

/// The object's bytes: the same for the same statuses, in whatever order.
pub fn to_bytes(statuses: &[SessionStatus]) -> Vec<u8> {
    object::write(TABLE, &to_batch(&sorted(statuses)), &[0, 1], &[])
}

/// The statuses in an object's bytes. `Corrupt` where a single bit is another, `Rejected` where the object is of a newer
/// version; both name it.
pub fn from_bytes(bytes: &Bytes, name: &str) -> Result<Vec<SessionStatus>> {
    let (_, batches) = object::read(bytes, TABLE, &SCHEMA, name)?;
    let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|i| from_batch(batch, i)));
    rows.collect::<Option<_>>().ok_or_else(|| corrupt(name, "it has a value that no status has"))
}

fn sorted(statuses: &[SessionStatus]) -> Vec<SessionStatus> {
    let mut sorted = statuses.to_vec();
    let identity = |status: &SessionStatus| (status.on, status.symbol.clone());
    sorted.sort_by(|a, b| identity(a).cmp(&identity(b)).then_with(|| statuses::order(a, b)));
    sorted
}

fn to_batch(statuses: &[SessionStatus]) -> RecordBatch {
    let at = |get: fn(&SessionStatus) -> Timestamp| -> ArrayRef {
        let values = statuses.iter().map(|status| get(status).epoch_ms());
        Arc::new(TimestampMillisecondArray::from_iter_values(values).with_timezone(UTC))
    };
    let number = |get: &dyn Fn(&SessionStatus) -> Option<i64>| -> ArrayRef {
        Arc::new(Int64Array::from_iter(statuses.iter().map(get)))
    };
    let count = |get: fn(&SessionStatus) -> u32| number(&|status| Some(i64::from(get(status))));
    let of = |count: Option<&u32>| Some(i64::from(count.copied().unwrap_or(0)));
    let symbols = statuses.iter().map(|status| status.symbol.as_str());
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from_iter_values(statuses.iter().map(|status| status.on.to_epoch_days()))),
        Arc::new(StringArray::from_iter_values(symbols)),
        at(|status| status.open.start()),
        at(|status| status.close.start()),
        count(|status| status.expected),
    ];
    columns.extend(Basis::ALL.map(|basis| number(&|status| of(status.present.get(&basis)))));
    columns.push(number(&|status| status.longest_quiet_run.map(i64::from)));
    columns.push(count(|status| status.gaps));
    columns.extend(UNRECOVERABLE.map(|why| number(&|status| of(status.unrecoverable.get(&why)))));
    columns.push(number(&|status| status.oldest_price_age_s));
    columns.push(count(|status| status.outside));
    columns.push(Arc::new(BooleanArray::from_iter(statuses.iter().map(|status| Some(status.is_final)))));
    columns.push(at(|status| status.as_of));
    RecordBatch::try_new(SCHEMA.clone(), columns).expect("each column is made for its place in the schema")
}

/// One status; `None` where a value is none that a status has.
fn from_batch(batch: &RecordBatch, i: usize) -> Option<SessionStatus> {
    let column = |name: &str| batch.column_by_name(name).expect("the schema was compared");
    let at = |name: &str| Timestamp::from_epoch_ms(column(name).as_primitive::<TimestampMillisecondType>().value(i));
    let minute = |name: &str| -> Option<Minute> { (at(name).minute().start() == at(name)).then(|| at(name).minute()) };
    let number = |name: &str| {
        let numbers = column(name).as_primitive::<Int64Type>();
        numbers.is_valid(i).then(|| numbers.value(i))
    };
    let count = |name: &str| number(name).and_then(|count| u32::try_from(count).ok());
    let longest_quiet_run = match number("longest_quiet_run") {
        None => None,
        Some(minutes) => Some(u32::try_from(minutes).ok()?),
    };
    Some(SessionStatus {
        on: NaiveDate::from_epoch_days(column("session_on").as_primitive::<Date32Type>().value(i))?,
        symbol: column("symbol").as_string::<i32>().value(i).parse().ok()?,
        open: minute("open")?,
        close: minute("close")?,
        expected: count("expected")?,
        present: counts(Basis::ALL, |basis| count(&format!("present_{basis}")))?,
        longest_quiet_run,
        gaps: count("gaps")?,
        unrecoverable: counts(UNRECOVERABLE, |why| count(&format!("unrecoverable_{}", why.as_str())))?,
        oldest_price_age_s: number("oldest_price_age_s"),
        outside: count("outside")?,
        is_final: column("final").as_boolean().value(i),
        as_of: at("as_of"),
    })
}

/// The counts above zero; `None` where one is none.
fn counts<K: Ord + Copy>(
    keys: impl IntoIterator<Item = K>,
    count: impl Fn(K) -> Option<u32>,
) -> Option<BTreeMap<K, u32>> {
    let counts: Option<Vec<(K, u32)>> = keys.into_iter().map(|key| Some((key, count(key)?))).collect();
    Some(counts?.into_iter().filter(|(_, count)| *count > 0).collect())
}

#[cfg(test)]
mod tests {
    use mendlake_ports::Kind;

    use super::*;
    use crate::stored::statuses::tests::status;

    fn full(as_of_s: i64) -> SessionStatus {
        SessionStatus {
            present: Basis::ALL.into_iter().zip(1..).collect(),
            longest_quiet_run: Some(0),
            unrecoverable: UNRECOVERABLE.into_iter().zip(5..).collect(),
            oldest_price_age_s: Some(-9),
            outside: 8,
            is_final: true,
            ..status(as_of_s)
        }
    }

    #[test]
    fn statuses_read_back_whatever_order_they_came_in() {
        let other = SessionStatus { symbol: "A".parse().expect("symbol"), ..full(7) };
        let (one, reversed) = ([status(0), full(3), other.clone()], [other.clone(), full(3), status(0)]);
        assert_eq!((name(&one), to_bytes(&one)), (name(&reversed), to_bytes(&reversed)));
        assert_eq!(from_bytes(&to_bytes(&one).into(), "x").expect("statuses"), [other, full(3), status(0)]);
        assert_ne!(name(&one), name(&one[..2]));
        assert!(name(&one).starts_with("001795176007000-"), "{}", name(&one));
    }

    #[test]
    fn a_flipped_bit_is_corrupt_and_names_the_object() {
        let bytes = to_bytes(&[full(0)]);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            let error = from_bytes(&flipped.into(), "the-name").expect_err("flipped");
            assert!(error.kind == Kind::Corrupt && error.chain().contains("`the-name`"), "byte {at}");
        }
    }

    #[test]
    fn a_count_that_no_status_has_is_corrupt() {
        let whole = to_batch(&[status(0)]);
        for column in ["expected", "present_close", "gaps", "unrecoverable_no_data", "longest_quiet_run"] {
            let mut columns = whole.columns().to_vec();
            columns[SCHEMA.index_of(column).expect("a column")] = Arc::new(Int64Array::from(vec![-1]));
            let batch = RecordBatch::try_new(SCHEMA.clone(), columns).expect("a batch");
            let bytes = object::write(TABLE, &batch, &[0, 1], &[]);
            let error = from_bytes(&bytes.into(), "the-name").expect_err(column);
            assert!(error.chain().contains("a value that no status has"), "{}", error.chain());
        }
    }
}
