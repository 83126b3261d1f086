//! What the table must be, and the keys of everything in it: the one place that says so.

use chrono::NaiveDate;
use mendlake_domain::minute::{Hour, Minute, Timestamp};
use mendlake_domain::quote::SourceName;
use mendlake_domain::symbol::Symbol;
use sha2::{Digest, Sha256};

/// The form of every item, in its attribute `v`.
pub(super) const FORM: u32 = 1;

/// What the table must be: both keys and the index's are strings, the index projects everything, capacity is on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The table's partition key, a string.
    pub partition_key: &'static str,
    /// The table's sort key, a string.
    pub sort_key: &'static str,
    /// The global secondary index of gap items with something left to do. It projects all attributes.
    pub index: &'static str,
    /// The index's partition key, a string; it has no sort key.
    pub index_partition_key: &'static str,
    /// The attribute of time to live, epoch seconds.
    pub expires_at: &'static str,
}

/// The table as this release needs it.
pub const SCHEMA: Schema = Schema {
    partition_key: "pk",
    sort_key: "sk",
    index: "open",
    index_partition_key: "open",
    expires_at: "expires_at",
};

/// The index's partitions: one would be hot on the day when everything is missing.
pub(super) const INDEX_PARTITIONS: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];

/// Partition of all landing marks.
pub(super) const LANDED: &str = "landed";

/// The key of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) pk: String,
    pub(super) sk: String,
}

impl Key {
    fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    pub(super) fn live(provider: &SourceName, minute: Minute) -> Self {
        Self::new(format!("budget#{provider}"), format!("live#{minute}"))
    }

    pub(super) fn replay(provider: &SourceName, minute: Minute) -> Self {
        Self::new(format!("budget#{provider}"), format!("replay#{minute}"))
    }

    /// The first item of a minute's expectation: it says which others belong to it.
    pub(super) fn expectation(minute: Minute) -> Self {
        Self::new(hour(minute.hour()), format!("{:02}#0000", minute.of_hour()))
    }

    /// A further item of a minute's expectation, the `chunk`th from 1 on, of one recording.
    pub(super) fn chunk(minute: Minute, chunk: usize, set: &str) -> Self {
        Self::new(hour(minute.hour()), format!("{:02}#{chunk:04}#{set}", minute.of_hour()))
    }

    pub(super) fn gap(on: NaiveDate, symbol: &Symbol) -> Self {
        Self::new(session(on), symbol.as_str())
    }

    pub(super) fn source(source: &SourceName, endpoint: &str) -> Self {
        Self::new(format!("source#{source}"), endpoint)
    }

    pub(super) fn landed(shard: &str) -> Self {
        Self::new(LANDED, shard)
    }

    pub(super) fn run(at: Timestamp, id: &str) -> Self {
        Self::new(format!("run#{}", at.date()), format!("{at}#{id}"))
    }

    pub(super) fn last_run() -> Self {
        Self::new("run", "last")
    }

    pub(super) fn lake() -> Self {
        Self::new("lake", "of")
    }
}

/// The partition of an hour's expectations.
pub(super) fn hour(hour: Hour) -> String {
    format!("expect#{}T{:02}", hour.date(), hour.index().rem_euclid(24))
}

/// Below and above every sort key of these minutes of an hour, the last one included.
pub(super) fn minutes(first: u32, last: u32) -> (String, String) {
    (format!("{first:02}#"), format!("{last:02}~"))
}

/// The partition of a trading day's gap items.
pub(super) fn session(on: NaiveDate) -> String {
    format!("gap#{on}")
}

/// The index's partition of a gap item with something left to do: the same in every release and process.
pub(super) fn index_partition(on: NaiveDate, symbol: &Symbol) -> &'static str {
    let digest = Sha256::digest(format!("{on}#{symbol}"));
    INDEX_PARTITIONS[usize::from(digest[0]) % INDEX_PARTITIONS.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn minute() -> Minute {
        "2026-11-20T14:07:00Z".parse().unwrap()
    }

    #[test]
    fn a_key_is_the_same_in_every_release() {
        let (finnhub, on) = ("finnhub".parse().unwrap(), "2026-11-20".parse().unwrap());
        let at: Timestamp = "2026-11-20T14:05:00.250Z".parse().unwrap();
        let told = [
            (Key::live(&finnhub, minute()), "budget#finnhub", "live#2026-11-20T14:07:00Z"),
            (Key::replay(&finnhub, minute()), "budget#finnhub", "replay#2026-11-20T14:07:00Z"),
            (Key::expectation(minute()), "expect#2026-11-20T14", "07#0000"),
            (Key::chunk(minute(), 12, "ab"), "expect#2026-11-20T14", "07#0012#ab"),
            (Key::gap(on, &"BRK.B".parse().unwrap()), "gap#2026-11-20", "BRK.B"),
            (Key::source(&finnhub, "quote"), "source#finnhub", "quote"),
            (Key::landed("shardId-000000000000"), "landed", "shardId-000000000000"),
            (Key::run(at, "0a"), "run#2026-11-20", "2026-11-20T14:05:00.250Z#0a"),
            (Key::last_run(), "run", "last"),
            (Key::lake(), "lake", "of"),
        ];
        for (key, pk, sk) in told {
            assert_eq!((key.pk.as_str(), key.sk.as_str()), (pk, sk));
        }
    }

    #[test]
    fn every_item_of_a_minute_and_none_of_its_neighbours_lies_between_its_bounds() {
        let (low, high) = minutes(7, 7);
        let within = |key: Key| low <= key.sk && key.sk <= high;
        assert!(within(Key::expectation(minute())) && within(Key::chunk(minute(), 9_999, "ffff")));
        assert!(!within(Key::expectation(minute() + 1)) && !within(Key::chunk(minute() + -1, 9_999, "ffff")));
        assert!(Key::expectation(minute()).sk < Key::chunk(minute(), 1, "").sk, "the first item comes first");
    }

    #[test]
    fn a_gap_item_keeps_its_partition_of_the_index_and_a_watchlist_spreads_over_all() {
        let on: NaiveDate = "2026-11-20".parse().unwrap();
        let of = |symbol: &str| index_partition(on, &symbol.parse().unwrap());
        assert_eq!(["AAPL", "MSFT", "SPY"].map(of), ["3", "3", "4"]);
        let mut spread: BTreeMap<&str, usize> = BTreeMap::new();
        for n in 0..800 {
            *spread.entry(of(&format!("S{n}"))).or_default() += 1;
        }
        assert!(spread.len() == INDEX_PARTITIONS.len() && spread.values().all(|n| (60..140).contains(n)), "{spread:?}");
    }
}
