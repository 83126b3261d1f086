//! An object of the table `quotes`: rows to bytes, bytes to rows.

use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, Float64Array, Int64Array, PrimitiveArray, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow_schema::{DataType, Schema};
use bytes::Bytes;
use chrono::NaiveDate;
use mendlake_domain::coverage::Coverage;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::{Basis, Day, Price, Row, StoredRow};
use mendlake_domain::symbol::Symbol;
use mendlake_ports::Result;

use super::footer::{self, Footer};
use super::object::{self, UTC, corrupt, nullable, required, timestamp};
use crate::stored::name::ObjectName;
use crate::stored::quotes::Prepared;
use crate::stored::{digest, quotes};

/// The table's name.
pub const TABLE: &str = "quotes";

/// The columns, in their order.
static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        required("symbol", DataType::Utf8),
        required("minute", timestamp()),
        required("price", DataType::Float64),
        required("basis", DataType::Utf8),
        required("source", DataType::Utf8),
        nullable("traded_at", timestamp()),
        nullable("day_open", DataType::Float64),
        nullable("day_high", DataType::Float64),
        nullable("day_low", DataType::Float64),
        nullable("prev_close", DataType::Float64),
        required("observed_at", timestamp()),
        required("stored_at", timestamp()),
        required("revision", DataType::Int64),
    ]))
});

/// The object's bytes: the same for the same rows.
pub fn to_bytes(object: &Prepared) -> Vec<u8> {
    let coverage = Coverage::of(object.rows.iter().map(|stored| &stored.row));
    let metadata = footer::to_metadata(&object.name.digest, &coverage);
    object::write(TABLE, &to_batch(&object.rows), &[0, 1], &metadata)
}

/// The rows in an object's bytes, in their order. `Corrupt` where a single bit is another, `Rejected` where the object is
/// of a newer version; both name it.
pub fn from_bytes(bytes: &Bytes, name: &str) -> Result<Vec<StoredRow>> {
    read(bytes, name).map(|(_, rows)| rows)
}

/// Reads an object's columns and checks that all it says of itself is so: its date, the order of its rows, and their
/// digest and coverage in its footer and in its name. `Corrupt` where one is not.
pub fn verify(bytes: &Bytes, dt: NaiveDate, name: &str) -> Result<Footer> {
    let (footer, rows) = read(bytes, name)?;
    let parsed: ObjectName = name.parse().map_err(|_| corrupt(name, "its name is not one of this table's"))?;
    let digest = digest::of_rows(&rows);
    let mut sorted = rows.clone();
    quotes::sort(&mut sorted);
    let wrong = |why: &str| Err(corrupt(name, why));
    if rows.iter().any(|stored| stored.row.minute.date() != dt) {
        return wrong("it has a row of another date than its folder's");
    }
    if sorted != rows {
        return wrong("its rows are not in their order");
    }
    if digest != footer.digest || digest != parsed.digest {
        return wrong("the digest of its rows is not that of its footer and name");
    }
    if footer.rows != rows.len() as u64 || footer.coverage != Coverage::of(rows.iter().map(|stored| &stored.row)) {
        return wrong("its footer does not agree with its columns");
    }
    Ok(footer)
}

fn read(bytes: &Bytes, name: &str) -> Result<(Footer, Vec<StoredRow>)> {
    let (metadata, batches) = object::read(bytes, TABLE, &SCHEMA, name)?;
    let mut rows = Vec::new();
    for batch in &batches {
        from_batch(batch, &mut rows).ok_or_else(|| corrupt(name, "it has a value that no row has"))?;
    }
    Ok((footer::parse(&metadata, name)?, rows))
}

fn to_batch(rows: &[StoredRow]) -> RecordBatch {
    let text = |get: fn(&Row) -> &str| Arc::new(StringArray::from_iter_values(rows.iter().map(|r| get(&r.row))));
    let at = |get: fn(&StoredRow) -> Option<Timestamp>| {
        let values = rows.iter().map(|stored| get(stored).map(Timestamp::epoch_ms));
        Arc::new(TimestampMillisecondArray::from_iter(values).with_timezone(UTC))
    };
    let price = |get: fn(&Row) -> Option<Price>| {
        Arc::new(Float64Array::from_iter(rows.iter().map(|stored| get(&stored.row).map(Price::get))))
    };
    let columns: Vec<ArrayRef> = vec![
        text(|row| row.symbol.as_str()),
        at(|stored| Some(stored.row.minute.start())),
        price(|row| Some(row.price)),
        text(|row| row.basis.as_str()),
        text(|row| row.source.as_str()),
        at(|stored| stored.row.traded_at),
        price(|row| row.day.open),
        price(|row| row.day.high),
        price(|row| row.day.low),
        price(|row| row.day.prev_close),
        at(|stored| Some(stored.row.observed_at)),
        at(|stored| Some(stored.stored_at)),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|stored| stored.row.revision))),
    ];
    RecordBatch::try_new(SCHEMA.clone(), columns).expect("each column is made for its place in the schema")
}

/// Adds a batch's rows; `None` where a value is none that a row has.
fn from_batch(batch: &RecordBatch, rows: &mut Vec<StoredRow>) -> Option<()> {
    let text = |column: usize| batch.column(column).as_string::<i32>();
    let [minute, traded_at, observed_at, stored_at] =
        [1, 5, 10, 11].map(|column| batch.column(column).as_primitive::<TimestampMillisecondType>());
    let [price, day_open, day_high, day_low, prev_close] =
        [2, 6, 7, 8, 9].map(|column| batch.column(column).as_primitive::<Float64Type>());
    let (symbol, basis, source) = (text(0), text(3), text(4));
    let revision = batch.column(12).as_primitive::<Int64Type>();
    let at = |ms: i64| Timestamp::from_epoch_ms(ms);
    let mut last: Option<Symbol> = None;
    for i in 0..batch.num_rows() {
        let symbol = match last.take().filter(|last| last.as_str() == symbol.value(i)) {
            Some(same) => same,
            None => symbol.value(i).parse().ok()?,
        };
        let row = Row {
            symbol: last.insert(symbol).clone(),
            minute: to_minute(at(minute.value(i)))?,
            price: Price::new(price.value(i))?,
            basis: basis.value(i).parse::<Basis>().ok()?,
            source: source.value(i).parse().ok()?,
            traded_at: value(traded_at, i).map(at),
            day: Day {
                open: to_price(value(day_open, i))?,
                high: to_price(value(day_high, i))?,
                low: to_price(value(day_low, i))?,
                prev_close: to_price(value(prev_close, i))?,
            },
            observed_at: at(observed_at.value(i)),
            revision: revision.value(i),
        };
        rows.push(StoredRow { row, stored_at: at(stored_at.value(i)) });
    }
    Some(())
}

fn value<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, i: usize) -> Option<T::Native> {
    column.is_valid(i).then(|| column.value(i))
}

fn to_minute(at: Timestamp) -> Option<Minute> {
    (at.minute().start() == at).then(|| at.minute())
}

/// The price of a nullable column: `None` where it is neither null nor a price.
fn to_price(price: Option<f64>) -> Option<Option<Price>> {
    match price {
        None => Some(None),
        Some(price) => Price::new(price).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use mendlake_ports::{Kind, PortError};

    use super::super::object::tests::altered;
    use super::*;
    use crate::stored::quotes::prepare;
    use crate::stored::quotes::tests::{healed, object, row};

    fn prepared() -> Prepared {
        let rows = vec![row("A", 0), row("A", 1), healed("A", 1, Basis::Close, 5), healed("B", 1, Basis::Open, 0)];
        prepare(&object(rows)).expect("prepared")
    }

    fn dt() -> NaiveDate {
        row("A", 0).row.minute.date()
    }

    fn verify_error(bytes: Vec<u8>, dt: NaiveDate, name: &ObjectName) -> PortError {
        let error = verify(&bytes.into(), dt, &name.to_string()).expect_err("wrong");
        assert!(error.kind == Kind::Corrupt && error.chain().contains(&name.to_string()), "{}", error.chain());
        error
    }

    #[test]
    fn rows_read_back_and_equal_rows_are_equal_bytes() {
        let prepared = prepared();
        let bytes = to_bytes(&prepared);
        assert_eq!(from_bytes(&bytes.clone().into(), "x").expect("rows"), prepared.rows);
        assert_eq!(to_bytes(&prepared), bytes);
        let footer = verify(&bytes.into(), dt(), &prepared.name.to_string()).expect("right");
        assert_eq!((footer.rows, footer.digest), (4, prepared.name.digest));
    }

    #[test]
    fn many_rows_read_back_over_several_batches() {
        let rows: Vec<StoredRow> = (0..570 * 6).map(|n| row(&format!("S{}", n % 6), n / 6)).collect();
        let prepared = prepare(&object(rows)).expect("prepared");
        assert_eq!(from_bytes(&to_bytes(&prepared).into(), "x").expect("rows"), prepared.rows);
    }

    #[test]
    fn the_deep_check_notices_whatever_is_not_so() {
        let prepared = prepared();
        let bytes = to_bytes(&prepared);
        let Prepared { name, mut rows } = prepared;
        verify_error(bytes.clone(), dt().succ_opt().expect("a day"), &name);
        verify_error(bytes.clone(), dt(), &ObjectName { digest: "0".repeat(32), ..name.clone() });
        verify_error(altered(&bytes, &name.digest, &"0".repeat(32)), dt(), &name);
        let masks = verify_error(altered(&bytes, "\"revised\"", "\"suspect\""), dt(), &name);
        assert!(masks.chain().contains("does not agree with its columns"), "{}", masks.chain());
        rows.swap(0, 1);
        let unsorted = Prepared { name: ObjectName { digest: digest::of_rows(&rows), ..name }, rows };
        let error = verify_error(to_bytes(&unsorted), dt(), &unsorted.name);
        assert!(error.chain().contains("not in their order"), "{}", error.chain());
    }

    #[test]
    fn a_value_that_no_row_has_is_corrupt() {
        let prepared = prepared();
        let metadata = footer::to_metadata("", &Coverage::default());
        let whole = to_batch(&prepared.rows);
        let wrong: [(usize, ArrayRef); 5] = [
            (0, Arc::new(StringArray::from(vec!["a"; 4]))),
            (1, Arc::new(TimestampMillisecondArray::from(vec![60_001; 4]).with_timezone(UTC))),
            (2, Arc::new(Float64Array::from(vec![0.0; 4]))),
            (3, Arc::new(StringArray::from(vec!["guess"; 4]))),
            (7, Arc::new(Float64Array::from(vec![Some(f64::NAN); 4]))),
        ];
        for (column, values) in wrong {
            let mut columns = whole.columns().to_vec();
            columns[column] = values;
            let batch = RecordBatch::try_new(SCHEMA.clone(), columns).expect("a batch");
            let bytes = object::write(TABLE, &batch, &[0, 1], &metadata);
            let error = from_bytes(&bytes.into(), "the-name").expect_err("no row");
            assert!(error.chain().contains("`the-name`: it has a value that no row has"), "{}", error.chain());
        }
    }
}
