//! Sets of minutes as hour masks, and what of a symbol's minutes the lake holds.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::minute::{Hour, Minute};
use crate::quote::{Basis, Row};
use crate::symbol::Symbol;

/// The bits an hour mask may have: bit 0 is the hour's first minute.
const HOUR_BITS: u64 = (1 << 60) - 1;

/// A set of minutes, held as one 60-bit mask per UTC hour. The gap algebra is its set algebra.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MinuteSet {
    /// No entry is zero and none has a bit above 59, so equal sets have equal maps.
    hours: BTreeMap<Hour, u64>,
}

/// A maximal run of adjacent minutes: `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// The first minute of the run.
    pub from: Minute,
    /// The minute after its last.
    pub to: Minute,
}

impl Run {
    /// Minutes in the run.
    pub fn len(&self) -> usize {
        usize::try_from(self.to.since(self.from)).unwrap_or(0)
    }

    /// Whether the run holds no minute.
    pub fn is_empty(&self) -> bool {
        self.to <= self.from
    }
}

impl MinuteSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self { hours: BTreeMap::new() }
    }

    /// Every minute of `[from, to)`; empty where `to` is not after `from`.
    pub fn between(from: Minute, to: Minute) -> Self {
        let mut set = Self::new();
        let mut hour = from.hour();
        while hour.minute(0) < to {
            let low = from.since(hour.minute(0)).max(0);
            let high = to.since(hour.minute(0)).min(60);
            if high > low {
                let mask = (HOUR_BITS >> (60 - (high - low))) << low;
                set.hours.insert(hour, mask);
            }
            hour = Hour::from_index(hour.index() + 1);
        }
        set
    }

    /// The set of one hour's mask; bits above 59 are dropped.
    pub fn of_hour(hour: Hour, mask: u64) -> Self {
        let mut set = Self::new();
        set.insert_mask(hour, mask);
        set
    }

    /// Adds the minutes of one hour's mask; bits above 59 are dropped.
    pub fn insert_mask(&mut self, hour: Hour, mask: u64) {
        if mask & HOUR_BITS != 0 {
            *self.hours.entry(hour).or_default() |= mask & HOUR_BITS;
        }
    }

    /// Adds a minute; tells whether it was new.
    pub fn insert(&mut self, minute: Minute) -> bool {
        let mask = self.hours.entry(minute.hour()).or_default();
        let new = *mask & (1 << minute.of_hour()) == 0;
        *mask |= 1 << minute.of_hour();
        new
    }

    /// Takes a minute out; tells whether it was there.
    pub fn remove(&mut self, minute: Minute) -> bool {
        let had = self.contains(minute);
        if had && let Some(mask) = self.hours.get_mut(&minute.hour()) {
            *mask &= !(1 << minute.of_hour());
            if *mask == 0 {
                self.hours.remove(&minute.hour());
            }
        }
        had
    }

    /// Whether the set holds the minute.
    pub fn contains(&self, minute: Minute) -> bool {
        self.mask(minute.hour()) & (1 << minute.of_hour()) != 0
    }

    /// The mask of one hour, 0 where the set holds none of its minutes.
    pub fn mask(&self, hour: Hour) -> u64 {
        self.hours.get(&hour).copied().unwrap_or(0)
    }

    /// The hours with a minute in the set, with their masks, ascending.
    pub fn masks(&self) -> impl Iterator<Item = (Hour, u64)> {
        self.hours.iter().map(|(hour, mask)| (*hour, *mask))
    }

    /// How many minutes the set holds.
    pub fn len(&self) -> usize {
        self.hours.values().map(|mask| mask.count_ones() as usize).sum()
    }

    /// Whether the set holds no minute.
    pub fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }

    /// The minutes, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Minute> {
        self.hours
            .iter()
            .flat_map(|(hour, mask)| (0..60).filter(move |bit| mask & (1 << bit) != 0).map(move |bit| hour.minute(bit)))
    }

    /// The earliest minute.
    pub fn first(&self) -> Option<Minute> {
        self.hours.first_key_value().map(|(hour, mask)| hour.minute(mask.trailing_zeros()))
    }

    /// The latest minute.
    pub fn last(&self) -> Option<Minute> {
        self.hours.last_key_value().map(|(hour, mask)| hour.minute(63 - mask.leading_zeros()))
    }

    /// The maximal runs of adjacent minutes, ascending.
    pub fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for minute in self.iter() {
            match runs.last_mut() {
                Some(run) if run.to == minute => run.to = minute + 1,
                _ => runs.push(Run { from: minute, to: minute + 1 }),
            }
        }
        runs
    }

    /// Minutes in either set.
    pub fn union(&self, other: &Self) -> Self {
        let mut set = self.clone();
        set.extend_set(other);
        set
    }

    /// Adds every minute of `other`.
    pub fn extend_set(&mut self, other: &Self) {
        for (hour, mask) in other.masks() {
            self.insert_mask(hour, mask);
        }
    }

    /// Minutes in this set and not in `other`.
    pub fn difference(&self, other: &Self) -> Self {
        self.combine(|hour, mask| mask & !other.mask(hour))
    }

    /// Minutes in both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(|hour, mask| mask & other.mask(hour))
    }

    /// The minutes of this set in `[from, to)`.
    pub fn within(&self, from: Minute, to: Minute) -> Self {
        self.intersection(&Self::between(from, to))
    }

    /// Whether every minute of this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.hours.iter().all(|(hour, mask)| mask & !other.mask(*hour) == 0)
    }

    /// Whether no minute is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.hours.iter().all(|(hour, mask)| mask & other.mask(*hour) == 0)
    }

    fn combine(&self, keep: impl Fn(Hour, u64) -> u64) -> Self {
        let hours = self.hours.iter().map(|(hour, mask)| (*hour, keep(*hour, *mask))).filter(|(_, mask)| *mask != 0);
        Self { hours: hours.collect() }
    }
}

impl FromIterator<Minute> for MinuteSet {
    fn from_iter<I: IntoIterator<Item = Minute>>(minutes: I) -> Self {
        let mut set = Self::new();
        set.extend(minutes);
        set
    }
}

impl Extend<Minute> for MinuteSet {
    fn extend<I: IntoIterator<Item = Minute>>(&mut self, minutes: I) {
        for minute in minutes {
            self.insert(minute);
        }
    }
}

/// The set as runs, for people and for messages: `14:30..14:52 on 2026-11-20` in full RFC 3339.
impl fmt::Display for MinuteSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, run) in self.runs().iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{}..{}", run.from, run.to)?;
        }
        Ok(())
    }
}

/// Stored as `{"<first minute of the hour>": "<mask as 15 hex digits>"}`.
impl Serialize for MinuteSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.masks().map(|(hour, mask)| (hour.minute(0), format!("{mask:015x}"))))
    }
}

impl<'de> Deserialize<'de> for MinuteSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut set = Self::new();
        for (first, mask) in <BTreeMap<Minute, String>>::deserialize(deserializer)? {
            let mask = u64::from_str_radix(&mask, 16).map_err(de::Error::custom)?;
            if first.of_hour() != 0 || mask & !HOUR_BITS != 0 {
                return Err(de::Error::custom(format!("not an hour's mask: `{first}` `{mask:x}`")));
            }
            set.insert_mask(first.hour(), mask);
        }
        Ok(set)
    }
}

/// What the lake holds of one symbol: the same facts its object footers carry.
///
/// Masks of several objects are joined, so a minute may be in more than one basis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Minutes with a row of each basis.
    pub by_basis: BTreeMap<Basis, MinuteSet>,
    /// Minutes with a row that was suspect when it was written.
    pub suspect: MinuteSet,
    /// Minutes with a row of a revision above 0.
    pub revised: MinuteSet,
}

impl Held {
    /// Minutes with any row at all.
    pub fn present(&self) -> MinuteSet {
        self.by_basis.values().fold(MinuteSet::new(), |all, set| all.union(set))
    }

    /// Suspect minutes that no correction has replaced.
    pub fn unrevised_suspects(&self) -> MinuteSet {
        self.suspect.difference(&self.revised)
    }

    /// Notes one row.
    pub fn note(&mut self, row: &Row) {
        self.by_basis.entry(row.basis).or_default().insert(row.minute);
        if row.is_suspect() {
            self.suspect.insert(row.minute);
        }
        if row.revision > 0 {
            self.revised.insert(row.minute);
        }
    }

    /// Joins what another object holds.
    pub fn join(&mut self, other: &Self) {
        for (basis, set) in &other.by_basis {
            self.by_basis.entry(*basis).or_default().extend_set(set);
        }
        self.suspect.extend_set(&other.suspect);
        self.revised.extend_set(&other.revised);
    }
}

/// What the lake holds, by symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Coverage(pub BTreeMap<Symbol, Held>);

impl Coverage {
    /// The coverage of these rows.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Self {
        let mut coverage = Self::default();
        for row in rows {
            coverage.0.entry(row.symbol.clone()).or_default().note(row);
        }
        coverage
    }

    /// What is held of this symbol, or nothing.
    pub fn get(&self, symbol: &Symbol) -> Option<&Held> {
        self.0.get(symbol)
    }

    /// Minutes of this symbol with any row.
    pub fn present(&self, symbol: &Symbol) -> MinuteSet {
        self.get(symbol).map(Held::present).unwrap_or_default()
    }

    /// Joins another coverage.
    pub fn join(&mut self, other: &Self) {
        for (symbol, held) in &other.0 {
            self.0.entry(symbol.clone()).or_default().join(held);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn minute(index: i64) -> Minute {
        Minute::from_index(index)
    }

    /// Minutes around an hour boundary, before the epoch included: where masks go wrong.
    fn indexes() -> impl Strategy<Value = BTreeSet<i64>> {
        prop::collection::btree_set(-130_i64..130, 0..80)
    }

    fn set(indexes: &BTreeSet<i64>) -> MinuteSet {
        indexes.iter().map(|i| minute(*i)).collect()
    }

    fn back(set: &MinuteSet) -> BTreeSet<i64> {
        set.iter().map(Minute::index).collect()
    }

    proptest! {
        #[test]
        fn the_algebra_is_that_of_sets(a in indexes(), b in indexes(), from in -130_i64..130, len in -10_i64..150) {
            let (x, y) = (set(&a), set(&b));
            prop_assert_eq!(back(&x), a.clone());
            prop_assert_eq!(x.len(), a.len());
            prop_assert_eq!(back(&x.union(&y)), &a | &b);
            prop_assert_eq!(back(&x.difference(&y)), &a - &b);
            prop_assert_eq!(back(&x.intersection(&y)), &a & &b);
            prop_assert_eq!(x.is_subset(&y), a.is_subset(&b));
            prop_assert_eq!(x.is_disjoint(&y), a.is_disjoint(&b));
            prop_assert_eq!(x.first().map(Minute::index), a.first().copied());
            prop_assert_eq!(x.last().map(Minute::index), a.last().copied());
            let range: BTreeSet<i64> = (from..from + len).collect();
            prop_assert_eq!(back(&MinuteSet::between(minute(from), minute(from + len))), range.clone());
            prop_assert_eq!(back(&x.within(minute(from), minute(from + len))), &a & &range);
        }

        #[test]
        fn equal_sets_are_equal_however_they_were_made(a in indexes(), b in indexes()) {
            let mut grown = set(&a);
            for i in &b { grown.insert(minute(*i)); }
            for i in &b { prop_assert!(grown.remove(minute(*i))); }
            prop_assert_eq!(grown, set(&(&a - &b)));
        }

        #[test]
        fn runs_are_maximal_and_cover_the_set(a in indexes()) {
            let x = set(&a);
            let runs = x.runs();
            let covered: MinuteSet = runs.iter().flat_map(|r| r.from.until(r.to)).collect();
            prop_assert_eq!(covered, x);
            prop_assert!(runs.windows(2).all(|w| w[0].to < w[1].from));
        }

        #[test]
        fn the_stored_form_reads_back(a in indexes()) {
            let json = serde_json::to_string(&set(&a)).expect("json");
            prop_assert_eq!(serde_json::from_str::<MinuteSet>(&json).expect(&json), set(&a));
        }
    }

    #[test]
    fn a_mask_with_a_sixty_first_bit_is_refused() {
        let json = r#"{"2026-11-20T14:00:00Z":"1000000000000000"}"#;
        assert!(serde_json::from_str::<MinuteSet>(json).is_err());
        let inside = r#"{"2026-11-20T14:30:00Z":"1"}"#;
        assert!(serde_json::from_str::<MinuteSet>(inside).is_err());
    }
}
