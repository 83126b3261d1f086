//! Auditing: the laws, checked on a lake as it lies and on the ledger beside it. Reads only, and may run beside everything.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use mendlake_domain::calendar::Session;
use mendlake_domain::coverage::{Coverage, MinuteSet};
use mendlake_domain::gap::{Gap, Unrecoverable};
use mendlake_domain::law::{self, Violation};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::overlay::{Entry, Overlay, Schedule};
use mendlake_domain::quote::{Basis, StoredRow};
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::watchlist::{Version, Watchlist};
use mendlake_ports::control::{self, Control, Log};
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::gaps::Gaps;
use mendlake_ports::lake::Lake;
use mendlake_ports::runs::Runs;
use mendlake_ports::sessions::Sessions;
use serde::{Deserialize, Serialize};

use crate::reconcile::out_of_range;

/// The most findings that are told one by one: beyond that it is one trouble, not many.
const MOST_FINDINGS: usize = 100;

/// What an audit saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditReport {
    /// The *now* of the last completed reconciliation, up to which everything must be explained; null where there is none.
    pub reconciled_through: Option<Timestamp>,
    /// Sessions looked at.
    pub sessions: usize,
    /// Rows looked at, duplicates and superseded ones included.
    pub rows: usize,
    /// Expected symbol-minutes that were to be explained.
    pub expected: usize,
    /// Of these, in the lake.
    pub present: usize,
    /// Of these, open.
    pub open: usize,
    /// Of these, given up.
    pub unrecoverable: usize,
    /// Broken laws, in words; at most 100 of them.
    pub findings: Vec<String>,
    /// How many there are.
    pub found: usize,
    /// Rows of minutes that an overlay removed: they stay in the lake and are no part of their session.
    pub outside: Vec<Outside>,
}

/// Current rows of one symbol inside what an overlay removed from its session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    /// The trading day.
    pub session: NaiveDate,
    /// The symbol.
    pub symbol: Symbol,
    /// Live samples.
    pub live: usize,
    /// Healed rows.
    pub healed: usize,
    /// The first of their minutes.
    pub from: Minute,
    /// The minute after the last.
    pub to: Minute,
}

/// Audits a lake, and the ledger where there is one.
pub async fn audit(
    lake: &(impl Lake + Control + Sessions),
    ledger: Option<&(impl Gaps + Runs)>,
    settings: &Settings,
    now: Timestamp,
) -> Result<AuditReport> {
    // The ledger first and the lake after it: what is healed meanwhile is then in the lake, and nothing seems lost.
    let mut claims = Claims::default();
    if let Some(ledger) = ledger {
        claims.through = ledger.last_run().await?.map(|run| run.reconciled_through);
        for item in ledger.pending().await? {
            claims.open.insert((item.gap.on, item.gap.symbol.clone()), item.gap);
        }
    }
    let auditor = Auditor { settings, claims, logs: Logs::read(lake).await?, report: AuditReport::default() };
    auditor.run(lake, now).await
}

/// What the ledger claims.
#[derive(Default)]
struct Claims {
    through: Option<Timestamp>,
    open: BTreeMap<(NaiveDate, Symbol), Gap>,
}

/// The lake's control logs, entry by entry.
struct Logs {
    overlay: Vec<Entry>,
    watchlist: Vec<Version>,
    given_up: BTreeMap<(NaiveDate, Symbol), BTreeMap<Unrecoverable, MinuteSet>>,
}

impl Logs {
    async fn read(lake: &impl Control) -> Result<Self> {
        let mut given_up: BTreeMap<(NaiveDate, Symbol), BTreeMap<Unrecoverable, MinuteSet>> = BTreeMap::new();
        for verdict in control::verdicts(lake).await? {
            let of = given_up.entry((verdict.on, verdict.symbol)).or_default();
            of.entry(verdict.reason).or_default().extend_set(&verdict.minutes);
        }
        let (overlay, watchlist) =
            (control::read(lake, Log::Overlay).await?, control::read(lake, Log::Watchlist).await?);
        Ok(Self { overlay, watchlist, given_up })
    }

    /// The logs as they were at an instant: a run knows nothing of what was entered after it.
    fn at(&self, at: Timestamp) -> (Overlay, Watchlist) {
        let overlay = self.overlay.iter().filter(|entry| entry.learned_at <= at).cloned();
        let watchlist = self.watchlist.iter().filter(|version| version.made_at <= at);
        (Overlay::new(overlay), Watchlist::new(watchlist))
    }
}

struct Auditor<'a> {
    settings: &'a Settings,
    claims: Claims,
    logs: Logs,
    report: AuditReport,
}

impl Auditor<'_> {
    async fn run(mut self, lake: &(impl Lake + Sessions), now: Timestamp) -> Result<AuditReport> {
        self.report.reconciled_through = self.claims.through;
        let watchlist = Watchlist::new(&self.logs.watchlist);
        let Some(begins) = watchlist.begins() else {
            return Ok(self.report);
        };
        let calendar = self.settings.calendar;
        let days = mendlake_domain::calendar::days(calendar.day_of(begins), calendar.day_of(now.minute()));
        for day in days {
            let session = calendar.session_on(day).map_err(out_of_range)?;
            if let Some(session) = session.filter(|session| session.open.start() <= now) {
                self.session(lake, &session, &watchlist.ever(), now).await?;
            }
        }
        Ok(self.report)
    }

    async fn session(
        &mut self,
        lake: &(impl Lake + Sessions),
        session: &Session,
        symbols: &BTreeSet<Symbol>,
        now: Timestamp,
    ) -> Result<()> {
        self.report.sessions += 1;
        let read = match lake.rows(symbols, session.open, session.close).await {
            Ok(rows) => lake.coverage(session.open, session.close).await.map(|coverage| (rows, coverage)),
            Err(error) => Err(error),
        };
        let (rows, coverage) = match read {
            Err(error) if error.kind == Kind::Corrupt => {
                self.found(format!("session {} cannot be audited: {}", session.on, error.chain()));
                return Ok(());
            }
            read => read?,
        };
        self.rows(session, &rows);
        for symbol in symbols {
            self.symbol(session, symbol, &coverage, now)?;
        }
        self.statuses(lake, session, &coverage).await
    }

    /// Laws 3 to 5, row by row.
    fn rows(&mut self, session: &Session, rows: &[StoredRow]) {
        self.report.rows += rows.len();
        for stored in rows {
            self.law(law::not_invented(&stored.row));
            self.law(law::no_look_ahead(&stored.row, session));
            self.law(law::known_before_stored(stored));
        }
        self.law(law::one_current(&StoredRow::current(rows.to_vec())));
    }

    /// Law 1 of one symbol-session, and its rows outside the session.
    fn symbol(&mut self, session: &Session, symbol: &Symbol, coverage: &Coverage, now: Timestamp) -> Result<()> {
        let present = coverage.present(symbol);
        self.outside(session, symbol, coverage)?;
        let Some(through) = self.claims.through else {
            return Ok(());
        };
        let expected = self.expected(session, symbol, through)?;
        let key = (session.on, symbol.clone());
        let open = self.claims.open.get(&key).map(Gap::open_minutes).unwrap_or_default();
        let given_up = self.logs.given_up.get(&key).into_iter().flat_map(BTreeMap::values);
        let given_up = given_up.fold(MinuteSet::new(), |all, set| all.union(set));
        // What has landed since the ledger was read is still open there until the next run.
        let open = open.difference(&present);
        self.report.expected += expected.len();
        self.report.present += expected.intersection(&present).len();
        self.report.open += expected.intersection(&open).len();
        self.report.unrecoverable += expected.intersection(&given_up).difference(&present).len();
        let unexpected = open.difference(&expected).difference(&self.expected(session, symbol, now)?);
        let open = open.intersection(&expected).union(&unexpected);
        self.law(law::explained(symbol, &expected, &present, &open, &given_up));
        Ok(())
    }

    /// The expected minutes of a symbol-session that had settled at an instant, as was known then.
    fn expected(&self, session: &Session, symbol: &Symbol, at: Timestamp) -> Result<MinuteSet> {
        let (overlay, watchlist) = self.logs.at(at);
        let schedule = Schedule { calendar: self.settings.calendar, overlay };
        let horizon = self.settings.horizon(at);
        let session = schedule.session_on(session.on).map_err(out_of_range)?;
        Ok(session.map(|s| watchlist.watched(symbol, s.open, s.close.min(horizon))).unwrap_or_default())
    }

    fn outside(&mut self, session: &Session, symbol: &Symbol, coverage: &Coverage) -> Result<()> {
        let overlay = Overlay::new(self.logs.overlay.iter().cloned());
        let schedule = Schedule { calendar: self.settings.calendar, overlay };
        let removed = schedule.removed(session.on).map_err(out_of_range)?;
        let Some(held) = coverage.get(symbol) else {
            return Ok(());
        };
        let inside = held.present().intersection(&removed);
        let (Some(from), Some(last)) = (inside.first(), inside.last()) else {
            return Ok(());
        };
        let live = held.by_basis.get(&Basis::Quote).map(|set| set.intersection(&removed).len()).unwrap_or(0);
        self.report.outside.push(Outside {
            session: session.on,
            symbol: symbol.clone(),
            live,
            healed: inside.len().saturating_sub(live),
            from,
            to: last + 1,
        });
        Ok(())
    }

    /// Law 2: what a status claims present can be read.
    async fn statuses(&mut self, lake: &impl Sessions, session: &Session, coverage: &Coverage) -> Result<()> {
        let statuses = match lake.current(session.on, session.on).await {
            Err(error) if error.kind == Kind::Corrupt => return self.unreadable(session, &error),
            statuses => statuses?,
        };
        for status in statuses {
            let held = coverage.present(&status.symbol).within(status.open, status.close).len();
            let claimed = status.present_minutes() as usize;
            if held < claimed {
                let (on, symbol) = (status.on, &status.symbol);
                let how = format!("the status of `{symbol}` on {on} counts {claimed} minutes, the lake holds {held}");
                self.law(Err(Violation { law: 2, name: "the lake is the truth", how }));
            }
        }
        Ok(())
    }

    fn unreadable(&mut self, session: &Session, error: &PortError) -> Result<()> {
        self.found(format!("the statuses of {} cannot be read: {}", session.on, error.chain()));
        Ok(())
    }

    fn law(&mut self, kept: std::result::Result<(), Violation>) {
        if let Err(violation) = kept {
            self.found(violation.to_string());
        }
    }

    fn found(&mut self, finding: String) {
        self.report.found += 1;
        if self.report.findings.len() < MOST_FINDINGS {
            self.report.findings.push(finding);
        }
    }
}
