//! What the audit finds where the watchlist, the statuses or the folders are not what they were.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use mendlake_domain::overlay::{Change, Entry};
use mendlake_domain::quote::{Day, Price, Row};
use mendlake_domain::watchlist::{Edit, Version};
use mendlake_ports::control::{Appended, Log};
use mendlake_ports::gaps::{VersionedGap, Write};
use mendlake_ports::lake::{NewObject, Published};
use mendlake_ports::runs::Run;

use super::*;

/// A lake of one session, a Friday that closes at 21:00, and a ledger without gaps.
#[derive(Default)]
struct Fake {
    watchlist: Vec<Version>,
    overlay: Vec<Entry>,
    statuses: Vec<SessionStatus>,
    rows: Vec<StoredRow>,
    run: Option<Run>,
    /// An entry of the watchlist that is there from the second look on.
    late: Option<Version>,
    looks: AtomicUsize,
}

impl Lake for Fake {
    async fn publish(&self, _: &NewObject) -> Result<Published> {
        unreachable!("an audit only reads")
    }

    async fn coverage(&self, from: Minute, to: Minute) -> Result<Coverage> {
        let rows = self.rows.iter().map(|stored| &stored.row);
        Ok(Coverage::of(rows.filter(|row| row.minute >= from && row.minute < to)))
    }

    async fn rows(&self, symbols: &BTreeSet<Symbol>, from: Minute, to: Minute) -> Result<Vec<StoredRow>> {
        let inside = |row: &Row| symbols.contains(&row.symbol) && row.minute >= from && row.minute < to;
        Ok(self.rows.iter().filter(|stored| inside(&stored.row)).cloned().collect())
    }
}

impl Control for Fake {
    async fn append(&self, _: Log, _: usize, _: &[u8]) -> Result<Appended> {
        unreachable!("an audit only reads")
    }

    async fn read(&self, log: Log, _: usize) -> Result<Vec<Vec<u8>>> {
        Ok(match log {
            Log::Watchlist => {
                let late = (self.looks.fetch_add(1, Ordering::Relaxed) > 0).then_some(self.late.as_ref()).flatten();
                self.watchlist.iter().chain(late).map(|version| serde_json::to_vec(version).unwrap()).collect()
            }
            Log::Overlay => self.overlay.iter().map(|entry| serde_json::to_vec(entry).unwrap()).collect(),
            Log::Verdicts => Vec::new(),
        })
    }

    fn place_of(&self, log: Log, number: usize) -> String {
        format!("{log:?} {number}")
    }
}

impl Sessions for Fake {
    async fn append(&self, _: &[SessionStatus]) -> Result<()> {
        unreachable!("an audit only reads")
    }

    async fn current(&self, first: NaiveDate, last: NaiveDate) -> Result<Vec<SessionStatus>> {
        Ok(self.statuses.iter().filter(|status| status.on >= first && status.on <= last).cloned().collect())
    }
}

impl Gaps for Fake {
    async fn gap(&self, _: NaiveDate, _: &Symbol) -> Result<Option<VersionedGap>> {
        unreachable!("an audit looks at all of them")
    }

    async fn pending(&self) -> Result<Vec<VersionedGap>> {
        Ok(Vec::new())
    }

    async fn of_session(&self, _: NaiveDate) -> Result<Vec<VersionedGap>> {
        unreachable!("an audit looks at all of them")
    }

    async fn write(&self, _: &Gap, _: u64) -> Result<Write> {
        unreachable!("an audit only reads")
    }
}

impl Runs for Fake {
    async fn record_run(&self, _: &Run) -> Result<()> {
        unreachable!("an audit only reads")
    }

    async fn last_run(&self) -> Result<Option<Run>> {
        Ok(self.run.clone())
    }
}

impl Fake {
    /// `SPY` and `IBM` are watched from 20:50 on, every minute is there, and it was reconciled when all was over.
    fn whole() -> Self {
        let mut fake = Self { run: Some(run("21:10")), ..Self::default() };
        fake.watchlist = vec![change("20:50", "SPY", ""), change("20:50", "IBM", "")];
        for symbol in ["SPY", "IBM"] {
            fake.rows.extend((50..60).map(|m| row(symbol, &format!("20:{m}"))));
            fake.statuses.push(status(symbol, 10));
        }
        fake
    }

    fn audit(&self) -> AuditReport {
        self.audit_from(Some(on()))
    }

    fn audit_from(&self, oldest: Option<NaiveDate>) -> AuditReport {
        let now = minute("21:30").start();
        let audited = audit(self, Some(self), &Settings::default(), oldest, now).now_or_never();
        audited.expect("nothing waits").expect("audited")
    }

    /// Audits, and expects one finding that says all this.
    fn finds(&self, texts: &[&str]) {
        let report = self.audit();
        assert_eq!(report.found, 1, "{:?}", report.findings);
        for text in texts {
            assert!(report.findings[0].contains(text), "`{text}`: {:?}", report.findings);
        }
    }

    /// Audits, and expects nothing to be found.
    fn is_sound(&self) {
        assert_eq!(self.audit().findings, [""; 0]);
    }
}

fn on() -> NaiveDate {
    "2026-11-20".parse().unwrap()
}

fn minute(time: &str) -> Minute {
    format!("2026-11-20T{time}:00Z").parse().unwrap()
}

fn symbols(text: &str) -> BTreeSet<Symbol> {
    text.split_whitespace().map(|symbol| symbol.parse().unwrap()).collect()
}

fn change(from: &str, add: &str, remove: &str) -> Version {
    let edit = Edit::Change { from: minute(from), add: symbols(add), remove: symbols(remove) };
    Version { v: 1, edit, who: "test".into(), why: "test".into(), made_at: minute(from).start().plus_s(-30) }
}

fn closes_at(close: &str, learned: &str) -> Entry {
    let (change, text) = (Change::ClosesAt { close: minute(close) }, || "test".to_owned());
    let learned_at = minute(learned).start();
    Entry { v: 1, on: on(), change, source: text(), who: text(), why: text(), learned_at }
}

fn row(symbol: &str, time: &str) -> StoredRow {
    let at = minute(time).start();
    let row = Row {
        symbol: symbol.parse().unwrap(),
        minute: minute(time),
        price: Price::new(64.0).unwrap(),
        basis: Basis::Quote,
        source: "finnhub".parse().unwrap(),
        traded_at: Some(at),
        day: Day::default(),
        observed_at: at.plus_s(3),
        revision: 0,
    };
    StoredRow { row, stored_at: at.plus_s(60) }
}

fn status(symbol: &str, expected: u32) -> SessionStatus {
    SessionStatus {
        on: on(),
        symbol: symbol.parse().unwrap(),
        open: minute("14:30"),
        close: minute("21:00"),
        expected,
        present: [(Basis::Quote, expected)].into(),
        longest_quiet_run: None,
        gaps: 0,
        unrecoverable: BTreeMap::new(),
        oldest_price_age_s: None,
        outside: 0,
        is_final: true,
        as_of: minute("21:06").start(),
    }
}

fn run(time: &str) -> Run {
    let at = minute(time).start();
    Run { at, id: "a".into(), reconciled_through: at, report: serde_json::Value::Null }
}

#[test]
fn a_lake_that_has_everything_is_sound() {
    Fake::whole().is_sound();
    let report = Fake::whole().audit();
    assert_eq!((report.sessions, report.rows, report.expected, report.present), (1, 20, 20, 20));
}

#[test]
fn rows_and_statuses_of_symbols_that_nobody_watches_are_found_by_symbol() {
    let report = Fake { watchlist: Vec::new(), ..Fake::whole() }.audit();
    let says = |symbol| {
        format!(
            "session 2026-11-20 has 10 minutes of `{symbol}` and a status of 10 expected ones, which no entry of the \
             watchlist names: restore `control/watchlist` from a copy, it cannot be derived"
        )
    };
    assert_eq!(report.findings, [says("IBM"), says("SPY")]);
    assert_eq!((report.found, report.rows), (2, 20), "and they are read");
}

#[test]
fn of_a_watchlist_that_lost_its_newest_entry_what_that_named_is_found() {
    let mut fake = Fake::whole();
    fake.watchlist.pop();
    fake.finds(&["10 minutes of `IBM`", "restore `control/watchlist`"]);
    fake.statuses.retain(|status| status.symbol.as_str() == "SPY");
    fake.finds(&["has 10 minutes of `IBM`, which"]);
}

#[test]
fn a_watchlist_begun_anew_does_not_hide_what_was_watched_before() {
    let mut fake = Fake::whole();
    fake.watchlist = vec![change("21:20", "SPY IBM", "")];
    let report = fake.audit();
    assert_eq!(report.found, 2, "{:?}", report.findings);
    for symbol in ["IBM", "SPY"] {
        let says = format!(
            "the status of `{symbol}` on 2026-11-20 counts 10 expected minutes, the watchlist and the overlay 0"
        );
        assert!(report.findings.iter().any(|finding| finding.contains(&says)), "{:?}", report.findings);
    }
}

#[test]
fn a_symbol_that_was_watched_once_is_no_stranger() {
    let mut fake = Fake::whole();
    fake.watchlist.push(change("20:55", "", "IBM"));
    fake.statuses[1] = status("IBM", 5);
    fake.is_sound();
}

#[test]
fn an_entry_made_while_the_audit_goes_on_is_heeded() {
    let mut fake = Fake::whole();
    fake.late = fake.watchlist.pop();
    fake.statuses.pop();
    fake.is_sound();
}

#[test]
fn a_session_that_is_over_without_statuses_is_one_finding() {
    let mut fake = Fake::whole();
    fake.statuses.pop();
    fake.finds(&["session 2026-11-20 is over and has no status of `IBM`:", "--window morning", "--rebuild-ledger"]);
    fake.statuses.clear();
    fake.finds(&["no status of `IBM` `SPY`:"]);
    for symbol in ["A", "B", "C", "D", "E", "F"] {
        fake.watchlist.push(change("20:50", symbol, ""));
        fake.rows.extend((50..60).map(|m| row(symbol, &format!("20:{m}"))));
    }
    fake.finds(&["no status of `A` `B` `C` `D` `E` and 3 more:"]);
}

#[test]
fn a_session_that_no_run_saw_settled_owes_no_status() {
    for run in [None, Some(run("21:03")), Some(run("20:58"))] {
        Fake { statuses: Vec::new(), run, ..Fake::whole() }.is_sound();
    }
    let mut fake = Fake::whole();
    fake.watchlist.push(change("21:15", "MSFT", ""));
    fake.is_sound();
}

#[test]
fn what_an_overlay_removed_is_outside_and_no_finding() {
    let mut fake = Fake::whole();
    fake.overlay = vec![closes_at("20:54", "21:20")];
    fake.is_sound();
    fake.overlay = vec![closes_at("20:45", "21:20")];
    fake.is_sound();
    assert_eq!(fake.audit().outside.iter().map(|outside| outside.live).collect::<Vec<_>>(), [10, 10]);
    fake.statuses.clear();
    fake.is_sound();
}

#[test]
fn the_audit_begins_with_what_is_older_of_watchlist_and_lake() {
    let fake = Fake::whole();
    let sessions = |oldest: Option<&str>| fake.audit_from(oldest.map(|day| day.parse().unwrap())).sessions;
    assert_eq!(sessions(None), 1);
    assert_eq!(sessions(Some("2026-11-19")), 2);
    assert_eq!(sessions(Some("2030-01-01")), 1);
    assert_eq!(Fake::default().audit_from(None), AuditReport::default());
}

#[test]
fn a_date_before_the_calendar_is_found_and_the_rest_is_audited() {
    let report = Fake::whole().audit_from(Some("1970-01-01".parse().unwrap()));
    assert_eq!(report.found, 1, "{:?}", report.findings);
    assert!(report.findings[0].contains("move `dt=1970-01-01` away"), "{:?}", report.findings);
    assert_eq!((report.expected, report.present), (20, 20));
}
