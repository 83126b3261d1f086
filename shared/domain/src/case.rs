//! A symbol-session to judge, for tests: minutes are counted from its open, prices follow from minutes.

use crate::calendar::Session;
use crate::candle::{Candle, CandleRead};
use crate::coverage::MinuteSet;
use crate::gap::Evidence;
use crate::minute::{Minute, Timestamp};
use crate::price::{Decision, Facts, Healed, Market, Previous, PreviousClose, decide};
use crate::quote::{Basis, Day, Price, Row, SourceName, StoredRow};

/// 2026-11-20T14:30:00Z.
const OPEN: i64 = 1_795_185_000;

/// Minutes of a full session.
pub(crate) const LEN: i64 = 390;

pub(crate) struct Case {
    pub(crate) session: Session,
    pub(crate) reads: Vec<CandleRead>,
    pub(crate) earlier: Vec<Evidence>,
    pub(crate) must_agree: Vec<SourceName>,
    pub(crate) current: Vec<StoredRow>,
    pub(crate) quiet_limit: i64,
    pub(crate) market: Market,
    pub(crate) previous: Previous,
}

/// The minute so many after the open.
pub(crate) fn minute(of_session: i64) -> Minute {
    Timestamp::from_epoch_s(OPEN).minute() + of_session
}

/// The instant so many seconds after the open.
pub(crate) fn at_s(of_session: i64) -> Timestamp {
    Timestamp::from_epoch_s(OPEN + of_session)
}

pub(crate) fn source(name: &str) -> SourceName {
    name.parse().expect("source")
}

pub(crate) fn price(value: f64) -> Price {
    Price::new(value).expect("price")
}

pub(crate) fn session(len: i64) -> Session {
    let (open, close) = (minute(0), minute(len));
    let on = open.date();
    Session { on, open, close }
}

/// Source `a` closes this minute at 100 and a hundredth a minute, every other source a thousandth above.
pub(crate) fn close(source: &str, of_session: i64) -> f64 {
    let above = if source == "a" { 0.0 } else { 0.001 };
    100.0 + of_session as f64 / 100.0 + above
}

/// Every candle opens four thousandths under its close.
pub(crate) fn open(source: &str, of_session: i64) -> f64 {
    close(source, of_session) - 0.004
}

pub(crate) fn candle(source: &str, of_session: i64) -> Candle {
    let (open, close) = (open(source, of_session), close(source, of_session));
    Candle { minute: minute(of_session), open, high: close, low: open, close, volume: 1.0 }
}

/// An answer received at this minute, whole up to `complete_to`, with candles of these minutes.
pub(crate) fn read(name: &str, read_at: i64, complete_to: i64, minutes: impl IntoIterator<Item = i64>) -> CandleRead {
    let candles = minutes.into_iter().map(|m| candle(name, m)).collect();
    CandleRead::new(source(name), at_s(read_at * 60), minute(complete_to), candles)
}

/// The market traded in every minute of these, and nothing is known from `complete_to` on.
pub(crate) fn traded(minutes: impl IntoIterator<Item = i64>, complete_to: i64) -> Market {
    Market::Traded { minutes: minutes.into_iter().map(minute).collect(), complete_to: minute(complete_to) }
}

/// The decision to heal with this source's close of that minute, received at the minute `read_at`.
pub(crate) fn close_of(name: &str, of_session: i64, read_at: i64) -> Decision {
    Decision::Heal(Healed {
        price: price(close(name, of_session)),
        basis: Basis::Close,
        source: source(name),
        traded_at: Some(at_s((of_session + 1) * 60)),
        observed_at: at_s(read_at * 60),
    })
}

impl Case {
    pub(crate) fn new() -> Self {
        Self {
            session: session(LEN),
            reads: Vec::new(),
            earlier: Vec::new(),
            must_agree: vec![source("a")],
            current: Vec::new(),
            quiet_limit: 3,
            market: Market::NotAsked,
            previous: Previous::NotAsked,
        }
    }

    /// With an answer in hand, as [`read`] has it.
    pub(crate) fn read(
        mut self,
        name: &str,
        read_at: i64,
        complete_to: i64,
        minutes: impl IntoIterator<Item = i64>,
    ) -> Self {
        self.reads.push(read(name, read_at, complete_to, minutes));
        self
    }

    /// With an answer of which only the evidence is left.
    pub(crate) fn earlier(
        mut self,
        name: &str,
        read_at: i64,
        complete_to: i64,
        minutes: impl IntoIterator<Item = i64>,
    ) -> Self {
        let read = read(name, read_at, complete_to, minutes);
        self.earlier.push(Evidence::of(&read));
        self
    }

    /// With a current quote of this minute whose trade was so many seconds after the open.
    pub(crate) fn quote(mut self, of_session: i64, traded_s: i64) -> Self {
        let row = Row {
            symbol: "AAPL".parse().expect("symbol"),
            minute: minute(of_session),
            price: price(99.5),
            basis: Basis::Quote,
            source: source("live"),
            traded_at: Some(at_s(traded_s)),
            day: Day::default(),
            observed_at: minute(of_session).start().plus_ms(1_600),
            revision: 0,
        };
        let stored_at = row.observed_at;
        self.current.push(StoredRow { row, stored_at });
        self
    }

    /// As the last quote, but changed.
    pub(crate) fn but(mut self, change: impl FnOnce(&mut Row)) -> Self {
        change(&mut self.current.last_mut().expect("a quote").row);
        self
    }

    pub(crate) fn market(mut self, market: Market) -> Self {
        self.market = market;
        self
    }

    /// With a market that never paused, known to the close.
    pub(crate) fn open_market(self) -> Self {
        let len = self.session.close.since(self.session.open);
        self.market(traded(0..len, len))
    }

    pub(crate) fn previous(mut self, value: f64) -> Self {
        self.previous =
            Previous::Known(PreviousClose { price: price(value), source: source("before"), read_at: at_s(7) });
        self
    }

    pub(crate) fn quiet_limit(mut self, limit: i64) -> Self {
        self.quiet_limit = limit;
        self
    }

    pub(crate) fn must_agree(mut self, names: &[&str]) -> Self {
        self.must_agree = names.iter().map(|name| source(name)).collect();
        self
    }

    /// Asks with every fact in hand.
    pub(crate) fn with<T>(&self, ask: impl FnOnce(&Facts<'_>) -> T) -> T {
        ask(&Facts {
            symbol: &"AAPL".parse().expect("symbol"),
            session: self.session,
            reads: &self.reads,
            earlier: &self.earlier,
            must_agree: &self.must_agree,
            current: &self.current,
            quiet_limit: self.quiet_limit,
            market: self.market.clone(),
            previous: self.previous.clone(),
        })
    }

    pub(crate) fn decide(&self, of_session: i64) -> Decision {
        self.with(|facts| decide(facts, minute(of_session)))
    }
}

/// Those minutes as a set.
pub(crate) fn set(minutes: impl IntoIterator<Item = i64>) -> MinuteSet {
    minutes.into_iter().map(minute).collect()
}
