//! The laws, audited while the world goes on and when it is over.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::law::{self, Violation};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::StoredRow;
use mendlake_domain::settings::replay_share;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::gaps::Gaps;
use mendlake_ports::set_aside::SetAside;
use mendlake_ports::stream::StreamConsumer;
use mendlake_reconcile::ReconcileReport;

use crate::model::Model;
use crate::place::{SimPlace, now};
use crate::script::Script;
use crate::state::{landed, live_symbols, price_of_its_trade, states, tables};

/// Open minutes by symbol-session.
pub type Open = BTreeMap<(NaiveDate, Symbol), MinuteSet>;

/// A replay may have read the watchlist that long ago, in milliseconds.
const STALE_LIST_MS: i64 = 180_000;

/// Audits one world.
pub struct Audit {
    pub(crate) script: Script,
    counts: BTreeMap<String, usize>,
    pub(crate) set_back: Option<(Timestamp, i64)>,
    /// Accepted records that have not been seen in the lake yet.
    pub(crate) under_way: Vec<Vec<u8>>,
    /// Whether rows were published since the tables were looked at.
    published: bool,
    requests: usize,
    candle_calls: BTreeMap<Minute, usize>,
}

impl Audit {
    /// The audit of a script.
    pub fn new(script: &Script) -> Self {
        Self {
            script: script.clone(),
            counts: BTreeMap::from([("worlds".to_owned(), 1)]),
            set_back: None,
            under_way: Vec::new(),
            published: false,
            requests: 0,
            candle_calls: BTreeMap::new(),
        }
    }

    /// Counts something.
    pub fn count(&mut self, what: &str) {
        self.add(what, 1);
    }

    pub(crate) fn add(&mut self, what: &str, n: usize) {
        if n > 0 {
            *self.counts.entry(what.to_owned()).or_default() += n;
        }
    }

    /// Everything counted.
    pub fn into_counts(self) -> BTreeMap<String, usize> {
        self.counts
    }

    /// Remembers that times are not comparable across this.
    pub fn clock_set_back(&mut self, at: Timestamp, ms: i64) {
        self.set_back = Some((at, ms));
    }

    /// Laws 3 and 4, of rows that were just published.
    pub fn published(&mut self, place: &SimPlace, rows: &[StoredRow]) -> Result<(), String> {
        self.published = true;
        self.add("rows published", rows.len());
        let calendar = place.truth.calendar();
        for stored in rows {
            let row = &stored.row;
            if !place.served.has_price(&row.symbol, row.price.get()) {
                let how = format!("no answer for `{}` {} held the price {}", row.symbol, row.minute, row.price);
                return Err(broken(3, "no invention", how));
            }
            law::not_invented(row).map_err(told)?;
            let session = calendar.session_on(calendar.day_of(row.minute)).ok().flatten();
            let session = session.ok_or_else(|| format!("`{}` {} lies in no session", row.symbol, row.minute))?;
            law::no_look_ahead(row, &session).map_err(told)?;
            price_of_its_trade(place, stored)?;
            let behind_ms = self.set_back.map_or(0, |(_, ms)| ms);
            let known = StoredRow { stored_at: stored.stored_at.plus_ms(behind_ms), ..stored.clone() };
            law::known_before_stored(&known).map_err(told)?;
        }
        Ok(())
    }

    /// Everything that must hold after a completed reconciliation, whoever else is at work.
    pub fn reconciled(&mut self, place: &SimPlace, report: &ReconcileReport) -> Result<(), String> {
        self.note(report);
        if report.conflicts == 0 {
            self.explained(place, report)?;
        }
        if std::mem::take(&mut self.published) {
            tables(place)?;
        }
        self.nothing_lost(place)?;
        self.live_first(place)
    }

    fn note(&mut self, report: &ReconcileReport) {
        self.add("gaps opened", report.newly_open);
        self.add("claims", report.claimed);
        self.add("conflicts lost", report.conflicts);
        self.add("disagreements", report.disagreements);
    }

    /// Law 1, tolerant of whoever is at work: what is not explained any more was explained by a row or a verdict.
    fn explained(&self, place: &SimPlace, report: &ReconcileReport) -> Result<(), String> {
        let model = Model::of(place).asked_before(report.at);
        let horizon = self.script.settings.horizon(report.at);
        for (symbol, session, state) in states(place, &model, horizon) {
            let unexplained =
                state.expected.difference(&state.present).difference(&state.open).difference(&state.given_up());
            if !unexplained.is_empty() {
                let how = format!("`{symbol}` is unexplained at {unexplained} of {}", session.on);
                return Err(broken(1, "explained", how));
            }
        }
        Ok(())
    }

    /// Law 6.
    pub(crate) fn nothing_lost(&mut self, place: &SimPlace) -> Result<(), String> {
        self.under_way.extend(place.true_stream().take_accepted());
        if self.under_way.is_empty() {
            return Ok(());
        }
        let mut aside: Vec<Vec<u8>> = now(place.true_lake().quarantined()).into_iter().map(|r| r.input).collect();
        for name in now(place.true_lake().parked()) {
            aside
                .extend(now(place.true_lake().parked_batch(&name)).into_iter().flat_map(|b| b.records).map(|r| r.data));
        }
        for shard in now(place.true_stream().shards()) {
            aside.extend(now(place.true_stream().read(&shard, usize::MAX)).records.into_iter().map(|r| r.data));
        }
        self.under_way.retain(|data| !landed(place, data));
        let text = |data: &Vec<u8>| String::from_utf8_lossy(data).into_owned();
        let (accepted, aside): (Vec<String>, Vec<String>) =
            (self.under_way.iter().map(text).collect(), aside.iter().map(text).collect());
        let accounted: BTreeSet<&str> = aside.iter().map(String::as_str).collect();
        law::nothing_lost(accepted.iter().map(String::as_str), &accounted).map_err(told)
    }

    /// Law 7.
    pub(crate) fn live_first(&mut self, place: &SimPlace) -> Result<(), String> {
        let fresh = place.served.requests(self.requests);
        self.requests += fresh.len();
        self.add("requests to vendors", fresh.len());
        let model = Model::of(place);
        for asked in fresh.into_iter().filter(|asked| asked.live_providers_candles && asked.status != 401) {
            let minute = asked.at.minute();
            let calls = self.candle_calls.entry(minute).or_default();
            *calls += 1;
            let near_step = self.set_back.is_some_and(|(at, ms)| (asked.at.ms_since(at)).abs() <= 60_000 + ms);
            if near_step {
                continue;
            }
            let before = Model::of(place).asked_before(asked.at.plus_ms(-STALE_LIST_MS));
            let live = live_symbols(&model, minute).min(live_symbols(&before, minute));
            let share = replay_share(self.script.settings.rate_limit, live) as usize;
            law::live_first(minute, *calls, share).map_err(told)?;
            if live > 0 && asked.at.ms_since(minute.start()) < 30_000 {
                return Err(broken(7, "live first", format!("replay asked at {}, while {live} are due", asked.at)));
            }
        }
        Ok(())
    }

    /// The open minutes in the ledger.
    pub fn open_gaps(&self, place: &SimPlace) -> Open {
        let pending = now(place.true_ledger().pending()).into_iter().map(|item| item.gap);
        pending.map(|gap| ((gap.on, gap.symbol.clone()), gap.open_minutes())).collect()
    }

    /// Law 8, and law 1 in full: two reconciliations of one instant, with nobody else at work.
    pub fn level(
        &mut self,
        place: &SimPlace,
        first: (&ReconcileReport, &Open),
        second: &ReconcileReport,
    ) -> Result<(), String> {
        self.count("level audits");
        let found = self.open_gaps(place);
        law::level_triggered(first.1, &found, second.tasks).map_err(told)?;
        let open: usize = found.values().map(MinuteSet::len).sum();
        if open != second.open_gaps || second.open_gaps != first.0.open_gaps {
            let how = format!("{open} are open, the reports say {} and {}", first.0.open_gaps, second.open_gaps);
            return Err(broken(1, "explained", how));
        }
        let model = Model::of(place);
        for (symbol, _, state) in states(place, &model, self.script.settings.horizon(second.at)) {
            law::explained(&symbol, &state.expected, &state.present, &state.open, &state.given_up()).map_err(told)?;
        }
        Ok(())
    }
}

pub(crate) fn told(violation: Violation) -> String {
    violation.to_string()
}

pub(crate) fn broken(law: u8, name: &'static str, how: String) -> String {
    Violation { law, name, how }.to_string()
}
