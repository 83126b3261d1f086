//! How fast replay may write to a stream: what live collection leaves, and less where that was too much.

use std::collections::BTreeMap;

use mendlake_domain::minute::Timestamp;
use mendlake_ports::stream::NewRecord;

/// Half of what a shard takes a second (a megabyte, 1,000 records): the other half is live collection's.
const SHARD_BYTES: u64 = 500_000;
const SHARD_RECORDS: u64 = 500;

/// One call's share of a second: no second then holds more than the pace and a quarter.
const CALLS_A_SECOND: u64 = 4;

/// The pace counts in these parts of the whole. Throttled to one of them, replay still gets on.
const PARTS: u64 = 16;

/// Without throttling for so long, the pace rises by a part: from the slowest to the whole in two and a half minutes.
const RISES_EVERY_MS: i64 = 10_000;

/// What a writer that is not live may take of a stream's write rate.
///
/// Half of a shard's rate for what has one partition key, half of all shards' for everything, divided by the writers there
/// may be at once: they do not know of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteShare {
    shards: u64,
    writers: u64,
}

impl WriteShare {
    /// A stream of so many open shards, and the most writers at once, such as the replay function's concurrency. Of
    /// either, 0 counts as 1. Fewer shards than there are is safe, more is not.
    pub fn new(shards: u32, writers: u32) -> Self {
        Self { shards: u64::from(shards.max(1)), writers: u64::from(writers.max(1)) }
    }

    /// The most records and bytes of one call, but for a single record that is larger.
    fn call_limits(&self) -> (usize, usize) {
        (whole(SHARD_RECORDS / CALLS_A_SECOND / self.writers), whole(SHARD_BYTES / CALLS_A_SECOND / self.writers))
    }
}

fn whole(n: u64) -> usize {
    usize::try_from(n.max(1)).expect("at most a shard's rate")
}

/// What was written, and when the next may be.
#[derive(Debug)]
pub(super) struct Pace {
    share: WriteShare,
    /// Of [`PARTS`].
    parts: u64,
    /// When the parts last changed.
    since: Option<Timestamp>,
    /// When all shards together are free again.
    free_at: Option<Timestamp>,
    /// When the shard of each partition key is free again; a key that is free is not here.
    keys_free_at: BTreeMap<String, Timestamp>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Load {
    bytes: u64,
    records: u64,
}

impl Load {
    fn and(self, record: &NewRecord) -> Self {
        Self { bytes: self.bytes + record.bytes() as u64, records: self.records + 1 }
    }

    /// How long this many shards are taken by it at half their rate, in milliseconds, rounded up.
    fn takes_ms(self, shards: u64, slower: u64) -> i64 {
        let of = |amount: u64, rate: u64| (amount * 1_000 * slower).div_ceil(rate * shards * PARTS);
        let takes_ms = of(self.bytes, SHARD_BYTES).max(of(self.records, SHARD_RECORDS));
        i64::try_from(takes_ms).expect("a call's load is bounded")
    }
}

impl Pace {
    pub(super) fn new(share: WriteShare) -> Self {
        Self { share, parts: PARTS, since: None, free_at: None, keys_free_at: BTreeMap::new() }
    }

    /// The most records and bytes of one call.
    pub(super) fn call_limits(&self) -> (usize, usize) {
        self.share.call_limits()
    }

    /// When these may be written, which they then count as.
    pub(super) fn admit<'a>(&mut self, now: Timestamp, records: impl Iterator<Item = &'a NewRecord>) -> Timestamp {
        self.rise(now);
        self.keys_free_at.retain(|_, free_at| *free_at > now);
        let (mut all, mut keys) = (Load::default(), BTreeMap::<&str, Load>::new());
        for record in records {
            all = all.and(record);
            let key = keys.entry(&record.partition_key).or_default();
            *key = key.and(record);
        }
        let freed = keys.keys().filter_map(|key| self.keys_free_at.get(*key)).chain(&self.free_at);
        let at = freed.fold(now, |at, free_at| at.max(*free_at));
        let slower = PARTS * PARTS / self.parts * self.share.writers;
        self.free_at = Some(at.plus_ms(all.takes_ms(self.share.shards, slower)));
        let taken = keys.into_iter().map(|(key, load)| (key.to_owned(), at.plus_ms(load.takes_ms(1, slower))));
        self.keys_free_at.extend(taken);
        at
    }

    /// A call was throttled, in part or whole: half the pace.
    pub(super) fn throttled(&mut self, now: Timestamp) {
        self.rise(now);
        self.parts = (self.parts / 2).max(1);
        self.since = Some(now);
    }

    fn rise(&mut self, now: Timestamp) {
        let Some(since) = self.since else {
            return;
        };
        let steps = now.ms_since(since) / RISES_EVERY_MS;
        if let Ok(steps @ 1..) = u64::try_from(steps) {
            self.parts = (self.parts + steps).min(PARTS);
            self.since = (self.parts < PARTS).then(|| since.plus_ms(steps as i64 * RISES_EVERY_MS));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_epoch_ms(1_800_000_000_000 + ms)
    }

    fn record(key: &str, bytes: usize) -> NewRecord {
        NewRecord { partition_key: key.into(), data: vec![0; bytes - key.len()] }
    }

    /// Writes calls one after the other, each as soon as it may; gives how long until the last may, in milliseconds.
    fn written(pace: &mut Pace, from_ms: i64, calls: &[Vec<NewRecord>]) -> i64 {
        let write = |now: Timestamp, call: &Vec<NewRecord>| pace.admit(now, call.iter());
        calls.iter().fold(at(from_ms), write).ms_since(at(from_ms))
    }

    fn calls(n: usize, keys: &[&str], bytes: usize) -> Vec<Vec<NewRecord>> {
        (0..n).map(|i| vec![record(keys[i % keys.len()], bytes)]).collect()
    }

    #[test]
    fn a_megabyte_takes_one_shard_two_seconds() {
        let mut pace = Pace::new(WriteShare::new(1, 1));
        assert_eq!(written(&mut pace, 0, &calls(11, &["A", "B"], 100_000)), 2_000, "ten before the eleventh");
    }

    #[test]
    fn a_thousand_small_records_take_one_shard_two_seconds() {
        let mut pace = Pace::new(WriteShare::new(1, 1));
        let hundred: Vec<_> = (0..100).map(|n| record(&n.to_string(), 10)).collect();
        assert_eq!(written(&mut pace, 0, &vec![hundred; 11]), 2_000);
    }

    #[test]
    fn more_shards_take_more_but_not_of_one_key() {
        let many: Vec<String> = (0..8).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let mut pace = Pace::new(WriteShare::new(4, 1));
        assert_eq!(written(&mut pace, 0, &calls(41, &many, 100_000)), 2_000, "four megabytes over four shards");
        let mut pace = Pace::new(WriteShare::new(4, 1));
        assert_eq!(written(&mut pace, 0, &calls(11, &["A"], 100_000)), 2_000, "a megabyte in one shard of four");
    }

    #[test]
    fn writers_divide_the_share_and_each_call_is_a_quarter_of_a_second_of_it() {
        let share = WriteShare::new(1, 5);
        let mut pace = Pace::new(share);
        assert_eq!(written(&mut pace, 0, &calls(11, &["A"], 10_000)), 1_000);
        assert_eq!(share.call_limits(), (25, 25_000));
        assert_eq!(WriteShare::new(0, 0), WriteShare::new(1, 1));
        assert_eq!(WriteShare::new(1, 100_000).call_limits().0, 1);
    }

    #[test]
    fn nothing_is_saved_up_while_nobody_writes() {
        let mut pace = Pace::new(WriteShare::new(1, 1));
        assert_eq!(written(&mut pace, 0, &calls(2, &["A", "B"], 100_000)), 200);
        assert_eq!(written(&mut pace, 60_000, &calls(6, &["C"], 100_000)), 1_000);
        assert_eq!(pace.keys_free_at.len(), 1, "what is free again is forgotten");
    }

    #[test]
    fn throttling_halves_the_pace_down_to_a_sixteenth_and_it_rises_slowly() {
        let mut pace = Pace::new(WriteShare::new(1, 1));
        let second = |pace: &mut Pace, from_ms| written(pace, from_ms, &calls(6, &["A"], 100_000));
        for (halved, ms) in [(1, 2_000), (2, 4_000), (3, 8_000), (4, 16_000), (5, 16_000)] {
            let mut pace = Pace::new(WriteShare::new(1, 1));
            (0..halved).for_each(|_| pace.throttled(at(0)));
            let now = at(0);
            let paid: i64 = (0..5).map(|_| pace.admit(now, calls(1, &["A"], 100_000)[0].iter()).ms_since(now)).sum();
            assert_eq!(paid, ms / 5 * (1 + 2 + 3 + 4), "halved {halved} times");
        }
        (0..4).for_each(|_| pace.throttled(at(0)));
        assert_eq!(pace.parts, 1);
        for (ms, parts) in
            [(9_999, 1), (10_000, 2), (35_000, 4), (40_000, 5), (149_999, 15), (150_000, 16), (900_000, 16)]
        {
            pace.rise(at(ms));
            assert_eq!(pace.parts, parts, "{ms} ms later");
        }
        assert_eq!(second(&mut pace, 1_000_000), 1_000, "the whole share again");
        pace.throttled(at(2_000_000));
        pace.rise(at(2_009_999));
        assert_eq!(pace.parts, 8, "a new throttling, no sooner forgotten");
    }
}
