//! `replay`: fetches candles for what is missing in a range and puts the healed rows into the same stream.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use mendlake_domain::calendar::Session;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::gap::{Gap, OpenReason, Unrecoverable, Upheld, Verdict};
use mendlake_domain::law;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::plan::REREAD_AFTER_MS;
use mendlake_domain::quote::{Basis, Row, StoredRow};
use mendlake_domain::record;
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::task::{Mode, ReplayTask};
use mendlake_domain::watchlist::watched_sessions;
use mendlake_ports::clock::Clock;
use mendlake_ports::control::{self, Log};
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::gaps::{Gaps, Write};
use mendlake_ports::lake::Lake;
use mendlake_ports::place::Place;
use mendlake_ports::source::CandleSource;
use mendlake_ports::stream::{NewRecord, Stream};
use serde::{Deserialize, Serialize};

use crate::calls::Calls;
pub use crate::calls::Patience;
use crate::context::{Context, History};
use crate::heal::{HealedSession, Healer, Wanted, next_attempt};
use crate::reconcile::out_of_range;

/// The most calls that are asked for at once, at one a symbol-session: what the largest plan of a vendor answers in a
/// quarter of an hour. To look at more takes minutes already, and whoever means it can say it in parts.
pub const MOST_CALLS: usize = 4_500;

/// How often records the stream did not take are appended again.
const APPEND_TRIES: usize = 3;

/// How often an item is written again after another writer changed it.
const WRITE_TRIES: usize = 4;

/// What a replay did, or in mode `plan` would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayReport {
    /// Plan or apply.
    pub mode: Mode,
    /// Symbol-sessions in the range with something to do.
    pub symbol_sessions: usize,
    /// Symbol-minutes in the range that are expected and settled.
    pub expected: usize,
    /// Of these, missing before.
    pub missing: usize,
    /// Suspect rows looked at.
    pub suspects: usize,
    /// Calls it takes at least: one a symbol-session.
    pub calls_planned: usize,
    /// Calls made, by source.
    pub calls: BTreeMap<String, usize>,
    /// Calls that gave no candles, by source and class.
    pub failed: BTreeMap<String, usize>,
    /// Rows put into the stream, by basis.
    pub healed: BTreeMap<Basis, usize>,
    /// Of these, corrections that take the place of rows that were present.
    pub corrected: usize,
    /// Of these, corrections that a later one goes before: what is current stays so.
    #[serde(default)]
    pub outranked: usize,
    /// With `force`, symbol-minutes whose row stays since nobody told a better one, by why.
    #[serde(default)]
    pub not_replaced: BTreeMap<OpenReason, usize>,
    /// Suspect rows that stay because nothing had traded.
    pub upheld: usize,
    /// Rows that stay because no whole candle can tell.
    pub undecidable: Vec<(Symbol, Minute)>,
    /// Symbol-minutes given up, by why.
    pub given_up: BTreeMap<Unrecoverable, usize>,
    /// Symbol-minutes that stay open, by why.
    pub open: BTreeMap<OpenReason, usize>,
    /// Records appended to the stream.
    pub records: usize,
    /// Symbols in the task of which nothing is expected in the range: nobody watches them then.
    pub not_expected: BTreeSet<Symbol>,
    /// Symbol-sessions that nobody looked at, since the time was over: the same again goes on with them.
    #[serde(default)]
    pub out_of_time: usize,
    /// Sessions of which something is damaged, and what: nothing was done there. The others were gone through.
    #[serde(default)]
    pub unreadable: BTreeMap<NaiveDate, String>,
}

impl ReplayReport {
    /// Adds what another part of the same work did.
    pub fn join(&mut self, other: Self) {
        self.mode = other.mode;
        self.symbol_sessions += other.symbol_sessions;
        self.expected += other.expected;
        self.missing += other.missing;
        self.suspects += other.suspects;
        self.calls_planned += other.calls_planned;
        add(&mut self.calls, other.calls);
        add(&mut self.failed, other.failed);
        add(&mut self.healed, other.healed);
        self.corrected += other.corrected;
        self.outranked += other.outranked;
        add(&mut self.not_replaced, other.not_replaced);
        self.upheld += other.upheld;
        self.undecidable.extend(other.undecidable);
        add(&mut self.given_up, other.given_up);
        add(&mut self.open, other.open);
        self.records += other.records;
        self.not_expected.extend(other.not_expected);
        self.out_of_time += other.out_of_time;
        self.unreadable.extend(other.unreadable);
    }
}

fn add<K: Ord>(counts: &mut BTreeMap<K, usize>, others: BTreeMap<K, usize>) {
    for (key, count) in others {
        *counts.entry(key).or_default() += count;
    }
}

/// Replays a task. Harmless to repeat; what is present is left alone, unless the task forces it. Sessions in which nobody
/// watched any of its symbols cost no call to lake or ledger.
///
/// A session of which something is damaged is reported, and the others go on.
///
/// `Rejected`: the range takes more than [`MOST_CALLS`], whatever the mode; the error says how many.
pub async fn replay(
    place: &impl Place,
    settings: &Settings,
    task: &ReplayTask,
    patience: Patience,
) -> Result<ReplayReport> {
    let context = Context::load(place.lake(), settings).await?;
    let now = place.clock().now();
    let mut report = ReplayReport { mode: task.mode, ..ReplayReport::default() };
    report.not_expected = task.symbols.clone();
    let sessions = watched_sessions(&context.schedule, &context.watchlist, &task.symbols, task.from, task.to);
    let mut sessions = sessions.map_err(out_of_range)?;
    sessions.retain(|(session, _)| session.open < settings.horizon(now));
    refuse_too_much(task, sessions.iter().map(|(_, symbols)| symbols.len()).sum())?;
    for (session, symbols) in sessions {
        let watched = symbols.clone();
        let history = match task.mode {
            Mode::Plan => Ok(History::default()),
            Mode::Apply => History::before(place.lake(), &context.schedule, session.on).await,
        };
        let looked_at = match history {
            Ok(history) => {
                let calls = Calls::new(place, settings, &context, patience);
                let witnesses_asked = BTreeSet::new();
                let healer = Healer { place, settings, context: &context, history: &history, calls, witnesses_asked };
                Replay { healer, task, now, report: &mut report }.session(session, symbols).await
            }
            Err(error) => Err(error),
        };
        match looked_at {
            // One damaged object must not keep the range's other sessions from healing.
            Err(error) if error.kind == Kind::Corrupt => {
                report.not_expected.retain(|symbol| !watched.contains(symbol));
                report.unreadable.insert(session.on, error.chain());
            }
            outcome => outcome?,
        }
    }
    Ok(report)
}

fn refuse_too_much(task: &ReplayTask, calls: usize) -> Result<()> {
    if calls <= MOST_CALLS {
        return Ok(());
    }
    let ReplayTask { symbols, from, to, .. } = task;
    let what = format!(
        "replay {} symbols from {from} to {to}: it may take {calls} calls, one a symbol and session, more than the \
         {MOST_CALLS} that are made at once; name fewer symbols or a shorter range",
        symbols.len()
    );
    Err(PortError::new(Kind::Rejected, what))
}

struct Replay<'a, 'b, P: Place> {
    healer: Healer<'b, P>,
    task: &'a ReplayTask,
    now: Timestamp,
    report: &'a mut ReplayReport,
}

impl<P: Place> Replay<'_, '_, P> {
    async fn session(mut self, session: Session, symbols: BTreeSet<Symbol>) -> Result<()> {
        if self.is_over() {
            self.report.out_of_time += symbols.len();
            return Ok(());
        }
        let rows = self.healer.place.lake().rows(&symbols, session.open, session.close).await?;
        let mut by_symbol: BTreeMap<Symbol, Vec<StoredRow>> = BTreeMap::new();
        for stored in StoredRow::current(rows) {
            by_symbol.entry(stored.row.symbol.clone()).or_default().push(stored);
        }
        for symbol in &symbols {
            if self.is_over() {
                self.report.out_of_time += 1;
                continue;
            }
            let current = by_symbol.remove(symbol).unwrap_or_default();
            let stored = self.healer.place.ledger().gap(session.on, symbol).await?;
            let item = stored.map(|s| s.gap).unwrap_or_else(|| Gap::new(session.on, symbol.clone(), self.now));
            let Some(wanted) = self.wanted(&session, symbol, current, &item) else {
                continue;
            };
            if self.task.mode == Mode::Plan {
                continue;
            }
            let healed = self.healer.heal(&wanted, &item).await?;
            self.append(&session, symbol, &healed.rows).await?;
            self.give_up(&wanted, &item, &healed).await?;
            self.note(&wanted, &healed).await?;
            self.count(&wanted, &healed);
        }
        for (source, made) in std::mem::take(&mut self.healer.calls.made) {
            *self.report.calls.entry(source.to_string()).or_default() += made;
        }
        for (class, count) in std::mem::take(&mut self.healer.calls.failed) {
            *self.report.failed.entry(class).or_default() += count;
        }
        Ok(())
    }

    /// Whether the time of whoever waits is over: what is left is counted, and not half done.
    fn is_over(&self) -> bool {
        matches!(self.healer.calls.patience(), Patience::Until(until) if self.healer.place.clock().now() >= until)
    }

    /// What there is to do for a symbol-session, or `None` where there is nothing.
    fn wanted(&mut self, session: &Session, symbol: &Symbol, current: Vec<StoredRow>, item: &Gap) -> Option<Wanted> {
        let horizon = self.healer.settings.horizon(self.now);
        let expected = self.healer.context.expected(session, symbol, horizon);
        let expected = expected.within(self.task.from, self.task.to);
        if expected.is_empty() {
            return None;
        }
        self.report.not_expected.remove(symbol);
        let present: MinuteSet = current.iter().map(|stored| stored.row.minute).collect();
        let missing = expected.difference(&present);
        let suspect = current.iter().filter(|stored| stored.row.is_suspect()).map(|stored| stored.row.minute);
        let suspects = suspect.collect::<MinuteSet>().intersection(&expected).difference(&item.upheld_minutes());
        self.report.expected += expected.len();
        self.report.missing += missing.len();
        self.report.suspects += suspects.len();
        let force = self.task.force;
        let minutes = if force { expected } else { missing };
        if minutes.is_empty() && suspects.is_empty() {
            return None;
        }
        self.report.symbol_sessions += 1;
        self.report.calls_planned += 1;
        let revision = self.task.requested_at.unwrap_or(self.now).epoch_s();
        let latest_revision = law::latest_revision(self.now);
        let (symbol, session) = (symbol.clone(), *session);
        Some(Wanted { symbol, session, minutes, suspects, current, force, revision, latest_revision })
    }

    /// Puts rows into the stream, packed. Records the stream may or may not have taken are appended again.
    async fn append(&mut self, session: &Session, symbol: &Symbol, rows: &[Row]) -> Result<()> {
        let open_now = session.close.start() > self.now;
        let max_bytes = if open_now { record::MAX_IN_SESSION_BYTES } else { record::MAX_BYTES };
        let record = |data| NewRecord { partition_key: symbol.to_string(), data };
        let mut left: Vec<NewRecord> = record::pack(rows, max_bytes).into_iter().map(record).collect();
        self.report.records += left.len();
        let mut last = PortError::new(Kind::Unavailable, "append to stream");
        for _ in 0..APPEND_TRIES {
            if left.is_empty() {
                return Ok(());
            }
            match self.healer.place.stream().append(&left).await {
                Ok(outcomes) => {
                    let refused = left.into_iter().zip(outcomes).filter_map(|(record, o)| o.err().map(|e| (record, e)));
                    let (records, mut errors): (Vec<_>, Vec<_>) = refused.unzip();
                    left = records;
                    last = errors.pop().unwrap_or(last);
                }
                Err(error) => last = error,
            }
        }
        if left.is_empty() { Ok(()) } else { Err(last) }
    }

    /// Writes verdicts into the lake, before the ledger copies them; those it already holds are left out.
    async fn give_up(&self, wanted: &Wanted, item: &Gap, healed: &HealedSession) -> Result<()> {
        let told = self.healer.context.verdicts(wanted.session.on, &wanted.symbol);
        for (reason, minutes) in &healed.given_up {
            let minutes = told.get(reason).map_or_else(|| minutes.clone(), |told| minutes.difference(told));
            if minutes.is_empty() {
                continue;
            }
            let verdict = Verdict {
                v: 1,
                on: wanted.session.on,
                symbol: wanted.symbol.clone(),
                minutes,
                reason: *reason,
                who: "replay".into(),
                decided_at: self.healer.place.clock().now(),
                evidence: item.reads.iter().chain(&healed.reads).cloned().collect(),
            };
            control::append(self.healer.place.lake(), Log::Verdicts, &verdict).await?;
        }
        Ok(())
    }

    /// Brings the ledger's item up to what was found. Others may have written it meanwhile: what was found is laid over
    /// what they wrote.
    async fn note(&self, wanted: &Wanted, healed: &HealedSession) -> Result<()> {
        let place = self.healer.place;
        for _ in 0..WRITE_TRIES {
            let stored = place.ledger().gap(wanted.session.on, &wanted.symbol).await?;
            let version = stored.as_ref().map_or(0, |item| item.version);
            let fresh = || Gap::new(wanted.session.on, wanted.symbol.clone(), self.now);
            let mut item = stored.map_or_else(fresh, |item| item.gap);
            self.lay_over(&mut item, wanted, healed);
            if let Write::Stored(_) = place.ledger().write(&item, version).await? {
                return Ok(());
            }
        }
        // The next reconciliation derives it all from the lake.
        Ok(())
    }

    fn lay_over(&self, item: &mut Gap, wanted: &Wanted, healed: &HealedSession) {
        let now = self.healer.place.clock().now();
        for read in &healed.reads {
            item.note_read(read.clone());
        }
        for (why, minutes) in &healed.open {
            item.set_open(*why, minutes);
        }
        for (why, minutes) in &healed.given_up {
            item.give_up(*why, minutes);
            item.reread_at = item.reread_at.or(Some(now.plus_ms(REREAD_AFTER_MS)));
        }
        item.uphold(Upheld::Quiet, &healed.frozen.quiet);
        item.uphold(Upheld::Undecidable, &healed.frozen.undecidable);
        let upheld = !healed.frozen.quiet.is_empty() || !healed.frozen.undecidable.is_empty();
        if !healed.rows.is_empty() || upheld {
            item.replayed_at = Some(now);
        }
        if !healed.rows.is_empty() {
            item.attempts = 0;
        } else if !healed.attempted {
            item.attempts = item.attempts.saturating_sub(1);
        }
        let lateness_ms = self.healer.place.candles().iter().map(CandleSource::lateness_ms).min().unwrap_or(0);
        item.next_attempt_at = next_attempt(self.healer.place.clock(), item, healed, wanted, lateness_ms);
    }

    fn count(&mut self, wanted: &Wanted, healed: &HealedSession) {
        let stored_at = self.healer.place.clock().now();
        let report = &mut *self.report;
        for row in &healed.rows {
            *report.healed.entry(row.basis).or_default() += 1;
            match wanted.current_row(row.minute) {
                _ if row.revision == 0 => {}
                Some(current) if current.order(&StoredRow { row: row.clone(), stored_at }).is_lt() => {
                    report.outranked += 1;
                }
                _ => report.corrected += 1,
            }
        }
        for (why, minutes) in &healed.kept {
            *report.not_replaced.entry(*why).or_default() += minutes.len();
        }
        report.upheld += healed.frozen.quiet.len();
        let undecidable = healed.frozen.undecidable.iter().map(|minute| (wanted.symbol.clone(), minute));
        report.undecidable.extend(undecidable);
        for (why, minutes) in &healed.given_up {
            *report.given_up.entry(*why).or_default() += minutes.len();
        }
        for (why, minutes) in &healed.open {
            *report.open.entry(*why).or_default() += minutes.len();
        }
    }
}
