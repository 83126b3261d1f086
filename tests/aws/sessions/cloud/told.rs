//! What functions reported, as far as scenarios look at it.

use std::collections::BTreeMap;

use mendlake_ingest::{CollectReport, RequestReport};
use mendlake_reconcile::{ReconcileReport, ReplayReport};

use super::function::{Ended, Stage};

/// Reports, counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Invocations by function and end.
    pub(crate) invocations: BTreeMap<(Stage, &'static str), usize>,
    /// The newest failure of each function.
    pub(crate) failures: BTreeMap<Stage, String>,
    /// Invocations that handed something back.
    pub(crate) handed_back: BTreeMap<Stage, usize>,
    /// Ticks by outcome.
    pub(crate) ticks: BTreeMap<String, usize>,
    /// Quotes in the stream.
    pub(crate) sampled: usize,
    /// Symbols without one, by why.
    pub(crate) missed: BTreeMap<String, usize>,
    /// Reconciliations, in order.
    pub(crate) reconciled: Vec<ReconcileReport>,
    /// Healed rows put into the stream.
    pub(crate) healed: usize,
    /// Messages that were given up.
    pub(crate) dead: BTreeMap<Stage, usize>,
    /// Messages that were done, came again and again, and then went to the dead letters.
    pub(crate) dead_though_done: usize,
}

impl Told {
    pub(super) fn ended(&mut self, stage: Stage, ended: &Ended) {
        *self.invocations.entry((stage, ended.name())).or_default() += 1;
        match ended {
            Ended::Failed(chain) => drop(self.failures.insert(stage, chain.clone())),
            Ended::Answered(left) if !left.is_empty() => *self.handed_back.entry(stage).or_default() += 1,
            _ => {}
        }
    }

    pub(super) fn requested(&mut self, report: &RequestReport) {
        *self.ticks.entry(format!("{:?}", report.outcome)).or_default() += 1;
    }

    pub(super) fn collected(&mut self, reports: &[CollectReport]) {
        for report in reports {
            self.sampled += report.accepted;
            for (why, symbols) in &report.missed {
                *self.missed.entry(why.clone()).or_default() += symbols;
            }
        }
    }

    pub(super) fn replayed(&mut self, reports: &[ReplayReport]) {
        self.healed += reports.iter().flat_map(|report| report.healed.values()).sum::<usize>();
    }

    /// In lines for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let invocations =
            self.invocations.iter().map(|((stage, end), times)| format!("{} {end} {times}", stage.name()));
        lines.push(format!("invocations: {}", invocations.collect::<Vec<_>>().join(", ")));
        let back = self.handed_back.iter().map(|(stage, times)| format!("{} {times}", stage.name()));
        lines.push(format!("handed back: {}", back.collect::<Vec<_>>().join(", ")));
        let dead =
            self.dead.iter().filter(|(_, dead)| **dead > 0).map(|(stage, dead)| format!("{} {dead}", stage.name()));
        let dead = dead.collect::<Vec<_>>().join(", ");
        lines.push(format!(
            "ticks {:?}, dead letters: {} that were done before, others: {dead}",
            self.ticks, self.dead_though_done
        ));
        lines.push(format!("sampled {}, missed {:?}, healed {}", self.sampled, self.missed, self.healed));
        lines.extend(self.failures.iter().map(|(stage, chain)| format!("{} failed, at last: {chain}", stage.name())));
        lines
    }
}
