//! The bad day, on AWS: everything that goes wrong in the core's, and the way to each service failing on top.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use mendlake::demo::BadDay;
use mendlake::engine::{Event, Observer};
use mendlake::finnhub::{Plan, Script};
use mendlake::market::{GeneratedMarket, Market, RecordedMarket, Wanted};
use mendlake::rehearsal::truth::Judgement;
use mendlake::rehearsal::{Outcome, Rehearsal};
use mendlake_aws_tests::StandIns;
use mendlake_domain::calendar::{Calendar, Session};
use mendlake_domain::minute::Timestamp;
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;

use crate::cloud::StreamFlaw;
use crate::faults;
use crate::play::{Play, Played};
use crate::proxy::Fault;

/// The most that healed rows may be from what a live sample would have been, on average: the core's figure.
const MOST_BP: f64 = 0.9;

/// Bad days on a market.
pub(crate) struct Setting {
    market: Arc<Market>,
    symbols: Vec<Symbol>,
    days: Vec<BadDay>,
    sessions: Vec<Session>,
}

impl Setting {
    /// Four liquid symbols and one that misses a minute now and then, on a generated Friday.
    pub(crate) fn generated() -> Self {
        let market = GeneratedMarket::new(7, Calendar::Xnys).into();
        Self::of(market, &["2026-11-20"], "SPY AAPL BAC IBM INDA")
    }

    /// The core's acceptance: two days of four liquid symbols.
    pub(crate) fn recorded(folder: &Path) -> Self {
        let days = ["2013-10-07", "2013-10-08"];
        let span = days.map(|day| day.parse().expect("a day"));
        let wanted = Wanted { symbols: None, days: Some((span[0], span[1])) };
        let market = RecordedMarket::load(folder, Calendar::Xnys, &wanted).expect("the recorded market");
        Self::of(market.into(), &days, "SPY BAC IBM AIG")
    }

    fn of(market: Market, days: &[&str], symbols: &str) -> Self {
        let on = |day: &&str| {
            let day = day.parse().expect("a day");
            Calendar::Xnys.session_on(day).expect("in range").expect("a session")
        };
        let sessions: Vec<Session> = days.iter().map(on).collect();
        let symbols = symbols.split(' ').map(|symbol| symbol.parse().expect("a symbol")).collect();
        let days = sessions.iter().map(BadDay::of).collect();
        Self { market: Arc::new(market), symbols, days, sessions }
    }

    /// What goes wrong at the vendors: what has no times of its own is there once for all days.
    fn script(&self) -> Script {
        let mut script = self.days[0].script();
        for day in &self.days[1..] {
            script.faults.extend(day.script().faults.into_iter().filter(|fault| fault.from.is_some()));
        }
        script
    }

    fn dark(&self) -> Vec<(Timestamp, Timestamp)> {
        self.days.iter().flat_map(BadDay::dark).collect()
    }

    fn lander_dies(&self) -> Vec<Timestamp> {
        self.days.iter().flat_map(BadDay::lander_dies).collect()
    }

    fn expected(&self) -> usize {
        self.symbols.len() * self.sessions.iter().map(|session| session.len()).sum::<usize>()
    }

    pub(crate) fn play(&self, seed: u64, faults: Vec<Fault>) -> Play {
        Play {
            market: self.market.clone(),
            symbols: self.symbols.clone(),
            sessions: self.sessions.clone(),
            seed,
            script: self.script(),
            dark: self.dark(),
            faults,
            flaw: StreamFlaw::None,
        }
    }

    /// The same on one machine, by the core's rehearsal: its mean distance in basis points.
    fn core_bp(&self, seed: u64) -> f64 {
        let (first, last) = (self.sessions[0], self.sessions[self.sessions.len() - 1]);
        let folder = tempfile::tempdir().expect("a folder");
        let rehearsal = Rehearsal {
            market: self.market.clone(),
            symbols: self.symbols.clone(),
            first: first.on,
            last: last.on,
            seed,
            script: self.script(),
            plan: Plan::Premium,
            alpaca: true,
            dark: self.dark(),
            lander_dies: self.lander_dies(),
            settings: Settings::default(),
            until: last.close.start().plus_s(66 * 3600),
            to_the_end: false,
            folder: folder.path().join("lake"),
        };
        let played = rehearsal.play(NobodyLooks).unwrap_or_else(|error| panic!("{}", error.chain()));
        let read =
            Outcome::read(played.engine.place(), self.market.clone(), self.sessions.clone(), self.symbols.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(read).expect("what was played").mean_bp()
    }
}

struct NobodyLooks;

impl Observer for NobodyLooks {
    fn observe(&self, _: Timestamp, _: &Event) {}
}

/// The generated bad day with nothing failing on the way: thin, and whole.
pub(crate) fn without_faults(standins: &StandIns) {
    let setting = Setting::generated();
    let played = setting.play(1, Vec::new()).run(standins);
    played.report();
    holds(&setting, &played);
    let others = played.told.invocations.iter().filter(|((_, end), _)| *end != "answered");
    assert_eq!(others.collect::<BTreeMap<_, _>>(), BTreeMap::new(), "nothing fails where nothing goes wrong");
    assert!(played.told.dead.values().all(|dead| *dead == 0), "dead letters mean a defect: {:?}", played.told.dead);
}

/// The generated bad day with everything failing on the way.
pub(crate) fn generated(standins: &StandIns, seed: u64) {
    with_faults(&Setting::generated(), standins, seed);
}

/// The recorded bad days with everything failing on the way.
pub(crate) fn recorded(standins: &StandIns, seed: u64, market: &Path) {
    with_faults(&Setting::recorded(market), standins, seed);
}

#[expect(clippy::print_stdout, reason = "a test's report is for whoever runs it")]
fn with_faults(setting: &Setting, standins: &StandIns, seed: u64) {
    println!("  seed {seed} (`--seed` gives another)");
    let faults = faults::all(&setting.sessions, &setting.lander_dies());
    let played = setting.play(seed, faults).run(standins);
    played.report();
    holds(setting, &played);
    let (here, core) = (played.outcome.mean_bp(), setting.core_bp(seed));
    println!("  healed rows: {here:.3} bp mean; the core's, on one machine and without these faults: {core:.3}");
    assert!(here <= MOST_BP, "healed rows are {here} bp from live samples");
    let idle = played.faults.idle();
    assert!(idle.is_empty(), "planned and never met:\n{}", idle.join("\n"));
}

/// What the core's acceptance asserts, and that nothing was lost.
#[track_caller]
fn holds(setting: &Setting, played: &Played) {
    let complaints = played.complaints(setting.expected());
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
    let is_frozen = |at: Timestamp| setting.days.iter().any(|day| (day.frozen().0..day.frozen().1).contains(&at));
    // Every live row outside the freeze equals the trade truth: what cannot be decided lies inside it.
    let undecidable = played.outcome.judged(Judgement::Undecidable);
    assert!(undecidable.iter().all(|stored| is_frozen(stored.row.minute.start())), "undecidable outside the freeze");
    let corrected = played.outcome.current.iter().filter(|stored| stored.row.revision > 0).count();
    assert!(corrected > setting.sessions.len() * setting.symbols.len() * 15, "frozen rows are found: {corrected}");
}

/// An event source that goes on after a batch that failed loses what was in it: the scenario must see it.
pub(crate) fn a_lost_batch_is_found(standins: &StandIns) {
    let setting = Setting::generated();
    let faults = faults::lander(&setting.lander_dies());
    let play = Play { flaw: StreamFlaw::GoesOn, ..setting.play(1, faults) };
    let complaints = play.run(standins).complaints(setting.expected());
    let found = complaints.iter().any(|complaint| complaint.contains("nothing accepted is lost"));
    assert!(found, "an event source that loses batches went unseen: {complaints:?}");
}
