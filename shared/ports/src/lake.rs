//! The lake's table of quotes.

use std::collections::BTreeSet;
use std::future::Future;

use chrono::NaiveDate;
use mendlake_domain::coverage::Coverage;
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::StoredRow;
use mendlake_domain::symbol::Symbol;

use crate::error::Result;

/// One object to publish: rows of one date from one batch of the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct NewObject {
    /// The UTC date of every row's minute.
    pub dt: NaiveDate,
    /// The stream's id.
    pub stream_id: String,
    /// The shard.
    pub shard: String,
    /// The sequence of the batch's first record.
    pub first_sequence: String,
    /// Its rows, at least one, in any order. Stored sorted by symbol, minute and the order of rows.
    pub rows: Vec<StoredRow>,
}

/// What publishing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The object is new.
    New,
    /// An object with this name, and so with these rows, was there already.
    Existed,
}

/// The table `quotes`.
///
/// - The name of an object is `<stream id>-<shard>-<first sequence>-<digest of the rows>`: the same rows from the same
///   batch have the same name, other rows another. Publishing twice leaves one object.
/// - An object appears whole or not at all, and survives power loss once `publish` has returned. Objects never change.
/// - What was published before `coverage` or `rows` is called is in their answer, whoever published it.
/// - `coverage` reads footers only; `rows` reads the columns. They agree.
/// - An object that cannot be read is `Corrupt` and names itself: never an answer with less in it than there is.
pub trait Lake: Send + Sync {
    /// Publishes one object. Rows of another date than `dt`, or no rows, are `Rejected`.
    fn publish(&self, object: &NewObject) -> impl Future<Output = Result<Published>> + Send;

    /// What the lake holds of minutes in `[from, to)`, of every symbol.
    fn coverage(&self, from: Minute, to: Minute) -> impl Future<Output = Result<Coverage>> + Send;

    /// Every row of these symbols with a minute in `[from, to)`, duplicates and revisions included, sorted by symbol,
    /// minute and the order of rows: the first of each symbol-minute is its current row.
    fn rows(
        &self,
        symbols: &BTreeSet<Symbol>,
        from: Minute,
        to: Minute,
    ) -> impl Future<Output = Result<Vec<StoredRow>>> + Send;
}
