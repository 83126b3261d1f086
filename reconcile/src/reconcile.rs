//! `reconcile`: expected − lake = gaps; plans, claims and sends what is to be replayed; says how whole the lake is.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use mendlake_domain::calendar::{OutOfRange, Session};
use mendlake_domain::coverage::{Coverage, Held, MinuteSet};
use mendlake_domain::gap::{Gap, OpenReason, Unrecoverable};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::plan::{self, Outcome, View};
use mendlake_domain::quiet::LIQUID_QUIET_RUN;
use mendlake_domain::quote::Basis;
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::task::{self, CLOCKS_APART_MS, Mode, ReplayTask, SYMBOLS_A_TASK};
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::gaps::{Gaps, VersionedGap, Write};
use mendlake_ports::lake::Lake;
use mendlake_ports::landing::Landing;
use mendlake_ports::place::Place;
use mendlake_ports::queue::{Message, Queue, failures};
use mendlake_ports::runs::{Run, Runs};
use mendlake_ports::set_aside::SetAside;
use mendlake_ports::source::CandleSource;
use mendlake_ports::source_states::SourceState;
use serde::{Deserialize, Serialize};

use crate::calls::{leaves_out, state_of};
use crate::context::{Context, History};
use crate::learn::{self, LearnReport};
use crate::{statuses, unknown};

/// How often items that another writer changed are decided anew before they are left to the next run.
const CONFLICT_TRIES: usize = 4;

/// Over how many minutes before the horizon live collection is judged.
const LIVE_MIN: i64 = 15;

/// How far back a reconciliation looks, beside everything since the last completed run; and which gaps outside of that: near, where
/// something is due; hourly, all but those that no plan includes; in the morning, every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// Two hours: every five minutes in session.
    Near,
    /// A day: hourly, around the clock.
    Hourly,
    /// A week, with what is done once a day: holidays are learnt, illiquid suspects are read, unknown symbols named.
    Morning,
}

impl Window {
    const fn ms(self) -> i64 {
        const HOUR_MS: i64 = 3_600_000;
        match self {
            Self::Near => 2 * HOUR_MS,
            Self::Hourly => 24 * HOUR_MS,
            Self::Morning => 7 * 24 * HOUR_MS,
        }
    }
}

/// What a reconciliation found and did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReconcileReport {
    /// Its *now*.
    pub at: Timestamp,
    /// Its window.
    pub window: Window,
    /// The first minute looked at.
    pub from: Minute,
    /// The minute after the last: later ones have not settled.
    pub to: Minute,
    /// Expected symbol-minutes looked at.
    pub expected: usize,
    /// Of these, in the lake.
    pub present: usize,
    /// Open symbol-minutes there are, whatever was looked at.
    pub open_gaps: usize,
    /// The same by why they are open.
    pub open_by_reason: BTreeMap<OpenReason, usize>,
    /// Age of the oldest open minute, in seconds; null where none is open.
    pub oldest_gap_s: Option<i64>,
    /// Symbol-minutes given up, of those looked at, by why.
    pub unrecoverable: BTreeMap<Unrecoverable, usize>,
    /// Rows that are suspect and not decided.
    pub suspects: usize,
    /// Open symbol-minutes that no earlier run knew of.
    pub newly_open: usize,
    /// Of these, minutes an earlier run had found explained: the lake holds less than it did.
    pub disagreements: usize,
    /// Symbol-sessions claimed for replay.
    pub claimed: usize,
    /// Tasks sent.
    pub tasks: usize,
    /// Tasks the queue did not take: their claims run out and are made again.
    pub unsent: usize,
    /// Items another writer kept changing; left to the next run.
    pub conflicts: usize,
    /// Symbol-minutes live collection should have sampled in the last 15 minutes before `to`; 0 when closed.
    pub expected_live: usize,
    /// Of these, without a quote.
    pub missing_live: usize,
    /// How far landing is behind *now*, or behind the close once that has passed, in seconds; 0 when closed or nothing has
    /// landed yet.
    pub landing_lag_s: i64,
    /// Session statuses written.
    pub statuses: usize,
    /// Symbols found unknown today: a person should take them off the watchlist.
    pub unknown_symbols: Vec<Symbol>,
    /// Batches that lie parked: their rows are not in the lake. An older release's report has no number.
    #[serde(default)]
    pub parked: usize,
    /// What the morning learnt of holidays.
    pub learned: Option<LearnReport>,
}

/// Everything one run works with.
struct Work<'a, P: Place> {
    place: &'a P,
    settings: &'a Settings,
    context: Context,
    now: Timestamp,
    window: Window,
    horizon: Minute,
    landed_through: Option<Timestamp>,
    last_through: Option<Timestamp>,
    /// What is known of each source of candles.
    sources: Vec<SourceState>,
    report: ReconcileReport,
}

/// Reconciles once.
pub async fn reconcile(place: &impl Place, settings: &Settings, window: Window) -> Result<ReconcileReport> {
    let now = place.clock().now();
    let learned = match window {
        Window::Morning => Some(learn::holidays(place, settings, now).await?),
        Window::Near | Window::Hourly => None,
    };
    let context = Context::load(place.lake(), settings).await?;
    let last_through = place.ledger().last_run().await?.map(|run| run.reconciled_through);
    let to = settings.horizon(now);
    // Watched since less than settles: the range is empty, not reversed.
    let from = begin(&context, settings, window, now, last_through).min(to);
    let landed_through = place.ledger().landed_through().await?;
    let mut sources = Vec::new();
    for source in place.candles() {
        sources.push(state_of(place, source).await?);
    }
    let report = ReconcileReport { learned, ..empty(now, window, from, to) };
    let horizon = to;
    let mut work =
        Work { place, settings, context, now, window, horizon, landed_through, last_through, sources, report };
    let (mut unreadable, mut damaged) = (None, Vec::new());
    for session in work.sessions().await? {
        match work.session(session).await {
            // One damaged object must not keep other sessions from healing. The run is not complete: it is not recorded, and
            // the next one looks as far back.
            Err(error) if error.kind == Kind::Corrupt => {
                damaged.push(session.on.to_string());
                unreadable.get_or_insert(error);
            }
            outcome => outcome?,
        }
    }
    if let Some(error) = unreadable {
        let what = format!("reconcile session {}, while every other one was looked at", damaged.join(", "));
        return Err(PortError::caused(Kind::Corrupt, what, error));
    }
    work.live().await?;
    if window == Window::Morning {
        work.report.unknown_symbols = unknown::give_up(place, &work.context, now).await?;
    }
    work.count_open().await?;
    work.report.parked = place.lake().parked().await?.len();
    let Work { report, .. } = work;
    let json = serde_json::to_value(&report).expect("a report is JSON: its keys are text");
    let id = mendlake_domain::digest::short(json.to_string().as_bytes());
    place.ledger().record_run(&Run { at: now, id, reconciled_through: now, report: json }).await?;
    Ok(report)
}

/// The window's start, or what had not settled at the last completed run where that is earlier, or a backfill made since;
/// never before the watchlist's first minute.
fn begin(
    context: &Context,
    settings: &Settings,
    window: Window,
    now: Timestamp,
    last_through: Option<Timestamp>,
) -> Minute {
    let begins = context.watchlist.begins().unwrap_or_else(|| now.minute());
    let Some(last) = last_through else { return begins };
    let unsettled = last.plus_ms(-settings.settle_ms).minute();
    // Entries a little older than the last run may still be news: clocks differ, and a run reads the logs after its *now*.
    let backfilled = context.watchlist.backfilled_since(last.plus_ms(-CLOCKS_APART_MS));
    let since = now.plus_ms(-window.ms()).minute().min(unsettled);
    backfilled.map_or(since, |from| from.min(since)).max(begins)
}

impl<P: Place> Work<'_, P> {
    /// Sessions of the window, of open gaps and of overlay entries learnt since the last run, ascending, as the calendar has
    /// them before the overlay: minutes the overlay removed must be closed too.
    async fn sessions(&self) -> Result<Vec<Session>> {
        let schedule = &self.context.schedule;
        let calendar = schedule.calendar;
        let mut days: BTreeSet<NaiveDate> = BTreeSet::new();
        let pending = self.place.ledger().pending().await?;
        days.extend(pending.into_iter().filter(|item| self.looks_at(&item.gap)).map(|item| item.gap.on));
        if let Some(last) = self.last_through {
            days.extend(schedule.overlay.learned_since(last.plus_ms(-CLOCKS_APART_MS)));
        }
        let (from, to) = (self.report.from, self.horizon);
        if from < to {
            days.extend(mendlake_domain::calendar::days(calendar.day_of(from), calendar.day_of(to + -1)));
        }
        let mut sessions = Vec::new();
        for day in days {
            sessions.extend(calendar.session_on(day).map_err(out_of_range)?.filter(|s| s.open < to));
        }
        Ok(sessions)
    }

    /// Whether a pending item's session is looked at though it may lie outside the window: in the morning each is; near runs
    /// look where something is due, and so does an hourly one among gaps that no plan includes. Each session costs listings,
    /// and a year of them every five minutes more than everything else.
    fn looks_at(&self, gap: &Gap) -> bool {
        let rests = gap.is_barred() || (gap.open.is_empty() && gap.suspect.is_empty());
        match self.window {
            _ if gap.is_due(self.now) || (gap.is_barred() && self.is_askable(&gap.symbol)) => true,
            Window::Near => false,
            Window::Hourly => !rests,
            Window::Morning => true,
        }
    }

    /// Whether some source may be asked for the symbol.
    fn is_askable(&self, symbol: &Symbol) -> bool {
        self.sources.iter().any(|state| !leaves_out(state, symbol))
    }

    async fn session(&mut self, calendar_session: Session) -> Result<()> {
        let on = calendar_session.on;
        let session = self.context.schedule.session_on(on).map_err(out_of_range)?;
        let session = session.unwrap_or(Session { close: calendar_session.open, ..calendar_session });
        let history = History::before(self.place.lake(), &self.context.schedule, on).await?;
        let mut symbols = self.context.watchlist.ever();
        let mut claimed = BTreeSet::new();
        let mut decided: BTreeMap<Symbol, (Held, Outcome)> = BTreeMap::new();
        for _ in 0..CONFLICT_TRIES {
            // A loser re-reads the lake: what the winner replayed may have landed since.
            let coverage = self.place.lake().coverage(calendar_session.open, calendar_session.close).await?;
            let items = self.place.ledger().of_session(on).await?;
            let items: BTreeMap<Symbol, VersionedGap> =
                items.into_iter().map(|item| (item.gap.symbol.clone(), item)).collect();
            if decided.is_empty() {
                symbols.extend(items.keys().cloned());
            }
            let mut lost = BTreeSet::new();
            for symbol in &symbols {
                let outcome = self.decide(&session, symbol, &coverage, &history, items.get(symbol));
                match self.write(items.get(symbol), &outcome).await? {
                    Write::Conflict => drop(lost.insert(symbol.clone())),
                    Write::Stored(_) => {
                        claimed.extend(outcome.claimed.then(|| symbol.clone()));
                        let held = coverage.get(symbol).cloned().unwrap_or_default();
                        decided.insert(symbol.clone(), (held, outcome));
                    }
                }
            }
            symbols = lost;
            if symbols.is_empty() {
                break;
            }
        }
        self.report.conflicts += symbols.len();
        self.count(&session, &decided);
        self.send(&session, claimed).await?;
        self.report.statuses +=
            statuses::write(self.place, self.settings, &self.context, &calendar_session, self.now, &decided).await?;
        Ok(())
    }

    fn decide(
        &self,
        session: &Session,
        symbol: &Symbol,
        coverage: &Coverage,
        history: &History,
        item: Option<&VersionedGap>,
    ) -> Outcome {
        let nothing = Held::default();
        let liquid = history.longest(symbol).unwrap_or(LIQUID_QUIET_RUN) <= LIQUID_QUIET_RUN;
        let lateness_ms = self.place.candles().iter().map(CandleSource::lateness_ms).min();
        plan::reconcile(&View {
            now: self.now,
            symbol,
            session,
            expected: &self.context.expected(session, symbol, self.horizon),
            held: coverage.get(symbol).unwrap_or(&nothing),
            verdicts: &self.context.verdicts(session.on, symbol),
            item: item.map(|versioned| &versioned.gap),
            chase_suspects: liquid || self.window == Window::Morning,
            lateness_ms: lateness_ms.unwrap_or(0),
            settle_ms: self.settings.settle_ms,
            landed_through: self.landed_through,
            is_askable: self.is_askable(symbol),
        })
    }

    /// Writes the item where it changed.
    async fn write(&self, stored: Option<&VersionedGap>, outcome: &Outcome) -> Result<Write> {
        let version = stored.map_or(0, |item| item.version);
        match &outcome.item {
            Some(item) if stored.is_none_or(|s| s.gap != *item) => self.place.ledger().write(item, version).await,
            _ => Ok(Write::Stored(version)),
        }
    }

    fn count(&mut self, session: &Session, decided: &BTreeMap<Symbol, (Held, Outcome)>) {
        let settled_then = self.last_through.map(|last| self.settings.horizon(last));
        for (symbol, (held, outcome)) in decided {
            let expected = self.context.expected(session, symbol, self.horizon);
            let present = held.present().intersection(&expected);
            self.report.expected += expected.len();
            self.report.present += present.len();
            self.report.newly_open += outcome.newly_open.len();
            if let Some(then) = settled_then {
                let watched = |minute: &Minute| *minute < then && self.context.watchlist.watches(symbol, *minute);
                self.report.disagreements += outcome.newly_open.iter().filter(watched).count();
            }
            for (why, minutes) in self.context.verdicts(session.on, symbol) {
                let given_up = minutes.intersection(&expected).difference(&present).len();
                if given_up > 0 {
                    *self.report.unrecoverable.entry(why).or_default() += given_up;
                }
            }
        }
    }

    /// Sends the tasks of what was claimed. While a session is open, a task becomes visible in the second half of a
    /// minute, where replay may call.
    async fn send(&mut self, session: &Session, claimed: BTreeSet<Symbol>) -> Result<()> {
        if claimed.is_empty() {
            return Ok(());
        }
        self.report.claimed += claimed.len();
        let open_now = self.context.schedule.session_of(self.now.minute()).map_err(out_of_range)?.is_some();
        let half = self.now.minute().start().plus_ms(crate::calls::SECOND_HALF_MS);
        let visible_at = if open_now { half.max(self.now) } else { self.now };
        let symbols: Vec<Symbol> = claimed.into_iter().collect();
        let message = |chunk: &[Symbol]| {
            let task = ReplayTask {
                v: task::VERSION,
                symbols: chunk.iter().cloned().collect(),
                from: session.open,
                to: session.close,
                mode: Mode::Apply,
                force: false,
                requested_at: Some(self.now),
            };
            let body = serde_json::to_string(&task).expect("a task is JSON: its keys are text");
            Message { body, visible_at }
        };
        let messages: Vec<Message> = symbols.chunks(SYMBOLS_A_TASK).map(message).collect();
        let outcomes = self.place.replay_queue().send(&messages).await?;
        let (unsent, error) = failures(&outcomes);
        if let Some(error) = error {
            tracing::warn!(
                stage = "reconcile",
                unsent,
                "tasks are not sent, the next run plans them: {}",
                error.chain()
            );
        }
        self.report.tasks += messages.len() - unsent;
        self.report.unsent += unsent;
        Ok(())
    }

    /// Judges live collection over the last minutes before the horizon.
    async fn live(&mut self) -> Result<()> {
        let from = self.horizon + -LIVE_MIN;
        let mut quoted: Option<Coverage> = None;
        let mut close = None;
        for session in self.context.schedule.sessions(from, self.horizon).map_err(out_of_range)? {
            for symbol in self.context.watchlist.ever() {
                let watched = |minute: &Minute| self.context.watchlist.watches(&symbol, *minute);
                let within = session.minutes().within(from, self.horizon);
                let expected: MinuteSet = within.iter().filter(watched).collect();
                if expected.is_empty() {
                    continue;
                }
                if quoted.is_none() {
                    quoted = Some(self.place.lake().coverage(from, self.horizon).await?);
                }
                let held = quoted.as_ref().and_then(|coverage| coverage.get(&symbol));
                let sampled = held.and_then(|held| held.by_basis.get(&Basis::Quote)).cloned().unwrap_or_default();
                self.report.expected_live += expected.len();
                self.report.missing_live += expected.difference(&sampled).len();
                close = Some(session.close);
            }
        }
        if let (Some(close), Some(landed_through)) = (close, self.landed_through) {
            self.report.landing_lag_s = lag_s(landed_through, self.now, close);
        }
        Ok(())
    }

    /// Counts what is open in the whole ledger, after everything was written.
    async fn count_open(&mut self) -> Result<()> {
        let mut oldest: Option<Minute> = None;
        for Gap { open, suspect, .. } in self.place.ledger().pending().await?.into_iter().map(|item| item.gap) {
            for (reason, minutes) in open {
                self.report.open_gaps += minutes.len();
                *self.report.open_by_reason.entry(reason).or_default() += minutes.len();
                oldest = oldest.into_iter().chain(minutes.first()).min();
            }
            self.report.suspects += suspect.len();
        }
        self.report.oldest_gap_s = oldest.map(|minute| self.now.ms_since(minute.start()) / 1000);
        Ok(())
    }
}

/// How far landing is behind *now*, in seconds. Nothing is to land after the close, while the session's last minutes are
/// still looked at: without that, every good day would end with a lag.
fn lag_s(landed_through: Timestamp, now: Timestamp, close: Minute) -> i64 {
    now.min(close.start()).ms_since(landed_through).max(0) / 1000
}

fn empty(at: Timestamp, window: Window, from: Minute, to: Minute) -> ReconcileReport {
    ReconcileReport {
        at,
        window,
        from,
        to,
        expected: 0,
        present: 0,
        open_gaps: 0,
        open_by_reason: BTreeMap::new(),
        oldest_gap_s: None,
        unrecoverable: BTreeMap::new(),
        suspects: 0,
        newly_open: 0,
        disagreements: 0,
        claimed: 0,
        tasks: 0,
        unsent: 0,
        conflicts: 0,
        expected_live: 0,
        missing_live: 0,
        landing_lag_s: 0,
        statuses: 0,
        unknown_symbols: Vec::new(),
        parked: 0,
        learned: None,
    }
}

/// A day outside the calendar is an error, never a guess.
pub(crate) fn out_of_range(error: OutOfRange) -> PortError {
    PortError::caused(Kind::Rejected, "find session", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn landing_is_behind_now_in_session_and_behind_the_close_after_it() {
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        let close = at("2026-11-20T21:00:00.000Z").minute();
        let last_rows = at("2026-11-20T20:59:02.000Z");
        let cases = [
            ("2026-11-20T20:58:00.000Z", 0),
            ("2026-11-20T20:59:32.000Z", 30),
            ("2026-11-20T21:10:20.000Z", 58),
            ("2026-11-20T21:15:20.000Z", 58),
        ];
        for (now, wanted) in cases {
            assert_eq!(lag_s(last_rows, at(now), close), wanted, "{now}");
        }
        let stuck = at("2026-11-20T20:30:00.000Z");
        assert_eq!(
            lag_s(stuck, at("2026-11-20T21:10:20.000Z"), close),
            1800,
            "rows that wait are seen after the close"
        );
    }
}
