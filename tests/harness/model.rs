//! What the lake must hold in the end, said as simply as possible and from the market's truth alone.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use mendlake_domain::calendar::{Calendar, Session, days};
use mendlake_domain::candle::Candle;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::gap::{Unrecoverable, Upheld};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::overlay::Overlay;
use mendlake_domain::quote::{Basis, Row, SAMPLE_WINDOW_MS, StoredRow};
use mendlake_domain::symbol::Symbol;
use mendlake_domain::watchlist::{Edit, Version};
use mendlake_ports::control;
use mendlake_ports::gaps::Gaps;

use crate::place::{SimPlace, now};
use crate::served::ServedCandles;

/// How far back a previous close may come from, in sessions.
const PREVIOUS_SESSIONS: usize = 5;

const HOUR_MS: i64 = 3_600_000;

/// A break in price above this is no price of the session.
const PRICE_BREAK: f64 = 0.25;

/// What the people of this lake asked for, and when its sessions were.
pub struct Model {
    versions: Vec<Version>,
    overlay: Overlay,
}

impl Model {
    /// As the lake's control logs have it now.
    pub fn of(place: &SimPlace) -> Self {
        let lake = place.true_lake();
        let versions = now(control::read(lake, control::Log::Watchlist));
        let overlay = now(control::overlay(lake));
        Self { versions, overlay }
    }

    /// Only what was asked for by then.
    pub fn asked_before(mut self, at: Timestamp) -> Self {
        self.versions.retain(|version| version.made_at < at);
        self
    }

    /// Whether anybody wants this minute of the symbol, live or afterwards.
    fn wants(&self, symbol: &Symbol, minute: Minute) -> bool {
        self.watches(symbol, minute)
            || self.versions.iter().any(|version| match &version.edit {
                Edit::Backfill { from, to, symbols } => symbols.contains(symbol) && *from <= minute && minute < *to,
                Edit::Change { .. } => false,
            })
    }

    /// Whether it is watched live: the change that took effect last decides, of two at once the one made later.
    pub fn watches(&self, symbol: &Symbol, minute: Minute) -> bool {
        let mut newest: Option<(Minute, bool)> = None;
        for version in &self.versions {
            let Edit::Change { from, add, remove } = &version.edit else {
                continue;
            };
            let speaks = add.contains(symbol) || remove.contains(symbol);
            if speaks && *from <= minute && newest.is_none_or(|(at, _)| at <= *from) {
                newest = Some((*from, add.contains(symbol)));
            }
        }
        newest.is_some_and(|(_, watched)| watched)
    }

    /// Every symbol anybody ever named.
    pub fn symbols(&self) -> BTreeSet<Symbol> {
        let named = |version: &Version| match &version.edit {
            Edit::Change { add, remove, .. } => add.union(remove).cloned().collect::<Vec<_>>(),
            Edit::Backfill { symbols, .. } => symbols.iter().cloned().collect(),
        };
        self.versions.iter().flat_map(named).collect()
    }

    /// The sessions anything may be wanted of.
    pub fn sessions(&self) -> Vec<Session> {
        let mut first: Option<Minute> = None;
        let mut last: Option<Minute> = None;
        for version in &self.versions {
            let (from, to) = match &version.edit {
                Edit::Change { from, .. } => (*from, *from),
                Edit::Backfill { from, to, .. } => (*from, *to),
            };
            first = first.into_iter().chain([from]).min();
            last = last.into_iter().chain([to]).max();
        }
        let (Some(first), Some(last)) = (first, last) else {
            return Vec::new();
        };
        let on = |day| self.session(day);
        days(Calendar::Xnys.day_of(first), Calendar::Xnys.day_of(last))
            .filter_map(on)
            .collect()
    }

    /// The session of a day as far as the lake has learnt.
    pub fn session(&self, on: NaiveDate) -> Option<Session> {
        let session = Calendar::Xnys.session_on(on).ok().flatten()?;
        let close = self
            .overlay
            .entry(on)
            .map_or(session.close, |entry| match entry.change {
                mendlake_domain::overlay::Change::Closed => session.open,
                mendlake_domain::overlay::Change::ClosesAt { close } => close.min(session.close),
                mendlake_domain::overlay::Change::Withdrawn => session.close,
            });
        Some(Session { close, ..session })
    }

    /// The minutes of a session that are expected of a symbol, up to a horizon.
    pub fn expected(&self, session: &Session, symbol: &Symbol, horizon: Minute) -> MinuteSet {
        let minutes = session.open.until(session.close.min(horizon).max(session.open));
        minutes.filter(|minute| self.wants(symbol, *minute)).collect()
    }
}

/// One symbol-session at the end, with everything that may be said of it.
pub struct Judge<'a> {
    place: &'a SimPlace,
    symbol: &'a Symbol,
    session: Session,
    truth: Vec<Candle>,
    answers: Vec<ServedCandles>,
    quiet_limit: i64,
    upheld: BTreeMap<Upheld, MinuteSet>,
    heals: bool,
}

impl<'a> Judge<'a> {
    /// The judge of a symbol-session. Where no source may be asked for candles, nothing `heals` what is wrong.
    ///
    /// `quiet_limit` is the longest run without candles that the pipeline may take for quiet at once.
    pub fn new(place: &'a SimPlace, symbol: &'a Symbol, session: Session, heals: bool, quiet_limit: i64) -> Self {
        let truth = place.truth.candles(symbol, &session);
        let answers = place.served.answers(symbol);
        let item = now(place.true_ledger().gap(session.on, symbol));
        let upheld = item.map(|item| item.gap.upheld).unwrap_or_default();
        Self {
            place,
            symbol,
            session,
            truth,
            answers,
            quiet_limit,
            upheld,
            heals,
        }
    }

    /// Whether a current row is what it must be.
    pub fn row(&self, stored: &StoredRow, current: &[&StoredRow]) -> Result<(), String> {
        let row = &stored.row;
        let wrong = |how: String| Err(format!("`{}` {} ({}) {how}", row.symbol, row.minute, row.basis));
        match row.basis {
            Basis::Quote if !self.was_served(row) => wrong(format!("{} was never served then", row.price)),
            Basis::Quote => match self.frozen(row, current) {
                Some(candle) => wrong(format!(
                    "traded at {:?}, and again in {}: it is frozen and was not corrected",
                    row.traded_at, candle.minute
                )),
                None => Ok(()),
            },
            Basis::Close if !self.is_last_close(row) => wrong(format!("{} is not the last close by then", row.price)),
            Basis::Open if !self.is_open(row) => wrong(format!("{} is not the open", row.price)),
            Basis::PreviousClose if !self.is_close_before(row) => wrong(format!(
                "{} is not the close before, or something had traded",
                row.price
            )),
            Basis::Close | Basis::Open | Basis::PreviousClose => Ok(()),
        }
    }

    /// Served within the first ten seconds of its minute.
    fn was_served(&self, row: &Row) -> bool {
        let from = row.minute.start();
        let served = self
            .place
            .served
            .quotes_between(self.symbol, from, from.plus_ms(SAMPLE_WINDOW_MS));
        served.iter().any(|served| {
            served.quote.price == row.price.get()
                && Some(served.quote.traded_at) == row.traded_at
                && served.answered_at == row.observed_at
        })
    }

    /// A true candle that every answer showed, began after the row's trade and ended by its minute: then the row was
    /// wrong. Rows too young to be suspect count only where a suspect one shows the same trade.
    fn frozen(&self, row: &Row, current: &[&StoredRow]) -> Option<&Candle> {
        let traded_at = row.traded_at?;
        let same = |other: &&&StoredRow| other.row.is_suspect() && other.row.traded_at == row.traded_at;
        let undecidable = self
            .upheld
            .get(&Upheld::Undecidable)
            .is_some_and(|minutes| minutes.contains(row.minute));
        if undecidable || !self.heals || !current.iter().any(|stored| same(&stored)) {
            return None;
        }
        let between = |candle: &&Candle| candle.minute > traded_at.minute() && candle.minute < row.minute;
        let missed = self.truth.iter().find(between)?;
        let excused = self.excused(traded_at.minute(), row.minute, None);
        (!excused).then_some(missed)
    }

    /// Whether nothing traded after one minute and before another, or the answers hid it so well that the design's rules
    /// take it for quiet: in one answer a short run with a candle after it; or two answers, of two sources or an hour
    /// apart, that both lack it. `read_at` is when the answer in question arrived, where it is known.
    fn excused(&self, after: Minute, by: Minute, read_at: Option<Timestamp>) -> bool {
        let missed: MinuteSet = self
            .truth
            .iter()
            .map(|c| c.minute)
            .filter(|m| *m > after && *m < by)
            .collect();
        if missed.is_empty() {
            return true;
        }
        let lacking = |answer: &&ServedCandles| missed.is_subset(&answer.lacked);
        let lacking: Vec<&ServedCandles> = self.answers.iter().filter(lacking).collect();
        let short = |answer: &ServedCandles| {
            let next = answer.told.iter().find(|minute| *minute >= by);
            let last = answer
                .told
                .within(self.session.open, by)
                .last()
                .unwrap_or(self.session.open + -1);
            next.is_some_and(|next| next.since(last) - 1 <= self.quiet_limit)
        };
        let here = |answer: &&ServedCandles| read_at.is_none_or(|at| at == answer.answered_at);
        let twice = |a: &ServedCandles| {
            lacking
                .iter()
                .any(|b| a.source != b.source || b.answered_at.ms_since(a.answered_at).abs() >= HOUR_MS)
        };
        lacking
            .iter()
            .copied()
            .filter(here)
            .any(|answer| short(answer) || twice(answer))
            || self.vouched(after, by)
    }

    /// A quote of a later minute that still showed a trade from before the run: a vendor that lies about quotes too.
    fn vouched(&self, after: Minute, by: Minute) -> bool {
        let later = self
            .place
            .served
            .quotes_between(self.symbol, by.start(), self.session.close.start());
        later.iter().any(|served| served.quote.traded_at < after.end())
    }

    /// The close of the session's newest candle by then; an older one only where an answer hid all those between.
    fn is_last_close(&self, row: &Row) -> bool {
        let Some(ended_at) = row.traded_at else { return false };
        let minute = ended_at.minute() + -1;
        self.session.contains(minute)
            && minute < row.minute
            && self.told(minute).any(|candle| candle.close == row.price.get())
            && self.truth.iter().any(|candle| candle.minute == minute)
            && self.excused(minute, row.minute, Some(row.observed_at))
    }

    fn is_open(&self, row: &Row) -> bool {
        row.minute == self.session.open && self.told(row.minute).any(|candle| candle.open == row.price.get())
    }

    /// The close of the session before, where nothing had traded by then.
    fn is_close_before(&self, row: &Row) -> bool {
        let price = row.price.get();
        let true_close = self
            .place
            .truth
            .close_before(self.symbol, self.session.on, PREVIOUS_SESSIONS);
        let quoted = self.place.served.quoted_closes(self.symbol);
        // A vendor that lies about candles lies about that one too.
        let known =
            true_close == Some(price) || quoted.contains(&price) || self.place.served.has_price(self.symbol, price);
        known && self.excused(self.session.open + -1, row.minute, None)
    }

    fn told(&self, minute: Minute) -> impl Iterator<Item = Candle> {
        self.place.served.told(self.symbol, minute).into_iter()
    }

    /// Whether the truth justifies giving a minute up.
    pub fn given_up(&self, minute: Minute, why: Unrecoverable) -> Result<(), String> {
        let of = format!("`{}` {minute} was given up ({})", self.symbol, why.as_str());
        let before = || {
            self.place
                .truth
                .close_before(self.symbol, self.session.on, PREVIOUS_SESSIONS)
        };
        match why {
            Unrecoverable::NoData if self.truth.is_empty() => Ok(()),
            Unrecoverable::NoData if before().is_none() && self.excused(self.session.open + -1, minute, None) => {
                Ok(())
            }
            Unrecoverable::NoData => Err(format!("{of}, and there are {} candles", self.truth.len())),
            Unrecoverable::PriceBreak => {
                let opens = self
                    .truth
                    .iter()
                    .flat_map(|candle| self.told(candle.minute))
                    .map(|candle| candle.open);
                let closes: Vec<f64> = before()
                    .into_iter()
                    .chain(self.place.served.quoted_closes(self.symbol))
                    .collect();
                let broke = |open: f64| closes.iter().any(|close| (open / close - 1.0).abs() > PRICE_BREAK);
                if opens.into_iter().any(broke) {
                    Ok(())
                } else {
                    Err(format!("{of}, and the price did not break"))
                }
            }
            Unrecoverable::UnknownSymbol => Err(format!("{of} too early")),
        }
    }
}

/// The current row of each symbol-minute by an independent ranking, written as the design's sentence has it.
pub fn current(rows: &[StoredRow]) -> BTreeMap<(Symbol, Minute), &StoredRow> {
    let mut best: BTreeMap<(Symbol, Minute), &StoredRow> = BTreeMap::new();
    for stored in rows {
        let key = (stored.row.symbol.clone(), stored.row.minute);
        match best.get(&key) {
            Some(so_far) if !beats(stored, so_far) => {}
            _ => drop(best.insert(key, stored)),
        }
    }
    best
}

fn beats(a: &StoredRow, b: &StoredRow) -> bool {
    let rank = |basis| match basis {
        Basis::Quote => 0,
        Basis::Close => 1,
        Basis::Open => 2,
        Basis::PreviousClose => 3,
    };
    let (x, y) = (&a.row, &b.row);
    if x.revision != y.revision {
        return x.revision > y.revision;
    }
    if x.basis != y.basis {
        return rank(x.basis) < rank(y.basis);
    }
    if x.observed_at != y.observed_at {
        return if x.revision > 0 {
            x.observed_at > y.observed_at
        } else {
            x.observed_at < y.observed_at
        };
    }
    if x.traded_at != y.traded_at {
        return x.traded_at > y.traded_at;
    }
    if x.source != y.source {
        return x.source < y.source;
    }
    x.price.get() < y.price.get()
}
