//! What a played session is held to: what the core's acceptance asserts, and that nothing was lost on AWS's ways.

use std::collections::BTreeSet;

use mendlake::rehearsal::truth::Judgement;
use mendlake_domain::law;
use mendlake_domain::quote::Row;
use mendlake_domain::record;

use crate::play::Played;

impl Played {
    /// Everything that is not as it should be.
    pub(crate) fn complaints(&self, expected_minutes: usize) -> Vec<String> {
        let mut complaints = self.outcome.complaints(expected_minutes);
        if !self.whole {
            complaints.push(format!("not every status is final by {}", self.ended_at));
        }
        match self.told.reconciled.last() {
            Some(last) if last.open_gaps == 0 && last.unrecoverable.values().sum::<usize>() == 0 => {}
            last => complaints.push(format!("the last reconciliation: {last:?}")),
        }
        let wrong = self.outcome.judged(Judgement::Wrong);
        complaints.extend(wrong.first().map(|row| format!("{} wrong prices, the first: {row:?}", wrong.len())));
        complaints.extend(self.lost());
        let calls = self.vendor.calls();
        let refused = calls.iter().filter(|call| call.status == 429 && call.fault.is_none()).count();
        if refused > 0 {
            complaints.push(format!("{refused} calls over the vendor's rate: replay spends what live leaves"));
        }
        complaints
    }

    /// Rows that the stream accepted and the lake does not hold, and rows of the lake that came from nowhere.
    fn lost(&self) -> Vec<String> {
        let rows = self.accepted.iter().flat_map(|arrival| record::decode(&arrival.data).rows);
        let accepted: BTreeSet<String> = rows.map(|row| named(&row)).collect();
        let landed: BTreeSet<String> = self.outcome.rows.iter().map(|stored| named(&stored.row)).collect();
        let accounted: BTreeSet<&str> = landed.iter().map(String::as_str).collect();
        let by_law = law::nothing_lost(accepted.iter().map(String::as_str), &accounted).err();
        let lost = accepted.difference(&landed).count();
        let mut found = landed.difference(&accepted);
        let mut complaints = Vec::from_iter(by_law.map(|law| format!("{law}; {lost} rows are lost")));
        complaints.extend(found.next().map(|row| format!("{} rows came from nowhere: {row}", 1 + found.count())));
        complaints
    }

    /// Prints what came of it.
    #[expect(clippy::print_stdout, reason = "a test's report is for whoever runs it")]
    pub(crate) fn report(&self) {
        for line in self.outcome.told().into_iter().chain(self.told.lines()) {
            println!("  {line}");
        }
        let hits = self.faults.hits();
        let hits: Vec<String> = hits.iter().map(|((what, of), times)| format!("{of:?} {what} {times}")).collect();
        println!("  faults on the way: {}", if hits.is_empty() { "none".to_owned() } else { hits.join(", ") });
        println!("  {} records in the stream, ended {}", self.accepted.len(), self.ended_at);
    }
}

/// A row as the stream has it.
fn named(row: &Row) -> String {
    format!("{} {} {} {} {} {}", row.symbol, row.minute, row.basis, row.source, row.observed_at, row.revision)
}
