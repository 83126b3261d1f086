//! What truly happened in the market.

use std::sync::Arc;

use chrono::NaiveDate;
use mendlake::market::Market;
use mendlake_domain::calendar::{Calendar, Session};
use mendlake_domain::candle::Candle;
use mendlake_domain::symbol::Symbol;

/// The market as it was, for whoever judges.
#[derive(Clone, Debug)]
pub struct Truth {
    market: Arc<Market>,
}

impl Truth {
    /// The truth of this market.
    pub fn new(market: Arc<Market>) -> Self {
        Self { market }
    }

    /// The session as it truly was: to the unannounced close where there was one.
    pub fn session(&self, on: NaiveDate) -> Option<Session> {
        let calendar = self.calendar();
        let session = calendar.session_on(on).ok().flatten()?;
        let closes = self.market.unannounced_closes().iter().copied();
        let close = closes.filter(|close| calendar.day_of(*close) == on).min();
        let close = close.unwrap_or(session.close).min(session.close);
        Some(Session { close, ..session })
    }

    /// The regular candles of a session, ascending.
    pub fn candles(&self, symbol: &Symbol, session: &Session) -> Vec<Candle> {
        self.market.candles(symbol.as_str(), session.open, session.close)
    }

    /// The calendar.
    pub fn calendar(&self) -> Calendar {
        self.market.calendar()
    }

    /// The close of the last regular candle of the sessions before, looking at most `sessions` back.
    pub fn close_before(&self, symbol: &Symbol, on: NaiveDate, sessions: usize) -> Option<f64> {
        let days = (1..=60).filter_map(|back| on.checked_sub_days(chrono::Days::new(back)));
        let before = days.filter_map(|day| self.session(day)).take(sessions);
        before.filter_map(|session| self.candles(symbol, &session).last().map(|candle| candle.close)).next()
    }

    /// The longest run of minutes without a candle between the first and the last candle of a session.
    pub fn longest_quiet_run(&self, symbol: &Symbol, session: &Session) -> Option<u32> {
        let candles = self.candles(symbol, session);
        let runs = candles.windows(2).map(|pair| pair[1].minute.since(pair[0].minute) - 1);
        runs.max().and_then(|run| u32::try_from(run).ok())
    }
}
