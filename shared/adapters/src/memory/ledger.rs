//! The ledger in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use chrono::NaiveDate;
use mendlake_domain::gap::Gap;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::SourceName;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::budget::{Budget, Reservation};
use mendlake_ports::error::Result;
use mendlake_ports::expectations::{Expectation, Expectations};
use mendlake_ports::gaps::{Gaps, VersionedGap, Write};
use mendlake_ports::landing::{self, Landing};
use mendlake_ports::runs::{Run, Runs};
use mendlake_ports::source_states::{SourceState, SourceStates};

use super::locked;

/// The ledger in memory: every call is one step, whoever else calls. Nothing is ever pruned.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    budget: BTreeMap<(SourceName, Minute), Minutes>,
    expectations: BTreeMap<Minute, Expectation>,
    gaps: BTreeMap<(NaiveDate, Symbol), VersionedGap>,
    sources: BTreeMap<(SourceName, String), SourceState>,
    landed: BTreeMap<String, Timestamp>,
    runs: BTreeMap<(Timestamp, String), Run>,
}

/// What of a provider's minute is given away.
#[derive(Debug, Default)]
struct Minutes {
    /// The live calls, once reserved.
    live: Option<u32>,
    leased: u32,
    /// The smallest share asked with.
    share: Option<u32>,
}

impl MemoryLedger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Budget for MemoryLedger {
    async fn reserve_live(&self, provider: &SourceName, minute: Minute, calls: u32) -> Result<Reservation> {
        let mut state = locked(&self.state);
        let given = state.budget.entry((provider.clone(), minute)).or_default();
        if given.live.is_some() {
            return Ok(Reservation::AlreadyReserved);
        }
        given.live = Some(calls);
        Ok(Reservation::Reserved)
    }

    async fn lease_replay(&self, provider: &SourceName, minute: Minute, calls: u32, share: u32) -> Result<u32> {
        let mut state = locked(&self.state);
        let given = state.budget.entry((provider.clone(), minute)).or_default();
        let share = given.share.map_or(share, |smallest| smallest.min(share));
        let lease = calls.min(share.saturating_sub(given.leased));
        given.share = Some(share);
        given.leased += lease;
        Ok(lease)
    }
}

impl Expectations for MemoryLedger {
    async fn record(&self, expectation: &Expectation) -> Result<()> {
        locked(&self.state).expectations.insert(expectation.minute, expectation.clone());
        Ok(())
    }

    async fn expectations(&self, from: Minute, to: Minute) -> Result<Vec<Expectation>> {
        // `max`: a map's range panics where its start is after its end.
        Ok(locked(&self.state).expectations.range(from..to.max(from)).map(|(_, e)| e.clone()).collect())
    }
}

impl Gaps for MemoryLedger {
    async fn gap(&self, on: NaiveDate, symbol: &Symbol) -> Result<Option<VersionedGap>> {
        Ok(locked(&self.state).gaps.get(&(on, symbol.clone())).cloned())
    }

    async fn pending(&self) -> Result<Vec<VersionedGap>> {
        Ok(locked(&self.state).gaps.values().filter(|item| item.gap.is_pending()).cloned().collect())
    }

    async fn of_session(&self, on: NaiveDate) -> Result<Vec<VersionedGap>> {
        Ok(locked(&self.state).gaps.values().filter(|item| item.gap.on == on).cloned().collect())
    }

    async fn write(&self, gap: &Gap, version: u64) -> Result<Write> {
        let mut state = locked(&self.state);
        let key = (gap.on, gap.symbol.clone());
        if state.gaps.get(&key).map_or(0, |stored| stored.version) != version {
            return Ok(Write::Conflict);
        }
        state.gaps.insert(key, VersionedGap { gap: gap.clone(), version: version + 1 });
        Ok(Write::Stored(version + 1))
    }
}

impl SourceStates for MemoryLedger {
    async fn state(&self, source: &SourceName, endpoint: &str) -> Result<SourceState> {
        let key = (source.clone(), endpoint.to_owned());
        Ok(locked(&self.state).sources.get(&key).cloned().unwrap_or_default())
    }

    async fn set_state(&self, source: &SourceName, endpoint: &str, state: &SourceState) -> Result<()> {
        locked(&self.state).sources.insert((source.clone(), endpoint.to_owned()), state.clone());
        Ok(())
    }
}

impl Landing for MemoryLedger {
    async fn note_landed(&self, shard: &str, through: Timestamp) -> Result<()> {
        let mut state = locked(&self.state);
        let mark = state.landed.entry(shard.to_owned()).or_insert(through);
        *mark = through.max(*mark);
        Ok(())
    }

    async fn landed_through(&self) -> Result<Option<Timestamp>> {
        Ok(landing::through(locked(&self.state).landed.values().copied()))
    }
}

impl Runs for MemoryLedger {
    async fn record_run(&self, run: &Run) -> Result<()> {
        locked(&self.state).runs.insert((run.at, run.id.clone()), run.clone());
        Ok(())
    }

    async fn last_run(&self) -> Result<Option<Run>> {
        Ok(locked(&self.state).runs.last_key_value().map(|(_, run)| run.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mendlake_ports::contracts::{Fresh, budget, expectations, gaps, landing, runs, source_states};

    use super::*;

    #[tokio::test]
    async fn the_memory_ledger_keeps_its_contracts() {
        let ledger = MemoryLedger::new();
        landing::all(&ledger).await;
        for run in 0..2 {
            let fresh = Fresh(run);
            budget::all(&ledger, fresh).await;
            expectations::all(&ledger, fresh).await;
            gaps::all(&ledger, fresh).await;
            source_states::all(&ledger, fresh).await;
            runs::all(&ledger, fresh).await;
        }
    }

    #[test]
    fn threads_lose_races_as_tasks_do() {
        let ledger = Arc::new(MemoryLedger::new());
        let racers = std::array::from_fn::<_, 4, _>(|_| {
            let ledger = Arc::clone(&ledger);
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(race(&ledger))
            })
        });
        let won: Vec<_> = racers.into_iter().map(|racer| racer.join().unwrap()).collect();
        let sum = |f: fn(&(u32, u32)) -> u32| won.iter().map(f).sum::<u32>();
        assert_eq!((sum(|w| w.0), sum(|w| w.1)), (200, 200 * 10));
    }

    /// Two hundred minutes: how many this one reserved, and how many calls it leased.
    async fn race(ledger: &MemoryLedger) -> (u32, u32) {
        let provider = "finnhub".parse().unwrap();
        let mut won = (0, 0);
        for minute in (0..200).map(Minute::from_index) {
            won.0 += u32::from(ledger.reserve_live(&provider, minute, 1).await.unwrap() == Reservation::Reserved);
            won.1 += ledger.lease_replay(&provider, minute, 4, 10).await.unwrap();
        }
        won
    }
}
