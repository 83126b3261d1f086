//! What the vendors were asked, for those who test how they are asked.

use std::collections::{BTreeMap, VecDeque};

use mendlake_domain::minute::Timestamp;

use super::asked::{Endpoint, Provider};

/// How many calls are kept one by one; of earlier ones only their counts. A session of 50 symbols makes 25,000.
const KEPT: usize = 500_000;

/// One call as the vendor saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it was answered.
    pub at: Timestamp,
    /// By whom.
    pub provider: Provider,
    /// What was asked.
    pub endpoint: Endpoint,
    /// The symbol, or the first of several.
    pub symbol: Option<String>,
    /// The version of the key; `None` where the key was missing or wrong.
    pub account: Option<String>,
    /// Whether the key stood in the URL.
    pub key_in_url: bool,
    /// The status of the answer, delivered or not.
    pub status: u16,
    /// The fault that hit it, where one did.
    pub fault: Option<&'static str>,
}

/// Every call so far, in the order in which they were answered.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    kept: VecDeque<Call>,
    counts: BTreeMap<(Provider, Endpoint, u16), u64>,
}

impl Calls {
    pub(super) fn add(&mut self, call: Call) {
        *self.counts.entry((call.provider, call.endpoint, call.status)).or_default() += 1;
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(call);
    }

    /// The calls, oldest first: all of them up to half a million, then the newest.
    pub fn iter(&self) -> impl Iterator<Item = &Call> {
        self.kept.iter()
    }

    /// How many calls there were, whatever is kept, by vendor, endpoint and status.
    pub fn counts(&self) -> &BTreeMap<(Provider, Endpoint, u16), u64> {
        &self.counts
    }

    /// The most calls of a vendor, of those for which `counted` holds, within any `ms` milliseconds: from one instant to,
    /// not including, `ms` later.
    pub fn most_within(&self, provider: Provider, ms: i64, counted: impl Fn(&Call) -> bool) -> usize {
        let mut times: Vec<_> =
            self.kept.iter().filter(|c| c.provider == provider && counted(c)).map(|c| c.at).collect();
        times.sort_unstable();
        let within = |(first, at): (usize, &Timestamp)| times.partition_point(|other| other.ms_since(*at) < ms) - first;
        times.iter().enumerate().map(within).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_within_a_second_looks_at_every_second_not_the_clocks() {
        let mut calls = Calls::default();
        for (ms, status) in [(0, 200), (600, 200), (900, 429), (1_200, 200), (1_300, 200), (1_600, 200)] {
            calls.add(Call {
                at: Timestamp::from_epoch_ms(ms),
                provider: Provider::Finnhub,
                endpoint: Endpoint::Quote,
                symbol: None,
                account: None,
                key_in_url: false,
                status,
                fault: None,
            });
        }
        assert_eq!(calls.most_within(Provider::Finnhub, 1000, |_| true), 4);
        assert_eq!(calls.most_within(Provider::Finnhub, 1001, |c| c.status == 200), 4);
        assert_eq!(calls.most_within(Provider::Alpaca, 1000, |_| true), 0);
        assert_eq!(calls.counts()[&(Provider::Finnhub, Endpoint::Quote, 200)], 5);
    }
}
