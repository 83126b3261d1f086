//! Playing a rehearsal on the recorded market, and judging what it left.

use std::path::Path;
use std::sync::{Arc, Mutex};

use chrono::NaiveDate;
use futures_util::FutureExt;
use mendlake::engine::{Event, Observer};
use mendlake::finnhub::{Plan, Script};
use mendlake::market::{Market, RecordedMarket, Wanted};
use mendlake::rehearsal::truth::Judgement;
use mendlake::rehearsal::{Outcome, Played, Rehearsal};
use mendlake_domain::calendar::Calendar;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::quote::StoredRow;
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
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
        let read = Outcome::read(played.engine.place(), market, played.sessions.clone(), symbols);
        // Every adapter of a rehearsal works inline.
        let outcome = read.now_or_never().expect("nothing to wait for").expect("what was played");
        let reports = reports.0.lock().expect("not poisoned").clone();
        Ended { played, outcome, reports, _folder: folder }
    }
}

/// A rehearsal that was played and read back.
pub(crate) struct Ended {
    pub(crate) played: Played<Reports>,
    pub(crate) outcome: Outcome,
    pub(crate) reports: Vec<ReconcileReport>,
    /// Kept while the lake in it is looked at.
    _folder: tempfile::TempDir,
}

impl Ended {
    /// Every expected symbol-minute has exactly one current row, nothing is open or given up, every status is final.
    #[track_caller]
    pub(crate) fn assert_whole(&self, expected_minutes: usize) {
        assert!(self.played.whole, "not every status is final by {}", self.played.ended_at);
        let last = self.reports.last().expect("a reconciliation");
        assert_eq!((last.open_gaps, last.unrecoverable.values().sum::<usize>()), (0, 0));
        let complaints = self.outcome.complaints(expected_minutes);
        assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
    }

    /// No current row differs from the truth where a candle could have told; gives those that nothing can tell.
    #[track_caller]
    pub(crate) fn assert_true(&self) -> Vec<&StoredRow> {
        let wrong = self.outcome.judged(Judgement::Wrong);
        assert!(wrong.is_empty(), "{} wrong prices, the first: {:?}", wrong.len(), wrong[0]);
        self.outcome.judged(Judgement::Undecidable)
    }

    /// Prints what came of it and gives the mean distance of healed rows in basis points.
    #[expect(clippy::print_stdout, reason = "a test's report is for whoever runs it")]
    pub(crate) fn report(&self) -> f64 {
        for line in self.outcome.told() {
            println!("  {line}");
        }
        println!("  ended {}", self.played.ended_at);
        self.outcome.mean_bp()
    }
}
