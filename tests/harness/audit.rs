//! The laws, audited while the world goes on and when it is over.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::gap::{OpenReason, Unrecoverable, Verdict};
use mendlake_domain::law::{self, Violation};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::{Basis, StoredRow};
use mendlake_domain::settings::replay_share;
use mendlake_domain::status::SessionStatus;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::{calendar::Session, record};
use mendlake_ports::control;
use mendlake_ports::gaps::Gaps;
use mendlake_ports::lake::Lake;
use mendlake_ports::sessions::Sessions;
use mendlake_ports::set_aside::SetAside;
use mendlake_ports::stream::StreamConsumer;
use mendlake_reconcile::ReconcileReport;

use crate::model::{Judge, Model, current};
use crate::place::{SimPlace, now};
use crate::script::Script;
use crate::truth::Truth;

/// Open minutes by symbol-session.
pub type Open = BTreeMap<(NaiveDate, Symbol), MinuteSet>;

/// A replay may have read the watchlist that long ago, in milliseconds.
const STALE_LIST_MS: i64 = 180_000;

/// The run without candles that is quiet where nothing is known of a symbol, in minutes.
const QUIET_WITHOUT_HISTORY: i64 = 3;

/// Audits one world.
pub struct Audit {
    script: Script,
    counts: BTreeMap<String, usize>,
    set_back: Option<(Timestamp, i64)>,
    /// Accepted records that have not been seen in the lake yet.
    under_way: Vec<Vec<u8>>,
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

    fn add(&mut self, what: &str, n: usize) {
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

    /// What a lake would know of the sessions before the script's.
    pub fn history(&self, truth: &Truth) -> Vec<SessionStatus> {
        let on = self.script.session.on;
        let days = (1..=9).filter_map(|back| on.checked_sub_days(chrono::Days::new(back)));
        let sessions: Vec<Session> = days.filter_map(|day| truth.session(day)).take(5).collect();
        let symbols = self.script.profiles.iter().map(|profile| profile.symbol.clone());
        // Its silence today is its first: until now it was as liquid as any.
        let hush: Symbol = "HUSH".parse().expect("a symbol");
        let quiet = |symbol: &Symbol, session: &Session| match *symbol == hush {
            true => Some(1),
            false => truth.longest_quiet_run(symbol, session),
        };
        let status = |symbol: Symbol, session: &Session| {
            let expected = u32::try_from(session.len()).expect("a session's length");
            SessionStatus {
                on: session.on,
                open: session.open,
                close: session.close,
                expected,
                present: [(Basis::Quote, expected)].into(),
                longest_quiet_run: quiet(&symbol, session),
                gaps: 0,
                unrecoverable: BTreeMap::new(),
                oldest_price_age_s: None,
                outside: 0,
                is_final: true,
                as_of: session.close.start(),
                symbol,
            }
        };
        symbols
            .flat_map(|symbol| sessions.iter().map(move |session| status(symbol.clone(), session)))
            .collect()
    }

    /// Laws 3 and 4, of rows that were just published.
    pub fn published(&mut self, place: &SimPlace, rows: &[StoredRow]) -> Result<(), String> {
        self.published = true;
        self.add("rows published", rows.len());
        let calendar = place.truth.calendar();
        for stored in rows {
            let row = &stored.row;
            if !place.served.has_price(&row.symbol, row.price.get()) {
                let how = format!(
                    "no answer for `{}` {} held the price {}",
                    row.symbol, row.minute, row.price
                );
                return Err(broken(3, "no invention", how));
            }
            law::not_invented(row).map_err(told)?;
            let session = calendar.session_on(calendar.day_of(row.minute)).ok().flatten();
            let session = session.ok_or_else(|| format!("`{}` {} lies in no session", row.symbol, row.minute))?;
            law::no_look_ahead(row, &session).map_err(told)?;
            price_of_its_trade(place, stored)?;
            let behind_ms = self.set_back.map_or(0, |(_, ms)| ms);
            let known = StoredRow {
                stored_at: stored.stored_at.plus_ms(behind_ms),
                ..stored.clone()
            };
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
            let unexplained = state
                .expected
                .difference(&state.present)
                .difference(&state.open)
                .difference(&state.given_up());
            if !unexplained.is_empty() {
                let how = format!("`{symbol}` is unexplained at {unexplained} of {}", session.on);
                return Err(broken(1, "explained", how));
            }
        }
        Ok(())
    }

    /// Law 6.
    fn nothing_lost(&mut self, place: &SimPlace) -> Result<(), String> {
        self.under_way.extend(place.true_stream().take_accepted());
        if self.under_way.is_empty() {
            return Ok(());
        }
        let mut aside: Vec<Vec<u8>> = now(place.true_lake().quarantined())
            .into_iter()
            .map(|r| r.input)
            .collect();
        aside.extend(
            now(place.true_lake().parked())
                .into_iter()
                .flat_map(|parked| parked.batch.records)
                .map(|r| r.data),
        );
        for shard in now(place.true_stream().shards()) {
            aside.extend(
                now(place.true_stream().read(&shard, usize::MAX))
                    .records
                    .into_iter()
                    .map(|r| r.data),
            );
        }
        self.under_way.retain(|data| !landed(place, data));
        let text = |data: &Vec<u8>| String::from_utf8_lossy(data).into_owned();
        let (accepted, aside): (Vec<String>, Vec<String>) = (
            self.under_way.iter().map(text).collect(),
            aside.iter().map(text).collect(),
        );
        let accounted: BTreeSet<&str> = aside.iter().map(String::as_str).collect();
        law::nothing_lost(accepted.iter().map(String::as_str), &accounted).map_err(told)
    }

    /// Law 7.
    fn live_first(&mut self, place: &SimPlace) -> Result<(), String> {
        let fresh = place.served.requests(self.requests);
        self.requests += fresh.len();
        self.add("requests to vendors", fresh.len());
        let model = Model::of(place);
        for asked in fresh
            .into_iter()
            .filter(|asked| asked.live_providers_candles && asked.status != 401)
        {
            let minute = asked.at.minute();
            let calls = self.candle_calls.entry(minute).or_default();
            *calls += 1;
            let near_step = self
                .set_back
                .is_some_and(|(at, ms)| (asked.at.ms_since(at)).abs() <= 60_000 + ms);
            if near_step {
                continue;
            }
            let before = Model::of(place).asked_before(asked.at.plus_ms(-STALE_LIST_MS));
            let live = live_symbols(&model, minute).min(live_symbols(&before, minute));
            let share = replay_share(self.script.settings.rate_limit, live) as usize;
            law::live_first(minute, *calls, share).map_err(told)?;
            if live > 0 && asked.at.ms_since(minute.start()) < 30_000 {
                return Err(broken(
                    7,
                    "live first",
                    format!("replay asked at {}, while {live} are due", asked.at),
                ));
            }
        }
        Ok(())
    }

    /// The open minutes in the ledger.
    pub fn open_gaps(&self, place: &SimPlace) -> Open {
        let pending = now(place.true_ledger().pending()).into_iter().map(|item| item.gap);
        pending
            .map(|gap| ((gap.on, gap.symbol.clone()), gap.open_minutes()))
            .collect()
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
            let how = format!(
                "{open} are open, the reports say {} and {}",
                first.0.open_gaps, second.open_gaps
            );
            return Err(broken(1, "explained", how));
        }
        let model = Model::of(place);
        for (symbol, _, state) in states(place, &model, self.script.settings.horizon(second.at)) {
            law::explained(&symbol, &state.expected, &state.present, &state.open, &state.given_up()).map_err(told)?;
        }
        Ok(())
    }

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
        for (symbol, session, state) in states(place, &model, self.script.settings.horizon(second_of(last))) {
            self.symbol_session(place, &symbol, session, &state, &best)?;
        }
        self.nothing_outside(&model, &best)
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
        let judge = Judge::new(
            place,
            symbol,
            session,
            self.script.heals(),
            self.quiet_limit(place, symbol, &session),
        );
        for minute in state.expected.iter() {
            let given_up = state
                .verdicts
                .iter()
                .find(|(_, minutes)| minutes.contains(minute))
                .map(|(why, _)| *why);
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
        let runs = told
            .filter(|status| status.symbol == *symbol)
            .filter_map(|status| status.longest_quiet_run);
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
        let given_up = state
            .given_up()
            .intersection(&state.expected)
            .difference(&state.present)
            .len();
        let counted = [
            status.expected,
            status.present_minutes(),
            status.gaps,
            status.unrecoverable.values().sum(),
        ];
        let there = [state.expected.len(), present, state.open.len(), given_up];
        if counted.map(|n| n as usize) != there || status.close != session.close {
            return Err(format!(
                "the status of `{symbol}` on {} says {counted:?}, there are {there:?}",
                session.on
            ));
        }
        if status.is_final != state.open.is_empty() && self.script.heals() {
            return Err(format!(
                "the status of `{symbol}` on {} says final: {}",
                session.on, status.is_final
            ));
        }
        Ok(())
    }

    /// Nothing was healed that nobody wanted, and nothing after a close.
    fn nothing_outside(&self, model: &Model, best: &BTreeMap<(Symbol, Minute), &StoredRow>) -> Result<(), String> {
        let far = self.script.end.minute();
        for ((symbol, minute), stored) in best {
            let day = mendlake_domain::calendar::Calendar::Xnys.day_of(*minute);
            let expected = model
                .session(day)
                .is_some_and(|s| model.expected(&s, symbol, far).contains(*minute));
            // At the very instant of a close that nobody announced, the price of the last trade is nobody's mistake.
            let at_close = model.session(day).is_some_and(|s| s.close == *minute);
            if !expected && !at_close && stored.row.basis != Basis::Quote {
                return Err(format!(
                    "`{symbol}` {minute} was healed ({}) and nobody expects it",
                    stored.row.basis
                ));
            }
        }
        Ok(())
    }
}

fn second_of(report: &ReconcileReport) -> Timestamp {
    report.at
}

fn told(violation: Violation) -> String {
    violation.to_string()
}

fn broken(law: u8, name: &'static str, how: String) -> String {
    Violation { law, name, how }.to_string()
}

/// Law 4 of a healed price: it is that of the trades it claims to be of, not of later ones.
fn price_of_its_trade(place: &SimPlace, stored: &StoredRow) -> Result<(), String> {
    let row = &stored.row;
    let price = row.price.get();
    let fits = match (row.basis, row.traded_at) {
        (Basis::Close, Some(ended_at)) => place
            .served
            .told(&row.symbol, ended_at.minute() + -1)
            .iter()
            .any(|candle| candle.close == price),
        (Basis::Open, _) => place
            .served
            .told(&row.symbol, row.minute)
            .iter()
            .any(|candle| candle.open == price),
        _ => true,
    };
    if fits {
        return Ok(());
    }
    let how = format!(
        "`{}` {} ({}): {price} is of other trades than those before {:?}",
        row.symbol, row.minute, row.basis, row.traded_at
    );
    Err(broken(4, "no look-ahead", how))
}

/// Laws 2 and 5, of the tables as readers see them.
fn tables(place: &SimPlace) -> Result<(), String> {
    let model = Model::of(place);
    let symbols = model.symbols();
    for session in model.sessions() {
        let calendar = place.truth.calendar();
        let session = calendar.session_on(session.on).ok().flatten().unwrap_or(session);
        let rows = now(place.seen_lake().rows(&symbols, session.open, session.close));
        let coverage = now(place.seen_lake().coverage(session.open, session.close));
        for symbol in &symbols {
            law::readable(symbol, &coverage.present(symbol), &rows).map_err(told)?;
        }
        let best = current(&rows);
        let mut seen = BTreeSet::new();
        let firsts: Vec<StoredRow> = rows
            .iter()
            .filter(|stored| seen.insert((stored.row.symbol.clone(), stored.row.minute)))
            .cloned()
            .collect();
        law::one_current(&firsts).map_err(told)?;
        for first in firsts {
            let ranked = best[&(first.row.symbol.clone(), first.row.minute)];
            // Rows alike in all that ranks are told apart by what does not.
            if ranked.row != first.row {
                let how = format!(
                    "`{}` {} comes first as {:?}, not as {:?}",
                    first.row.symbol, first.row.minute, first.row, ranked.row
                );
                return Err(broken(5, "one current row", how));
            }
        }
    }
    Ok(())
}

/// Whether every row of a record is in the lake.
fn landed(place: &SimPlace, data: &[u8]) -> bool {
    record::decode(data).rows.iter().all(|row| {
        let rows = now(place
            .true_lake()
            .rows(&[row.symbol.clone()].into(), row.minute, row.minute + 1));
        rows.iter().any(|stored| stored.row == *row)
    })
}

fn live_symbols(model: &Model, minute: Minute) -> usize {
    let symbols = model.symbols();
    let of = |minute: Minute| {
        let session = model.session(mendlake_domain::calendar::Calendar::Xnys.day_of(minute));
        match session.filter(|session| session.contains(minute)) {
            Some(_) => symbols.iter().filter(|symbol| model.watches(symbol, minute)).count(),
            None => 0,
        }
    };
    of(minute).max(of(minute + 1))
}

/// What there is of a symbol-session.
struct State {
    expected: MinuteSet,
    present: MinuteSet,
    open: MinuteSet,
    not_entitled: MinuteSet,
    reasons: BTreeMap<OpenReason, MinuteSet>,
    verdicts: BTreeMap<Unrecoverable, MinuteSet>,
}

impl State {
    fn given_up(&self) -> MinuteSet {
        self.verdicts
            .values()
            .fold(MinuteSet::new(), |all, minutes| all.union(minutes))
    }
}

fn states(place: &SimPlace, model: &Model, horizon: Minute) -> Vec<(Symbol, Session, State)> {
    let verdicts: Vec<Verdict> = now(control::verdicts(place.true_lake()));
    let mut states = Vec::new();
    for session in model.sessions() {
        let calendar = place
            .truth
            .calendar()
            .session_on(session.on)
            .ok()
            .flatten()
            .unwrap_or(session);
        let coverage = now(place.true_lake().coverage(calendar.open, calendar.close));
        let items = now(place.true_ledger().of_session(session.on));
        for symbol in model.symbols() {
            let item = items
                .iter()
                .find(|item| item.gap.symbol == symbol)
                .map(|item| &item.gap);
            let mut given_up: BTreeMap<Unrecoverable, MinuteSet> = BTreeMap::new();
            for verdict in verdicts.iter().filter(|v| v.on == session.on && v.symbol == symbol) {
                given_up.entry(verdict.reason).or_default().extend_set(&verdict.minutes);
            }
            let reasons = item.map(|gap| gap.open.clone()).unwrap_or_default();
            let state = State {
                expected: model.expected(&session, &symbol, horizon),
                present: coverage.present(&symbol),
                open: item.map(|gap| gap.open_minutes()).unwrap_or_default(),
                not_entitled: reasons.get(&OpenReason::NotEntitled).cloned().unwrap_or_default(),
                reasons,
                verdicts: given_up,
            };
            states.push((symbol, session, state));
        }
    }
    states
}
