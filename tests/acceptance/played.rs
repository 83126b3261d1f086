//! Playing a rehearsal on the recorded market, and judging what it left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use chrono::NaiveDate;
use futures_util::FutureExt;
use mendlake::engine::{Event, Observer};
use mendlake::finnhub::{Plan, Script};
use mendlake::market::{Market, RecordedMarket, Wanted};
use mendlake::rehearsal::truth::{Judgement, Spread, distance, judge, session_of};
use mendlake::rehearsal::{Played, Rehearsal};
use mendlake_domain::calendar::{Calendar, Session};
use mendlake_domain::law;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::quote::{Basis, StoredRow};
use mendlake_domain::settings::Settings;
use mendlake_domain::status::SessionStatus;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::gaps::Gaps;
use mendlake_ports::lake::Lake;
use mendlake_ports::place::Place;
use mendlake_ports::sessions::Sessions;
use mendlake_reconcile::ReconcileReport;

/// What the stages reported, as far as cases look at it.
#[derive(Clone, Default)]
pub(crate) struct Reports(pub(crate) Arc<Mutex<Vec<ReconcileReport>>>);

impl Observer for Reports {
    fn observe(&self, at: Timestamp, event: &Event) {
        match event {
            Event::Reconciled(report) => self.0.lock().expect("not poisoned").push((**report).clone()),
            Event::Failed { stage, chain, .. } => panic!("{at} {stage} failed: {chain}"),
            _ => {}
        }
    }
}

/// A case's setting: a good day on the recorded market, to be made worse.
pub(crate) struct Setting {
    pub(crate) rehearsal: Rehearsal,
    pub(crate) market: Arc<Market>,
    folder: tempfile::TempDir,
}

impl Setting {
    pub(crate) fn new(market: &Path, symbols: &str, first: &str, last: &str, script: Script) -> Self {
        let symbols: Vec<Symbol> = symbols.split(' ').map(|s| s.parse().expect("symbol")).collect();
        let (first, last): (NaiveDate, NaiveDate) = (first.parse().expect("day"), last.parse().expect("day"));
        let wanted = Wanted { symbols: None, days: Some((first, last)) };
        let market = RecordedMarket::load(market, Calendar::Xnys, &wanted).expect("the recorded market");
        let market = Arc::new(script.closing(market.into()));
        let close = Calendar::Xnys.session_on(last).expect("in range").expect("a session").close;
        let folder = tempfile::tempdir().expect("a folder");
        let rehearsal = Rehearsal {
            market: market.clone(),
            symbols,
            first,
            last,
            seed: 1,
            script,
            plan: Plan::Premium,
            alpaca: true,
            dark: Vec::new(),
            lander_dies: Vec::new(),
            settings: Settings::default(),
            until: close.start().plus_s(66 * 3600),
            to_the_end: false,
            folder: folder.path().join("lake"),
        };
        Self { rehearsal, market, folder }
    }

    /// Plays it and reads everything back.
    pub(crate) fn play(self) -> Ended {
        let Self { rehearsal, market, folder } = self;
        let reports = Reports::default();
        let symbols = rehearsal.symbols.clone();
        let played = rehearsal.play(reports.clone()).unwrap_or_else(|error| panic!("{}", error.chain()));
        let (first, last) = (played.sessions[0], *played.sessions.last().expect("a session"));
        let watched: BTreeSet<Symbol> = symbols.iter().cloned().collect();
        let lake = played.engine.place().lake();
        let rows = now(lake.rows(&watched, first.open, last.close)).expect("the rows");
        let statuses = now(lake.current(first.on, last.on)).expect("the statuses");
        let current = StoredRow::current(rows.clone());
        let reports = reports.0.lock().expect("not poisoned").clone();
        Ended { played, market, symbols, rows, current, statuses, reports, _folder: folder }
    }
}

/// Every adapter of a rehearsal works inline.
pub(crate) fn now<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().expect("nothing to wait for")
}

/// A rehearsal that was played and read back.
pub(crate) struct Ended {
    pub(crate) played: Played<Reports>,
    pub(crate) market: Arc<Market>,
    pub(crate) symbols: Vec<Symbol>,
    pub(crate) rows: Vec<StoredRow>,
    pub(crate) current: Vec<StoredRow>,
    pub(crate) statuses: Vec<SessionStatus>,
    pub(crate) reports: Vec<ReconcileReport>,
    /// Kept while the lake in it is looked at.
    _folder: tempfile::TempDir,
}

impl Ended {
    pub(crate) fn session(&self, stored: &StoredRow) -> Session {
        *session_of(&self.played.sessions, stored.row.minute).expect("a row of a session played")
    }

    pub(crate) fn judged(&self, stored: &StoredRow) -> Judgement {
        judge(&self.market, &self.session(stored), &stored.row)
    }

    pub(crate) fn open_gaps(&self) -> usize {
        let items = now(self.played.engine.place().ledger().pending()).expect("the ledger");
        items.iter().map(|item| item.gap.open_minutes().len()).sum()
    }

    /// Every expected symbol-minute has exactly one current row, nothing is open or given up, every status is final.
    #[track_caller]
    pub(crate) fn assert_whole(&self, expected_minutes: usize) {
        assert!(self.played.whole, "not every status is final by {}", self.played.ended_at);
        assert_eq!(self.open_gaps(), 0, "open gaps");
        let last = self.reports.last().expect("a reconciliation");
        assert_eq!((last.open_gaps, last.unrecoverable.values().sum::<usize>()), (0, 0));
        law::one_current(&self.current).unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!(self.current.len(), expected_minutes, "current rows");
        for status in &self.statuses {
            assert!(status.is_final && status.gaps == 0 && status.unrecoverable.is_empty(), "{status:?}");
            assert_eq!(status.present_minutes(), status.expected, "{status:?}");
        }
        for stored in &self.rows {
            let checked = law::not_invented(&stored.row)
                .and_then(|()| law::no_look_ahead(&stored.row, &self.session(stored)))
                .and_then(|()| law::known_before_stored(stored));
            checked.unwrap_or_else(|violation| panic!("{violation}"));
        }
    }

    /// No current row differs from the truth where a candle could have told; gives those that nothing can tell.
    #[track_caller]
    pub(crate) fn assert_true(&self) -> Vec<&StoredRow> {
        let wrong: Vec<_> = self.current.iter().filter(|r| self.judged(r) == Judgement::Wrong).collect();
        assert!(wrong.is_empty(), "{} wrong prices, the first: {:?}", wrong.len(), wrong[0]);
        self.current.iter().filter(|r| self.judged(r) == Judgement::Undecidable).collect()
    }

    /// Prints what came of it and gives the mean distance of healed rows in basis points.
    #[expect(clippy::print_stdout, reason = "a test's report is for whoever runs it")]
    pub(crate) fn report(&self) -> f64 {
        let mut by_basis: BTreeMap<Basis, usize> = BTreeMap::new();
        for stored in &self.current {
            *by_basis.entry(stored.row.basis).or_default() += 1;
        }
        let corrected = self.current.iter().filter(|r| r.row.revision > 0).count();
        println!("  {} rows, current by basis {by_basis:?}, {corrected} corrected", self.rows.len());
        println!("  open gaps {}, ended {}", self.open_gaps(), self.played.ended_at);
        let mut all = Vec::new();
        for symbol in &self.symbols {
            let of = |r: &&StoredRow| r.row.symbol == *symbol && r.row.basis != Basis::Quote;
            let healed = self.current.iter().filter(of);
            let distances: Vec<_> = healed.filter_map(|r| distance(&self.market, &self.session(r), &r.row)).collect();
            let bp: Vec<f64> = distances.iter().map(|d| d.bp).collect();
            let ticks = Spread::of(distances.iter().map(|d| d.cents).collect());
            let spread = Spread::of(bp.clone());
            println!(
                "  {symbol:<5} {:>4} healed: {:.2} bp mean, {:.2} p95, {:.2} max; {:.2} ticks mean, {:.1} max",
                bp.len(),
                spread.mean,
                spread.p95,
                spread.max,
                ticks.mean,
                ticks.max
            );
            all.extend(bp);
        }
        let mean = Spread::of(all).mean;
        println!("  all symbols: {mean:.3} bp mean");
        mean
    }
}
