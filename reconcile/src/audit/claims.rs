//! What statuses and rows say of the watchlist, and it of them: neither can go missing without the other telling.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use mendlake_domain::coverage::Coverage;
use mendlake_domain::law::Violation;
use mendlake_domain::status::SessionStatus;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::control::{self, Control};
use mendlake_ports::error::Result;

use super::Auditor;

/// What to do where entries of the watchlist are gone.
const RESTORE: &str = "restore `control/watchlist` from a copy, it cannot be derived";

/// The most symbols that one finding names.
const MOST_NAMED: usize = 5;

impl Auditor {
    /// Of these symbols, those that no entry of the watchlist names.
    pub(super) async fn strangers(
        &mut self,
        lake: &impl Control,
        symbols: &BTreeSet<Symbol>,
    ) -> Result<BTreeSet<Symbol>> {
        if !symbols.is_subset(&self.named) {
            // Whoever works on the lake may have been told of a symbol since the audit began.
            self.named.extend(control::watchlist(lake).await?.ever());
        }
        Ok(symbols.difference(&self.named).cloned().collect())
    }

    /// What the lake holds of a symbol that no entry of the watchlist names.
    pub(super) fn stranger(&mut self, on: NaiveDate, symbol: &Symbol, statuses: &[SessionStatus], coverage: &Coverage) {
        let held = coverage.present(symbol).len();
        let told = statuses.iter().find(|status| status.symbol == *symbol);
        let told = told.map(|status| format!(" and a status of {} expected ones", status.expected)).unwrap_or_default();
        self.found(format!(
            "session {on} has {held} minutes of `{symbol}`{told}, which no entry of the watchlist names: {RESTORE}"
        ));
    }

    /// Law 2: what a status claims present can be read.
    pub(super) fn statuses(&mut self, statuses: &[SessionStatus], coverage: &Coverage) {
        for status in statuses {
            let held = coverage.present(&status.symbol).within(status.open, status.close).len();
            let claimed = status.present_minutes() as usize;
            if held < claimed {
                let (on, symbol) = (status.on, &status.symbol);
                let how = format!("the status of `{symbol}` on {on} counts {claimed} minutes, the lake holds {held}");
                let (law, name) = (2, "the lake is the truth");
                self.law(Err(Violation { law, name, how }));
            }
        }
    }

    /// Symbols without a status, of a session that was over when the last run looked at it: a run records itself only after
    /// every status it owes is in the lake, and looks at each session once its last minute has settled.
    pub(super) fn untold(&mut self, on: NaiveDate, statuses: &[SessionStatus]) -> Result<()> {
        let Some(then) = self.then.as_ref() else { return Ok(()) };
        if !then.is_over(on)? {
            return Ok(());
        }
        let told: BTreeSet<&Symbol> = statuses.iter().map(|status| &status.symbol).collect();
        let mut untold = Vec::new();
        for symbol in then.watchlist.ever().into_iter().filter(|symbol| !told.contains(symbol)) {
            // A run may know a little more than what was entered before it began.
            if !then.whole(on, &symbol)?.is_empty() && !self.now.whole(on, &symbol)?.is_empty() {
                untold.push(symbol);
            }
        }
        if untold.is_empty() {
            return Ok(());
        }
        let named: Vec<String> = untold.iter().take(MOST_NAMED).map(|symbol| format!("`{symbol}`")).collect();
        let more = untold.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        self.found(format!(
            "session {on} is over and has no status of {}{more}: `mendlake reconcile --window morning` writes those of the \
             last week again, `mendlake verify --rebuild-ledger` all",
            named.join(" ")
        ));
        Ok(())
    }

    /// Statuses that counted more minutes as expected than are now. Later entries of the watchlist only add to what is past:
    /// where it is less, entries are gone. Only of completed runs, which saw no entry that this audit did not.
    pub(super) fn forgotten(&mut self, statuses: &[SessionStatus], strangers: &BTreeSet<Symbol>) -> Result<()> {
        let Some(through) = self.report.reconciled_through else { return Ok(()) };
        for status in statuses.iter().filter(|status| status.as_of <= through && !strangers.contains(&status.symbol)) {
            let (on, symbol, counted) = (status.on, &status.symbol, status.expected as usize);
            // What an overlay removed since, the next run takes out of the status.
            let mut expected = self.now.whole(on, symbol)?.len();
            if let Some(then) = &self.then {
                expected = expected.max(then.whole(on, symbol)?.len());
            }
            if counted > expected {
                self.found(format!(
                    "the status of `{symbol}` on {on} counts {counted} expected minutes, the watchlist and the overlay \
                     {expected}: {RESTORE}"
                ));
            }
        }
        Ok(())
    }
}
