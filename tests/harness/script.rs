//! What a seed makes of the world: which session, which symbols, what goes wrong when.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate, NaiveTime};
use mendlake::engine::next_due;
use mendlake::finnhub::{Endpoint, Fault, KnownDay, Plan, Script as VendorScript, What, When};
use mendlake::market::Profile;
use mendlake_domain::calendar::{Calendar, Session};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::overlay::{Overlay, Schedule};
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::watchlist::{Edit, Version};
use mendlake_reconcile::Window;

use crate::dice::Dice;
use crate::faults::Weather;

/// How long after the window the ports go on failing.
const FAULTS_AFTER_MIN: i64 = 20;

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
        script.profiles = catalogue()
            .into_iter()
            .filter(|p| ["SPY", "INDA", "FXY"].contains(&p.symbol.as_str()))
            .collect();
        let symbols = script.profiles.iter().map(|p| p.symbol.clone()).collect();
        script.first = vec![script.change(from, symbols, BTreeSet::new())];
        script.stop_watching();
        let down = Fault {
            endpoints: vec![Endpoint::Quote],
            ..during(What::Down { status: 503 }, from + 6, from + 11)
        };
        script.vendor.faults.push(down);
        script.dark.push((from + 18, from + 21));
        script
    }

    /// A script in which nothing goes wrong and nothing is watched.
    fn plain(seed: u64, part: Part, session: Session, from: Minute, to: Minute) -> Self {
        let settings = Settings {
            landing_window_ms: 30_000,
            settle_ms: 180_000,
            ..Settings::default()
        };
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
        std::iter::successors(Some(first), next)
            .take_while(|(at, _)| *at < self.end)
            .collect()
    }

    /// Whether any source is entitled to candles.
    pub fn heals(&self) -> bool {
        self.plan == Plan::Premium || self.alpaca
    }

    fn change(&self, from: Minute, add: BTreeSet<Symbol>, remove: BTreeSet<Symbol>) -> Version {
        version(Edit::Change { from, add, remove }, self.begin)
    }

    /// Nothing is watched after the window, whoever adds what until then.
    fn stop_watching(&mut self) {
        let every = self
            .profiles
            .iter()
            .map(|p| p.symbol.clone())
            .chain([unknown()])
            .collect();
        let last = self.change(self.to, BTreeSet::new(), every);
        self.first.push(last);
    }

    fn watch(&mut self, dice: &mut Dice) {
        let mut symbols: Vec<Symbol> = self.profiles.iter().map(|p| p.symbol.clone()).collect();
        if dice.chance(0.1) {
            symbols.push(unknown());
        }
        let count = dice.between(3, 6) as usize;
        let mut watched = BTreeSet::new();
        while watched.len() < count.min(symbols.len()) {
            watched.insert(dice.pick(&symbols).clone());
        }
        self.first = vec![self.change(self.from, watched.clone(), BTreeSet::new())];
        self.stop_watching();
        for _ in 0..dice.below(3) {
            let made_at = self
                .from
                .start()
                .plus_s(dice.between(60, (self.to.since(self.from) - 6) * 60));
            let from = made_at.minute() + dice.between(1, 4);
            let one = BTreeSet::from([dice.pick(&symbols).clone()]);
            let edit = match dice.below(3) {
                0 => Edit::Change {
                    from,
                    add: one,
                    remove: BTreeSet::new(),
                },
                1 => Edit::Change {
                    from,
                    add: BTreeSet::new(),
                    remove: one,
                },
                _ => self.backfill(dice, made_at, one),
            };
            self.edits.push((made_at, version(edit, made_at)));
        }
        self.history = dice.chance(0.5);
        self.shards = 1 + dice.below(2) as u32;
        self.settings.rate_limit = *dice.pick(&[12, 20, 60, 300]);
        if dice.chance(0.3) {
            self.settings.landing_window_ms = 60_000;
            self.settings.settle_ms = 300_000;
        }
    }

    /// Past minutes of this session or of the one before.
    fn backfill(&self, dice: &mut Dice, made_at: Timestamp, symbols: BTreeSet<Symbol>) -> Edit {
        let before = schedule().sessions_before(self.session.on, 1);
        let session = match before.first() {
            Some(before) if dice.chance(0.5) => *before,
            _ => Session {
                close: made_at.minute(),
                ..self.session
            },
        };
        let from = session.open + dice.between(0, (session.close.since(session.open) - 1).max(0));
        let to = (from + dice.between(1, 40))
            .min(session.close)
            .max(from + 1)
            .min(made_at.minute());
        Edit::Backfill {
            from: from.min(to + -1),
            to,
            symbols,
        }
    }

    fn break_ports(&mut self, dice: &mut Dice) {
        let storm = *dice.pick(&[0.0, 0.1, 0.3, 0.3, 1.0, 1.0, 3.0]);
        self.weather = Weather {
            fail_before: 0.010 * storm,
            fail_after: 0.008 * storm,
            partial: 0.03 * storm,
            die_before: 0.002 * storm,
            die_after: 0.002 * storm,
        };
        let instant =
            |dice: &mut Dice, this: &Self| this.from.start().plus_s(dice.between(0, this.to.since(this.from) * 60));
        for _ in 0..dice.below(3) {
            let down_ms = dice.between(1_000, 240_000);
            self.machine_dies.push((instant(dice, self), down_ms));
        }
        if dice.chance(0.4) {
            let from = instant(dice, self).minute();
            self.dark.push((from, from + dice.between(1, 15)));
        }
        if dice.chance(0.2) {
            let back = dice.between(500, 4_500);
            self.clock_back = Some((instant(dice, self), back, dice.chance(0.5)));
        }
    }

    fn break_vendors(&mut self, dice: &mut Dice) {
        (self.plan, self.alpaca) = match dice.below(6) {
            0 => (Plan::Free, true),
            1 => (Plan::Free, false),
            2 => (Plan::Premium, true),
            _ => (Plan::Premium, false),
        };
        self.candle_late_s = *dice.pick(&[5, 20, 120, 200]);
        for _ in 0..dice.below(6) {
            let fault = self.fault(dice);
            self.vendor.faults.push(fault);
        }
        if dice.chance(0.12) {
            let from = self.from + dice.between(0, 20);
            let to = from + dice.between(1, 12);
            self.vendor.faults.push(during(What::KeyRefused, from, to));
            self.key_comes = Some(to.start().plus_s(dice.between(0, 900)));
        }
        if self.part == Part::UnannouncedClose {
            let close = noon_close(self.session.on);
            let fault = Fault {
                from: Some(When::Instant(close.start())),
                ..Fault::always(What::UnannouncedClose)
            };
            self.vendor.faults.push(fault);
            self.vendor.holidays.push(KnownDay {
                on: self.session.on,
                event: "Power failure".into(),
                hours: "09:30-13:00".into(),
                known_from: Some(close.start().plus_s(dice.between(1, 20) * 3_600)),
            });
        }
    }

    /// One fault of the vendors, over before the ports' faults are.
    fn fault(&self, dice: &mut Dice) -> Fault {
        let last = self.to.since(self.from) + FAULTS_AFTER_MIN - 2;
        let first = dice.between(-2, last - 2);
        let from = self.from + first;
        let to = from + dice.between(1, 25).min(last - first);
        let symbols = self.profiles.iter().map(|p| p.symbol.clone()).collect::<Vec<_>>();
        let some = match dice.chance(0.5) {
            true => Vec::new(),
            false => vec![dice.pick(&symbols).clone()],
        };
        let hole = self.from + dice.between(-10, self.to.since(self.from));
        let hole = What::Hole {
            missing_from: When::Instant(hole.start()),
            missing_to: When::Instant((hole + dice.between(1, 15)).start()),
        };
        let whats = [
            What::Down { status: 502 },
            What::Down { status: 500 },
            What::Slow {
                seconds: dice.between(1, 45) as f64,
            },
            What::Truncated { bytes: 10 },
            What::Reset,
            What::Hang,
            What::Throttled,
            What::Zeros,
            What::PartialZeros,
            What::Frozen,
            What::Frozen,
            What::Frozen,
            What::Stale,
            What::NoData,
            What::CandlesLate {
                minutes: dice.between(1, 12),
            },
            hole,
            hole,
            What::WrongPrices { percent: 2.5 },
            What::Unequal,
            What::OffMinute,
        ];
        let what = *dice.pick(&whats);
        let endpoints = match what {
            What::Down { .. } | What::Slow { .. } | What::Hang if dice.chance(0.6) => {
                vec![*dice.pick(&[Endpoint::Quote, Endpoint::Candle])]
            }
            _ => Vec::new(),
        };
        let probability = *dice.pick(&[1.0, 1.0, 0.6, 0.3]);
        let draw_one = dice.chance(0.1);
        Fault {
            endpoints,
            symbols: some,
            probability,
            draw_one,
            ..during(what, from, to)
        }
    }
}

fn during(what: What, from: Minute, to: Minute) -> Fault {
    Fault::between(what, When::Instant(from.start()), When::Instant(to.start()))
}

fn version(edit: Edit, made_at: Timestamp) -> Version {
    Version {
        v: 1,
        edit,
        who: "somebody".into(),
        why: "the script says so".into(),
        made_at,
    }
}

fn schedule() -> Schedule {
    Schedule {
        calendar: Calendar::Xnys,
        overlay: Overlay::default(),
    }
}

/// A symbol that no market has.
fn unknown() -> Symbol {
    "ZZZQ".parse().expect("a symbol")
}

/// 13:00 in New York.
fn noon_close(on: NaiveDate) -> Minute {
    Calendar::Xnys.at_wall_time(on, NaiveTime::from_hms_opt(13, 0, 0).expect("a time of day"))
}

fn session(dice: &mut Dice, part: Part) -> Session {
    let first = NaiveDate::from_ymd_opt(2022, 1, 3).expect("a date");
    loop {
        let on = first + Days::new(dice.between(0, 4 * 365) as u64);
        let Some(session) = Calendar::Xnys.session_on(on).ok().flatten() else {
            continue;
        };
        if (session.len() < 390) == (part == Part::EarlyClose) {
            return session;
        }
    }
}

fn window(dice: &mut Dice, part: Part, session: &Session) -> (Minute, Minute) {
    let minutes = dice.between(30, 60);
    match part {
        Part::Open => {
            let from = session.open + dice.between(-3, 3);
            (from, from + minutes)
        }
        Part::Middle => {
            let from = session.open + dice.between(30, session.close.since(session.open) - 70);
            (from, from + minutes)
        }
        Part::Close | Part::EarlyClose => (session.close + -minutes, session.close + dice.between(0, 2)),
        Part::UnannouncedClose => {
            let close = noon_close(session.on);
            (close + -dice.between(10, 40), close + dice.between(5, 25))
        }
    }
}

fn second_morning(to: Minute) -> Timestamp {
    let schedule = schedule();
    let due = std::iter::successors(Some(next_due(&schedule, to.start())), |last| {
        Some(next_due(&schedule, last.0))
    });
    let mut mornings = due.filter(|(_, window)| *window == Window::Morning).map(|(at, _)| at);
    mornings.nth(1).expect("mornings come every day")
}

/// The reference symbol and some others.
fn profiles(dice: &mut Dice) -> Vec<Profile> {
    let mut all = catalogue();
    let mut chosen = vec![all.remove(0)];
    for _ in 0..dice.between(5, 7) {
        chosen.push(all.remove(dice.below(all.len())));
    }
    chosen
}

/// From liquid to hardly ever traded, with every oddity; a minute has a few trades at most, which is cheap.
fn catalogue() -> Vec<Profile> {
    let name = |text: &str| text.parse::<Symbol>().expect("a symbol");
    let few = |profile: Profile| Profile {
        most_trades: 4,
        ..profile
    };
    let liquid = |text: &str, price| few(Profile::liquid(name(text), price));
    let thin = |text: &str, price, busy| Profile::thin(name(text), price, busy);
    vec![
        liquid("SPY", 480.0),
        liquid("AAPL", 210.0),
        liquid("BAC", 38.0),
        few(thin("INDA", 52.0, 0.97)),
        few(thin("SHY", 82.0, 0.9)),
        thin("FXY", 63.0, 0.23),
        thin("DBB", 18.0, 0.05),
        Profile {
            opens_late: 0.7,
            ..thin("LATE", 24.0, 0.6)
        },
        Profile {
            falls_silent: 0.6,
            ..few(thin("HUSH", 31.0, 0.85))
        },
        Profile {
            opens_late: 1.0,
            breaks: true,
            ..thin("SPLT", 120.0, 0.7)
        },
        Profile {
            absent: 0.5,
            ..thin("GONE", 9.0, 0.05)
        },
        Profile {
            absent: 1.0,
            ..thin("NADA", 11.0, 0.5)
        },
    ]
}
