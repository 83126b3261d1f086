//! Auditing: the laws, checked on a lake as it lies and on the ledger beside it. Reads only, and may run beside everything.

mod claims;
mod known;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use mendlake_domain::calendar::{Calendar, Session};
use mendlake_domain::coverage::{Coverage, MinuteSet};
use mendlake_domain::gap::Gap;
use mendlake_domain::law::{self, Violation};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::{Basis, StoredRow};
use mendlake_domain::settings::Settings;
use mendlake_domain::status::SessionStatus;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::control::Control;
use mendlake_ports::error::{Kind, Result};
use mendlake_ports::gaps::Gaps;
use mendlake_ports::lake::Lake;
use mendlake_ports::runs::Runs;
use mendlake_ports::sessions::Sessions;
use serde::{Deserialize, Serialize};

use crate::reconcile::out_of_range;
use known::{Known, Logs};

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

/// Audits a lake, and the ledger where there is one, from the watchlist's first minute on, or from `oldest` on where that is
/// earlier: the first date that the lake holds anything of. A watchlist that was lost hides nothing.
pub async fn audit(
    lake: &(impl Lake + Control + Sessions),
    ledger: Option<&(impl Gaps + Runs)>,
    settings: &Settings,
    oldest: Option<NaiveDate>,
    now: Timestamp,
) -> Result<AuditReport> {
    // The ledger first and the lake after it: what is healed meanwhile is then in the lake, and nothing seems lost.
    let (mut open, mut through) = (BTreeMap::new(), None);
    if let Some(ledger) = ledger {
        through = ledger.last_run().await?.map(|run| run.reconciled_through);
        for item in ledger.pending().await? {
            open.insert((item.gap.on, item.gap.symbol.clone()), item.gap);
        }
    }
    let logs = Logs::read(lake).await?;
    let auditor = Auditor {
        open,
        then: through.map(|at| logs.at(at, settings)),
        now: logs.at(now, settings),
        named: logs.named(),
        given_up: logs.given_up,
        report: AuditReport { reconciled_through: through, ..AuditReport::default() },
    };
    auditor.run(lake, oldest, now).await
}

struct Auditor {
    /// What the ledger claims to be open.
    open: BTreeMap<(NaiveDate, Symbol), Gap>,
    given_up: BTreeMap<(NaiveDate, Symbol), MinuteSet>,
    /// What the last run knew, where there was one.
    then: Option<Known>,
    now: Known,
    /// Symbols that an entry of the watchlist names.
    named: BTreeSet<Symbol>,
    report: AuditReport,
}

impl Auditor {
    async fn run(
        mut self,
        lake: &(impl Lake + Control + Sessions),
        oldest: Option<NaiveDate>,
        now: Timestamp,
    ) -> Result<AuditReport> {
        let calendar = self.now.schedule.calendar;
        let begins = self.now.watchlist.begins().map(|minute| calendar.day_of(minute));
        let oldest = self.known_to(calendar, oldest);
        let Some(first) = begins.into_iter().chain(oldest).min() else {
            return Ok(self.report);
        };
        for day in mendlake_domain::calendar::days(first, calendar.day_of(now.minute())) {
            let session = calendar.session_on(day).map_err(out_of_range)?;
            if let Some(session) = session.filter(|session| session.open.start() <= now) {
                self.session(lake, &session).await?;
            }
        }
        Ok(self.report)
    }

    /// The day, or the first one that the calendar knows: what somebody put into an older folder keeps nothing from being
    /// audited.
    fn known_to(&mut self, calendar: Calendar, oldest: Option<NaiveDate>) -> Option<NaiveDate> {
        let (first, _) = calendar.range();
        let oldest = oldest?;
        if oldest < first {
            self.found(format!(
                "the lake holds something of {oldest}, which is before calendar `{calendar}` begins on {first}: move \
                 `dt={oldest}` away"
            ));
        }
        Some(oldest.max(first))
    }

    async fn session(&mut self, lake: &(impl Lake + Control + Sessions), session: &Session) -> Result<()> {
        self.report.sessions += 1;
        let Contents { statuses, coverage, symbols, rows } =
            match Contents::read(lake, session, self.now.watchlist.ever()).await {
                Err(error) if error.kind == Kind::Corrupt => {
                    self.found(format!("session {} cannot be audited: {}", session.on, error.chain()));
                    return Ok(());
                }
                read => read?,
            };
        let strangers = self.strangers(lake, &symbols).await?;
        self.rows(session, &rows);
        for symbol in &symbols {
            self.outside(session, symbol, &coverage)?;
            if strangers.contains(symbol) {
                self.stranger(session.on, symbol, &statuses, &coverage);
            } else {
                self.symbol(session, symbol, &coverage)?;
            }
        }
        self.statuses(&statuses, &coverage);
        self.untold(session.on, &statuses)?;
        self.forgotten(&statuses, &strangers)
    }

    /// Laws 3 to 5, row by row.
    fn rows(&mut self, session: &Session, rows: &[StoredRow]) {
        self.report.rows += rows.len();
        for stored in rows {
            self.law(law::not_invented(&stored.row));
            self.law(law::no_look_ahead(&stored.row, session));
            self.law(law::known_before_stored(stored));
        }
        let current = StoredRow::current(rows.to_vec());
        self.law(law::one_current(&current));
        for stored in &current {
            self.law(law::revised_in_time(stored, rows));
        }
    }

    /// Law 1 of one symbol-session.
    fn symbol(&mut self, session: &Session, symbol: &Symbol, coverage: &Coverage) -> Result<()> {
        let Some(then) = &self.then else { return Ok(()) };
        let (expected, expected_now) = (then.expected(session.on, symbol)?, self.now.expected(session.on, symbol)?);
        let key = (session.on, symbol.clone());
        let present = coverage.present(symbol);
        let given_up = self.given_up.get(&key).cloned().unwrap_or_default();
        let open = self.open.get(&key).map(Gap::open_minutes).unwrap_or_default();
        // What has landed since the ledger was read is still open there until the next run.
        let open = open.difference(&present);
        self.report.expected += expected.len();
        self.report.present += expected.intersection(&present).len();
        self.report.open += expected.intersection(&open).len();
        self.report.unrecoverable += expected.intersection(&given_up).difference(&present).len();
        // A run that is under way knows more than the last one did.
        let unexpected = open.difference(&expected).difference(&expected_now);
        let open = open.intersection(&expected).union(&unexpected);
        self.law(law::explained(symbol, &expected, &present, &open, &given_up));
        Ok(())
    }

    /// Rows of one symbol outside the session.
    fn outside(&mut self, session: &Session, symbol: &Symbol, coverage: &Coverage) -> Result<()> {
        let removed = self.now.schedule.removed(session.on).map_err(out_of_range)?;
        let inside = coverage.present(symbol).intersection(&removed);
        let (Some(from), Some(last)) = (inside.first(), inside.last()) else {
            return Ok(());
        };
        let sampled = coverage.get(symbol).and_then(|held| held.by_basis.get(&Basis::Quote));
        let live = sampled.map_or(0, |set| set.intersection(&removed).len());
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

/// What the lake holds of a session.
struct Contents {
    statuses: Vec<SessionStatus>,
    coverage: Coverage,
    /// Those asked for, and those found.
    symbols: BTreeSet<Symbol>,
    rows: Vec<StoredRow>,
}

impl Contents {
    async fn read(lake: &(impl Lake + Sessions), session: &Session, mut symbols: BTreeSet<Symbol>) -> Result<Self> {
        // Claims before what they are of: rows land meanwhile.
        let statuses = lake.current(session.on, session.on).await?;
        let coverage = lake.coverage(session.open, session.close).await?;
        symbols.extend(statuses.iter().map(|status| status.symbol.clone()));
        symbols.extend(coverage.0.keys().cloned());
        let rows = lake.rows(&symbols, session.open, session.close).await?;
        Ok(Self { statuses, coverage, symbols, rows })
    }
}
