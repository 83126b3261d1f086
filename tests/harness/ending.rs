//! The end of a world: faults have stopped long ago, and the lake must be whole.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use mendlake_domain::calendar::{Calendar, Session};
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::{Basis, StoredRow};
use mendlake_domain::symbol::Symbol;
use mendlake_ports::sessions::Sessions;
use mendlake_reconcile::{ReconcileReport, audit};

use crate::audit::{Audit, broken};
use crate::judge::Judge;
use crate::model::{Model, current};
use crate::place::{SimPlace, now};
use crate::state::{State, states, tables};

/// The run without candles that is quiet where nothing is known of a symbol, in minutes.
const QUIET_WITHOUT_HISTORY: i64 = 3;

impl Audit {
    /// The end: faults have stopped long ago, and the lake must be whole.
    pub fn whole(&mut self, place: &SimPlace, last: &ReconcileReport) -> Result<(), String> {
        tables(place)?;
        self.nothing_lost(place)?;
        self.live_first(place)?;
        if let Some(data) = self.under_way.first() {
            return Err(broken(
                6,
                "nothing accepted is lost",
                format!("never landed: {}", String::from_utf8_lossy(data)),
            ));
        }
        if last.suspects > 0 && self.script.heals() {
            return Err(format!("{} suspects are not decided in the end", last.suspects));
        }
        let model = Model::of(place);
        let rows = place.true_lake().every_row();
        let best = current(&rows);
        for (symbol, session, state) in states(place, &model, self.script.settings.horizon(last.at)) {
            self.symbol_session(place, &symbol, session, &state, &best)?;
        }
        self.nothing_outside(&model, &best)?;
        self.verified(place, last)
    }

    /// What `mendlake verify` would say of this lake: nothing.
    pub(crate) fn verified(&self, place: &SimPlace, last: &ReconcileReport) -> Result<(), String> {
        let (lake, ledger) = (place.true_lake(), place.true_ledger());
        let oldest = lake.objects().first().map(|(dt, _)| *dt);
        let report = now(audit(lake, Some(ledger), &self.script.settings, oldest, last.at));
        // A row that was read before the clock was set back seems stored before it was known.
        let of_clock = |finding: &String| self.set_back.is_some() && finding.starts_with("law 4 ");
        match report.findings.into_iter().find(|finding| !of_clock(finding)) {
            None => Ok(()),
            Some(finding) => Err(format!("`mendlake verify` would find: {finding}")),
        }
    }

    fn symbol_session(
        &mut self,
        place: &SimPlace,
        symbol: &Symbol,
        session: Session,
        state: &State,
        best: &BTreeMap<(Symbol, Minute), &StoredRow>,
    ) -> Result<(), String> {
        let of = |minute: Minute| best.get(&(symbol.clone(), minute)).copied();
        let rows: Vec<&StoredRow> = session.minutes().iter().filter_map(of).collect();
        let judge = Judge::new(place, symbol, session, self.script.heals(), self.quiet_limit(place, symbol, &session));
        for minute in state.expected.iter() {
            let given_up = state.verdicts.iter().find(|(_, minutes)| minutes.contains(minute)).map(|(why, _)| *why);
            match (of(minute), given_up) {
                (Some(stored), _) => {
                    self.add(
                        &format!(
                            "in the end {}{}",
                            stored.row.basis,
                            if stored.row.revision > 0 { ", corrected" } else { "" }
                        ),
                        1,
                    );
                    judge.row(stored, &rows)?;
                }
                (None, Some(why)) => {
                    self.add(&format!("in the end {}", why.as_str()), 1);
                    judge.given_up(minute, why)?;
                }
                (None, None) if !self.script.heals() && state.not_entitled.contains(minute) => {
                    self.count("in the end not entitled");
                }
                (None, None) => return Err(format!("`{symbol}` {minute} is open in the end: {:?}", state.reasons)),
            }
        }
        self.status(place, symbol, &session, state)
    }

    /// The longest run without candles that the pipeline may take for quiet, from what it knew of the sessions before.
    fn quiet_limit(&self, place: &SimPlace, symbol: &Symbol, session: &Session) -> i64 {
        let days = (1..=15).filter_map(|back| session.on.checked_sub_days(chrono::Days::new(back)));
        let before: Vec<NaiveDate> = days.filter(|day| place.truth.session(*day).is_some()).take(5).collect();
        let told = before.iter().flat_map(|day| now(place.true_lake().current(*day, *day)));
        let runs = told.filter(|status| status.symbol == *symbol).filter_map(|status| status.longest_quiet_run);
        runs.map(i64::from).max().unwrap_or(0).max(QUIET_WITHOUT_HISTORY)
    }

    /// The table of sessions says what the other says.
    fn status(&self, place: &SimPlace, symbol: &Symbol, session: &Session, state: &State) -> Result<(), String> {
        if state.expected.is_empty() {
            return Ok(());
        }
        let told = now(place.true_lake().current(session.on, session.on));
        let Some(status) = told.into_iter().find(|status| status.symbol == *symbol) else {
            return Err(format!("no status of `{symbol}` on {}", session.on));
        };
        let present = state.present.intersection(&state.expected).len();
        let given_up = state.given_up().intersection(&state.expected).difference(&state.present).len();
        let counted = [status.expected, status.present_minutes(), status.gaps, status.unrecoverable.values().sum()];
        let there = [state.expected.len(), present, state.open.len(), given_up];
        if counted.map(|n| n as usize) != there || status.close != session.close {
            return Err(format!("the status of `{symbol}` on {} says {counted:?}, there are {there:?}", session.on));
        }
        if status.is_final != state.open.is_empty() && self.script.heals() {
            return Err(format!("the status of `{symbol}` on {} says final: {}", session.on, status.is_final));
        }
        Ok(())
    }

    /// Nothing was healed that nobody wanted, and nothing after a close.
    fn nothing_outside(&self, model: &Model, best: &BTreeMap<(Symbol, Minute), &StoredRow>) -> Result<(), String> {
        let far = self.script.end.minute();
        for ((symbol, minute), stored) in best {
            let day = Calendar::Xnys.day_of(*minute);
            let expected = model.session(day).is_some_and(|s| model.expected(&s, symbol, far).contains(*minute));
            // At the very instant of a close that nobody announced, the price of the last trade is nobody's mistake.
            let at_close = model.session(day).is_some_and(|s| s.close == *minute);
            if !expected && !at_close && stored.row.basis != Basis::Quote {
                return Err(format!("`{symbol}` {minute} was healed ({}) and nobody expects it", stored.row.basis));
            }
        }
        Ok(())
    }
}
