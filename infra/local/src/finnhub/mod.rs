//! The simulated vendors: Finnhub's and Alpaca's endpoints over a market, with scripted faults. Pure of sockets; the
//! server puts it on one.

mod alpaca;
mod answer;
mod asked;
mod calls;
mod candle;
mod chance;
mod direct;
mod facts;
mod faults;
mod holidays;
mod limits;
mod quote;
mod script;
mod server;
mod window;

use std::sync::{Arc, Mutex, PoisonError};

use mendlake_adapters::http::Request;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_ports::secrets::Key;

use crate::market::Market;

pub use answer::{Answer, Ending};
pub use asked::{Endpoint, Provider};
pub use calls::{Call, Calls};
pub use direct::DirectTransport;
pub use script::{Fault, KnownDay, Script, ScriptError, What};
pub use server::{Exposure, Server, StartError};
pub use window::{When, WhenError};

use asked::Asked;
use faults::Faults;
use limits::{Limits, Verdict};

/// How late Finnhub's newest candle is where nothing else is said, in seconds.
pub const CANDLE_LATE_S: i64 = 20;

/// What a key may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Plan {
    /// Finnhub: no candles. Alpaca: no bars of the last 15 minutes.
    #[default]
    Free,
    /// Everything.
    Premium,
}

/// A key that a vendor knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// What the log calls this key. It tells nothing of it.
    pub version: String,
    /// The key; Alpaca's is `id:secret`.
    pub key: Key,
    /// What it may ask for.
    pub plan: Plan,
    /// Calls in a window of 60 s.
    pub per_minute: u32,
    /// Calls in any second, where there is such a cap.
    pub per_second: Option<u32>,
}

impl Account {
    /// A Finnhub key with the limits of its plan: 60 a minute free, 300 otherwise, and 30 a second.
    pub fn finnhub(version: &str, key: Key, plan: Plan) -> Self {
        let per_minute = if plan == Plan::Free { 60 } else { 300 };
        Self { version: version.to_owned(), key, plan, per_minute, per_second: Some(30) }
    }

    /// An Alpaca key, `id:secret`, with 200 calls a minute.
    pub fn alpaca(version: &str, key: Key, plan: Plan) -> Self {
        Self { version: version.to_owned(), key, plan, per_minute: 200, per_second: None }
    }
}

/// Whom the vendors know, how late they are, and what goes wrong.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Decides what the faults leave to chance.
    pub seed: u64,
    /// Finnhub's keys.
    pub finnhub: Vec<Account>,
    /// Alpaca's keys.
    pub alpaca: Vec<Account>,
    /// How long after its minute's end Finnhub has a candle, in seconds.
    pub candle_late_s: i64,
    /// What goes wrong.
    pub script: Script,
}

/// Both vendors.
///
/// An answer depends on the seed, the request and the instant, never on the calls before, but for the rate limits.
#[derive(Debug)]
pub struct Vendor {
    market: Arc<Market>,
    terms: Terms,
    faults: Faults,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    limits: Limits,
    calls: Calls,
}

impl Vendor {
    /// Vendors of this market. Refuses a script that cannot be played on it: an impossible fault, or an unannounced close
    /// that the market does not have ([`Script::closing`] makes one that has).
    pub fn new(market: Arc<Market>, terms: Terms) -> Result<Self, ScriptError> {
        terms.script.check()?;
        let closes = terms.script.closes();
        if let Some(missing) = closes.into_iter().find(|close| !market.unannounced_closes().contains(close)) {
            return Err(ScriptError::NotClosing(missing));
        }
        let faults = Faults::new(terms.seed, terms.script.faults.clone());
        Ok(Self { market, terms, faults, state: Mutex::default() })
    }

    /// The market the vendors look at.
    pub fn market(&self) -> &Arc<Market> {
        &self.market
    }

    /// What was asked so far.
    pub fn calls(&self) -> Calls {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).calls.clone()
    }

    /// The answer to a request at this instant, and how it is delivered.
    pub fn answer(&self, now: Timestamp, request: &Request) -> Answer {
        let Some(asked) = Asked::read(request) else {
            return Answer::html(404, now);
        };
        let active = self.faults.active(now, &asked, &self.market);
        let account = self.account(&asked);
        let mut answer = self.decide(now, &asked, account, &active).dated(now);
        // A file of the directory is another host's: only what an endpoint itself answers goes wrong.
        active.deliver(&mut answer);
        let call = Call {
            at: now,
            provider: asked.provider,
            endpoint: asked.endpoint,
            symbol: asked.symbol().map(str::to_owned),
            account: account.map(|account| account.version.clone()),
            key_in_url: asked.key_in_url,
            status: answer.status,
            fault: active.name(),
        };
        self.state.lock().unwrap_or_else(PoisonError::into_inner).calls.add(call);
        answer
    }

    fn account(&self, asked: &Asked) -> Option<&Account> {
        let known = match asked.provider {
            Provider::Finnhub => &self.terms.finnhub,
            Provider::Alpaca => &self.terms.alpaca,
        };
        known.iter().find(|account| asked.key.as_deref() == Some(account.key.expose()))
    }

    fn decide(&self, now: Timestamp, asked: &Asked, account: Option<&Account>, active: &faults::Active<'_>) -> Answer {
        let refusals = asked.provider.refusals();
        if asked.endpoint == Endpoint::SymbolFile {
            return facts::symbol_file(&self.market, self.terms.seed, now, asked);
        }
        if let Some(status) = active.down() {
            return Answer::html(status, now);
        }
        let Some(account) = account.filter(|_| !active.key_refused()) else {
            return if asked.key.is_none() { refusals.no_key() } else { refusals.wrong_key() };
        };
        if active.throttled() {
            return refusals.throttled();
        }
        let verdict =
            self.state.lock().unwrap_or_else(PoisonError::into_inner).limits.admit(asked.provider, account, now);
        let answer = match verdict {
            Verdict::Admitted(_) if active.not_entitled() => refusals.not_entitled(),
            Verdict::Admitted(_) => self.endpoint(now, asked, account.plan, active),
            Verdict::Refused(_) => refusals.throttled(),
        };
        answer.limited(account.per_minute, verdict)
    }

    fn endpoint(&self, now: Timestamp, asked: &Asked, plan: Plan, active: &faults::Active<'_>) -> Answer {
        match asked.endpoint {
            Endpoint::Quote => quote::answer(&self.market, now, asked, active),
            Endpoint::Candle if plan == Plan::Free => asked.provider.refusals().not_entitled(),
            Endpoint::Candle => candle::answer(&self.market, now, asked, self.terms.candle_late_s, active),
            Endpoint::Holiday => holidays::answer(self.market.calendar(), now, &self.terms.script.holidays),
            Endpoint::Status => facts::status(self.market.calendar(), now),
            Endpoint::Symbol => facts::symbol_redirect(self.terms.seed, now, asked),
            Endpoint::SymbolFile => Answer::html(404, now),
            Endpoint::Bars => alpaca::answer(&self.market, now, asked, plan, active),
        }
    }
}

impl Script {
    /// The market with the unannounced closes of this script.
    pub fn closing(&self, market: Market) -> Market {
        self.closes().into_iter().fold(market, Market::closing_unannounced)
    }

    fn closes(&self) -> Vec<Minute> {
        let close = |fault: &Fault| match (&fault.what, &fault.from) {
            (What::UnannouncedClose, Some(When::Instant(at))) => Some(at.minute()),
            _ => None,
        };
        self.faults.iter().filter_map(close).collect()
    }
}

#[cfg(test)]
mod tests;
