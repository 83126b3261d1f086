//! Failures of stages: told a few times each, then counted; and when there are too many for too long.

use std::collections::BTreeMap;

use mendlake_domain::minute::Timestamp;

/// How often the same trouble is told.
const TOLD: usize = 3;

/// A stage that fails for this long will not be mended while a demo runs: nobody has a minute to make room.
const HOPELESS_MS: i64 = 3_600_000;

/// Failures of a stage that are further apart are two troubles. Stages are tried again every minute, some every five, and
/// the scheduler of the bad day is dead for seventeen.
const APART_MS: i64 = 30 * 60_000;

/// What has gone wrong so far.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    counts: BTreeMap<Same, Count>,
    failing: BTreeMap<&'static str, Stretch>,
}

/// What makes two failures the same trouble: the stage, and the last cause, since what is before it names files.
type Same = (&'static str, String);

#[derive(Debug, Default)]
struct Count {
    all: usize,
    untold: usize,
}

/// A stage's failures without a success between them.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    since: Timestamp,
    last: Timestamp,
}

/// What is to be done about a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What to say of it; nothing where the same has been said often enough.
    pub(super) line: Option<String>,
    /// Why to go on no longer, where that is so.
    pub(super) hopeless: Option<String>,
}

impl Trouble {
    /// Notes a failure.
    pub(super) fn failed(&mut self, at: Timestamp, stage: &'static str, chain: &str) -> Verdict {
        let count = self.counts.entry((stage, cause(chain).to_owned())).or_default();
        count.all += 1;
        let line = (count.all <= TOLD).then(|| {
            let counted = if count.all == TOLD { " (from now on only counted)" } else { "" };
            format!("{stage} failed and is tried again: {chain}{counted}")
        });
        count.untold += usize::from(line.is_none());
        let begins = Stretch { since: at, last: at };
        let stretch = self.failing.entry(stage).or_insert(begins);
        if at.ms_since(stretch.last) > APART_MS {
            *stretch = begins;
        }
        stretch.last = at;
        let hopeless = at.ms_since(stretch.since) >= HOPELESS_MS;
        let hopeless =
            hopeless.then(|| format!("`{stage}` has failed for an hour of the demo's time, at last with: {chain}"));
        Verdict { line, hopeless }
    }

    /// Notes that a stage did what it is for.
    pub(super) fn worked(&mut self, stage: &'static str) {
        self.failing.remove(stage);
    }

    /// A line for each trouble that was only counted since this was last asked.
    pub(super) fn counted(&mut self) -> Vec<String> {
        let more = self.counts.iter_mut().filter(|(_, count)| count.untold > 0);
        let told = |((stage, cause), count): (&Same, &mut Count)| match std::mem::take(&mut count.untold) {
            1 => format!("{stage} failed once more: {cause}"),
            untold => format!("{stage} failed {untold} times more: {cause}"),
        };
        more.map(told).collect()
    }

    /// How many failures there were.
    pub(super) fn failures(&self) -> usize {
        self.counts.values().map(|count| count.all).sum()
    }
}

fn cause(chain: &str) -> &str {
    chain.rsplit(": ").next().unwrap_or(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_epoch_s(1_795_185_000 + minute * 60)
    }

    fn full(file: i64) -> String {
        format!("publish: write `{file}.parquet`: No space left on device (os error 28)")
    }

    #[test]
    fn the_same_trouble_is_told_a_few_times_and_then_counted() {
        let mut trouble = Trouble::default();
        let told: Vec<String> =
            (0..40).filter_map(|minute| trouble.failed(at(minute), "land", &full(minute)).line).collect();
        assert_eq!(told.len(), 3);
        assert!(
            told[0].contains("tried again: publish") && told[2].ends_with("(from now on only counted)"),
            "{told:?}"
        );
        assert_eq!(trouble.counted(), ["land failed 37 times more: No space left on device (os error 28)"]);
        assert!(trouble.counted().is_empty(), "told once");
        assert!(trouble.failed(at(41), "land", "publish: it is locked").line.is_some(), "another trouble");
        assert!(trouble.failed(at(41), "request", &full(0)).line.is_some(), "another stage");
        assert_eq!(trouble.failures(), 42);
    }

    #[test]
    fn a_stage_that_fails_for_an_hour_is_hopeless_and_one_that_works_between_is_not() {
        let mut trouble = Trouble::default();
        let mut hopeless = |minute| trouble.failed(at(minute), "land", &full(minute)).hopeless;
        assert!((0..60).all(|minute| hopeless(minute).is_none()));
        assert!(hopeless(60).is_some_and(|why| why.contains("`land`") && why.contains("No space left")));
        trouble.worked("land");
        let mut hopeless = |minute| trouble.failed(at(minute), "land", &full(minute)).hopeless;
        assert!((61..121).all(|minute| hopeless(minute).is_none()));
        assert!(hopeless(121).is_some());
        assert!(hopeless(200).is_none(), "nothing failed for longer than half an hour");
    }
}
