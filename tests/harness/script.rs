//! What a seed makes of the world: which session, which symbols, what goes wrong when.

use std::collections::BTreeSet;

use chrono::{NaiveDate, NaiveTime};
use mendlake::engine::next_due;
use mendlake::finnhub::{Endpoint, Fault, Plan, Script as VendorScript, What};
use mendlake::market::Profile;
use mendlake_domain::calendar::{Calendar, Session};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::overlay::{Overlay, Schedule};
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::watchlist::{Edit, Version};
use mendlake_reconcile::Window;

use crate::cast::{catalogue, profiles, session, window};
use crate::dice::Dice;
use crate::faults::Weather;
use crate::mishaps::during;

/// How long after the window the ports go on failing.
pub(crate) const FAULTS_AFTER_MIN: i64 = 20;

/// The part of a session in which everything is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Around the open: bases `open` and `previous_close` are reached.
    Open,
    /// In the middle.
    Middle,
    /// Up to the close: the tail is reached.
    Close,
    /// Up to the early close of a half day.
    EarlyClose,
    /// Around a close that nobody announced.
    UnannouncedClose,
}

/// A world, before it begins.
#[derive(Clone, Debug)]
pub struct Script {
    /// The seed.
    pub seed: u64,
    /// Which part of the session.
    pub part: Part,
    /// The session, as the calendar has it.
    pub session: Session,
    /// The first minute watched.
    pub from: Minute,
    /// The minute after the last.
    pub to: Minute,
    /// The pipeline's parameters.
    pub settings: Settings,
    /// The market's symbols.
    pub profiles: Vec<Profile>,
    /// The watchlist before anything happens.
    pub first: Vec<Version>,
    /// Edits, and when people make them.
    pub edits: Vec<(Timestamp, Version)>,
    /// Whether the lake knows of the sessions before.
    pub history: bool,
    /// What Finnhub's key may ask for.
    pub plan: Plan,
    /// Whether Alpaca is configured.
    pub alpaca: bool,
    /// Shards of the stream.
    pub shards: u32,
    /// What goes wrong with the vendors.
    pub vendor: VendorScript,
    /// Candles come that long after their minute, in seconds.
    pub candle_late_s: i64,
    /// What goes wrong at the ports.
    pub weather: Weather,
    /// When they stop.
    pub calm_at: Timestamp,
    /// Minutes without a scheduler: `[from, to)`.
    pub dark: Vec<(Minute, Minute)>,
    /// When the whole machine dies, and for how long it stays down.
    pub machine_dies: Vec<(Timestamp, i64)>,
    /// When the wall clock is set back, and by how many milliseconds; before that it was ahead, or is behind since.
    pub clock_back: Option<(Timestamp, i64, bool)>,
    /// When a new key comes.
    pub key_comes: Option<Timestamp>,
    /// When everything begins.
    pub begin: Timestamp,
    /// When everything ends: after two mornings.
    pub end: Timestamp,
}

impl Script {
    /// The script of a seed.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        let part = *dice.pick(&[
            Part::Open,
            Part::Open,
            Part::Middle,
            Part::Middle,
            Part::Close,
            Part::EarlyClose,
            Part::UnannouncedClose,
        ]);
        let session = session(&mut dice, part);
        let (from, to) = window(&mut dice, part, &session);
        let mut script = Self::plain(seed, part, session, from, to);
        script.profiles = profiles(&mut dice);
        script.watch(&mut dice);
        script.break_ports(&mut dice);
        script.break_vendors(&mut dice);
        script
    }

    /// Half an hour around an open in which nothing goes wrong but what makes healing necessary: the provider is down for
    /// some minutes, and the scheduler is dark for others.
    pub fn half_hour() -> Self {
        let on = NaiveDate::from_ymd_opt(2024, 3, 14).expect("a date");
        let session = Calendar::Xnys.session_on(on).ok().flatten().expect("a session");
        let (from, to) = (session.open, session.open + 30);
        let mut script = Self::plain(1, Part::Open, session, from, to);
        script.profiles =
            catalogue().into_iter().filter(|p| ["SPY", "INDA", "FXY"].contains(&p.symbol.as_str())).collect();
        let symbols = script.profiles.iter().map(|p| p.symbol.clone()).collect();
        script.first = vec![script.change(from, symbols, BTreeSet::new())];
        script.stop_watching();
        let down =
            Fault { endpoints: vec![Endpoint::Quote], ..during(What::Down { status: 503 }, from + 6, from + 11) };
        script.vendor.faults.push(down);
        script.dark.push((from + 18, from + 21));
        script
    }

    /// A script in which nothing goes wrong and nothing is watched.
    fn plain(seed: u64, part: Part, session: Session, from: Minute, to: Minute) -> Self {
        let settings = Settings { landing_window_ms: 30_000, settle_ms: 180_000, ..Settings::default() };
        Self {
            seed,
            part,
            session,
            from,
            to,
            settings,
            profiles: Vec::new(),
            first: Vec::new(),
            edits: Vec::new(),
            history: false,
            plan: Plan::Premium,
            alpaca: false,
            shards: 1,
            vendor: VendorScript::default(),
            candle_late_s: 20,
            weather: Weather::default(),
            calm_at: (to + FAULTS_AFTER_MIN).start(),
            dark: Vec::new(),
            machine_dies: Vec::new(),
            clock_back: None,
            key_comes: None,
            begin: (from + -5).start(),
            end: second_morning(to).plus_s(40 * 60),
        }
    }

    /// Every reconciliation that is due, as the engine has them.
    pub fn reconciliations(&self) -> Vec<(Timestamp, Window)> {
        let schedule = schedule();
        let next = |last: &(Timestamp, Window)| Some(next_due(&schedule, last.0));
        let first = next_due(&schedule, self.begin);
        std::iter::successors(Some(first), next).take_while(|(at, _)| *at < self.end).collect()
    }

    /// Whether any source is entitled to candles.
    pub fn heals(&self) -> bool {
        self.plan == Plan::Premium || self.alpaca
    }

    pub(crate) fn change(&self, from: Minute, add: BTreeSet<Symbol>, remove: BTreeSet<Symbol>) -> Version {
        version(Edit::Change { from, add, remove }, self.begin)
    }

    /// Nothing is watched after the window, whoever adds what until then.
    pub(crate) fn stop_watching(&mut self) {
        let every = self.profiles.iter().map(|p| p.symbol.clone()).chain([unknown()]).collect();
        let last = self.change(self.to, BTreeSet::new(), every);
        self.first.push(last);
    }
}

pub(crate) fn version(edit: Edit, made_at: Timestamp) -> Version {
    Version { v: 1, edit, who: "somebody".into(), why: "the script says so".into(), made_at }
}

pub(crate) fn schedule() -> Schedule {
    Schedule { calendar: Calendar::Xnys, overlay: Overlay::default() }
}

/// A symbol that no market has.
pub(crate) fn unknown() -> Symbol {
    "ZZZQ".parse().expect("a symbol")
}

/// 13:00 in New York.
pub(crate) fn noon_close(on: NaiveDate) -> Minute {
    Calendar::Xnys.at_wall_time(on, NaiveTime::from_hms_opt(13, 0, 0).expect("a time of day"))
}

fn second_morning(to: Minute) -> Timestamp {
    let schedule = schedule();
    let due = std::iter::successors(Some(next_due(&schedule, to.start())), |last| Some(next_due(&schedule, last.0)));
    let mut mornings = due.filter(|(_, window)| *window == Window::Morning).map(|(at, _)| at);
    mornings.nth(1).expect("mornings come every day")
}
