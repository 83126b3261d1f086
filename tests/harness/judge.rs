//! Whether a symbol-session ended as it must, by the market's truth and what the vendors told of it.

use std::collections::BTreeMap;

use mendlake_domain::calendar::Session;
use mendlake_domain::candle::Candle;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::gap::{Unrecoverable, Upheld};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::{Basis, Row, SAMPLE_WINDOW_MS, StoredRow};
use mendlake_domain::symbol::Symbol;
use mendlake_ports::gaps::Gaps;

use crate::place::{SimPlace, now};
use crate::served::ServedCandles;

/// How far back a previous close may come from, in sessions.
const PREVIOUS_SESSIONS: usize = 5;

const HOUR_MS: i64 = 3_600_000;

/// A break in price above this is no price of the session.
const PRICE_BREAK: f64 = 0.25;

/// Prices in cents are not exact in binary.
const ROUNDING: f64 = 1e-9;

/// One symbol-session at the end, with everything that may be said of it.
pub(crate) struct Judge<'a> {
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
    pub(crate) fn new(
        place: &'a SimPlace,
        symbol: &'a Symbol,
        session: Session,
        heals: bool,
        quiet_limit: i64,
    ) -> Self {
        let truth = place.truth.candles(symbol, &session);
        let answers = place.served.answers(symbol);
        let item = now(place.true_ledger().gap(session.on, symbol));
        let upheld = item.map(|item| item.gap.upheld).unwrap_or_default();
        Self { place, symbol, session, truth, answers, quiet_limit, upheld, heals }
    }

    /// Whether a current row is what it must be.
    pub(crate) fn row(&self, stored: &StoredRow, current: &[&StoredRow]) -> Result<(), String> {
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
            Basis::PreviousClose if !self.is_close_before(row) => {
                wrong(format!("{} is not the close before, or something had traded", row.price))
            }
            Basis::Close | Basis::Open | Basis::PreviousClose => Ok(()),
        }
    }

    /// Served within the first ten seconds of its minute.
    fn was_served(&self, row: &Row) -> bool {
        let from = row.minute.start();
        let served = self.place.served.quotes_between(self.symbol, from, from.plus_ms(SAMPLE_WINDOW_MS));
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
        let undecidable = self.upheld.get(&Upheld::Undecidable).is_some_and(|minutes| minutes.contains(row.minute));
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
        let missed: MinuteSet = self.truth.iter().map(|c| c.minute).filter(|m| *m > after && *m < by).collect();
        if missed.is_empty() {
            return true;
        }
        let lacking = |answer: &&ServedCandles| missed.is_subset(&answer.lacked);
        let lacking: Vec<&ServedCandles> = self.answers.iter().filter(lacking).collect();
        let short = |answer: &ServedCandles| {
            let next = answer.told.iter().find(|minute| *minute >= by);
            let last = answer.told.within(self.session.open, by).last().unwrap_or(self.session.open + -1);
            next.is_some_and(|next| next.since(last) - 1 <= self.quiet_limit)
        };
        let here = |answer: &&ServedCandles| read_at.is_none_or(|at| at == answer.answered_at);
        let twice = |a: &ServedCandles| {
            lacking.iter().any(|b| a.source != b.source || b.answered_at.ms_since(a.answered_at).abs() >= HOUR_MS)
        };
        lacking.iter().copied().filter(here).any(|answer| short(answer) || twice(answer)) || self.vouched(after, by)
    }

    /// A quote of a later minute that still showed a trade from before the run: a vendor that lies about quotes too.
    fn vouched(&self, after: Minute, by: Minute) -> bool {
        let later = self.place.served.quotes_between(self.symbol, by.start(), self.session.close.start());
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
        let true_close = self.place.truth.close_before(self.symbol, self.session.on, PREVIOUS_SESSIONS);
        let quoted = self.place.served.quoted_closes(self.symbol);
        // A vendor that lies about candles lies about that one too.
        let known =
            true_close == Some(price) || quoted.contains(&price) || self.place.served.has_price(self.symbol, price);
        known && !self.broke_from(price) && self.excused(self.session.open + -1, row.minute, None)
    }

    /// Whether the session opened so far from a price that it is none of it, and every answer showed that.
    fn broke_from(&self, price: f64) -> bool {
        let shown = |first: &&Candle| !self.answers.iter().any(|answer| answer.lacked.contains(first.minute));
        let opened = self.truth.first().filter(shown).map(|first| self.told(first.minute));
        opened.is_some_and(|mut told| told.all(|candle| (candle.open / price - 1.0).abs() > PRICE_BREAK + ROUNDING))
    }

    fn told(&self, minute: Minute) -> impl Iterator<Item = Candle> {
        self.place.served.told(self.symbol, minute).into_iter()
    }

    /// Whether the truth justifies giving a minute up.
    pub(crate) fn given_up(&self, minute: Minute, why: Unrecoverable) -> Result<(), String> {
        let of = format!("`{}` {minute} was given up ({})", self.symbol, why.as_str());
        let before = || self.place.truth.close_before(self.symbol, self.session.on, PREVIOUS_SESSIONS);
        match why {
            Unrecoverable::NoData if self.truth.is_empty() => Ok(()),
            Unrecoverable::NoData if before().is_none() && self.excused(self.session.open + -1, minute, None) => Ok(()),
            Unrecoverable::NoData => Err(format!("{of}, and there are {} candles", self.truth.len())),
            Unrecoverable::PriceBreak => {
                let opens = self.truth.iter().flat_map(|candle| self.told(candle.minute)).map(|candle| candle.open);
                let closes: Vec<f64> =
                    before().into_iter().chain(self.place.served.quoted_closes(self.symbol)).collect();
                let broke = |open: f64| closes.iter().any(|close| (open / close - 1.0).abs() > PRICE_BREAK);
                if opens.into_iter().any(broke) { Ok(()) } else { Err(format!("{of}, and the price did not break")) }
            }
            Unrecoverable::UnknownSymbol => Err(format!("{of} too early")),
        }
    }
}
