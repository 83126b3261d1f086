//! Who is in a script: the session and the part of it, the market's symbols, and who is watched.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use mendlake::market::Profile;
use mendlake_domain::calendar::{Calendar, Session};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::Basis;
use mendlake_domain::status::SessionStatus;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::watchlist::Edit;

use crate::dice::Dice;
use crate::script::{Part, Script, noon_close, schedule, unknown, version};
use crate::truth::Truth;

impl Script {
    /// What a lake would know of the sessions before the script's.
    pub(crate) fn history(&self, truth: &Truth) -> Vec<SessionStatus> {
        let on = self.session.on;
        let days = (1..=9).filter_map(|back| on.checked_sub_days(chrono::Days::new(back)));
        let sessions: Vec<Session> = days.filter_map(|day| truth.session(day)).take(5).collect();
        let symbols = self.profiles.iter().map(|profile| profile.symbol.clone());
        // Its silence today is its first: until now it was as liquid as any.
        let hush: Symbol = "HUSH".parse().expect("a symbol");
        let quiet = |symbol: &Symbol, session: &Session| match *symbol == hush {
            true => Some(1),
            false => truth.longest_quiet_run(symbol, session),
        };
        let status = |symbol: Symbol, session: &Session| {
            let expected = u32::try_from(session.len()).expect("a session's length");
            SessionStatus {
                on: session.on,
                open: session.open,
                close: session.close,
                expected,
                present: [(Basis::Quote, expected)].into(),
                longest_quiet_run: quiet(&symbol, session),
                gaps: 0,
                unrecoverable: BTreeMap::new(),
                oldest_price_age_s: None,
                outside: 0,
                is_final: true,
                as_of: session.close.start(),
                symbol,
            }
        };
        symbols.flat_map(|symbol| sessions.iter().map(move |session| status(symbol.clone(), session))).collect()
    }

    pub(crate) fn watch(&mut self, dice: &mut Dice) {
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
            let made_at = self.from.start().plus_s(dice.between(60, (self.to.since(self.from) - 6) * 60));
            let from = made_at.minute() + dice.between(1, 4);
            let one = BTreeSet::from([dice.pick(&symbols).clone()]);
            let edit = match dice.below(3) {
                0 => Edit::Change { from, add: one, remove: BTreeSet::new() },
                1 => Edit::Change { from, add: BTreeSet::new(), remove: one },
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
            _ => Session { close: made_at.minute(), ..self.session },
        };
        let from = session.open + dice.between(0, (session.close.since(session.open) - 1).max(0));
        let to = (from + dice.between(1, 40)).min(session.close).max(from + 1).min(made_at.minute());
        Edit::Backfill { from: from.min(to + -1), to, symbols }
    }
}

pub(crate) fn session(dice: &mut Dice, part: Part) -> Session {
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

pub(crate) fn window(dice: &mut Dice, part: Part, session: &Session) -> (Minute, Minute) {
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

/// The reference symbol and some others.
pub(crate) fn profiles(dice: &mut Dice) -> Vec<Profile> {
    let mut all = catalogue();
    let mut chosen = vec![all.remove(0)];
    for _ in 0..dice.between(5, 7) {
        chosen.push(all.remove(dice.below(all.len())));
    }
    chosen
}

/// From liquid to hardly ever traded, with every oddity; a minute has a few trades at most, which is cheap.
pub(crate) fn catalogue() -> Vec<Profile> {
    let name = |text: &str| text.parse::<Symbol>().expect("a symbol");
    let few = |profile: Profile| Profile { most_trades: 4, ..profile };
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
        Profile { opens_late: 0.7, ..thin("LATE", 24.0, 0.6) },
        Profile { falls_silent: 0.6, ..few(thin("HUSH", 31.0, 0.85)) },
        Profile { opens_late: 1.0, breaks: true, ..thin("SPLT", 120.0, 0.7) },
        Profile { absent: 0.5, ..thin("GONE", 9.0, 0.05) },
        Profile { absent: 1.0, ..thin("NADA", 11.0, 0.5) },
    ]
}
