//! The demo: one whole session, a day on which everything goes wrong, and a lake that is whole in the end.

mod bad_day;
mod losses;
mod result;
mod scratch;
mod show;
mod teller;
mod trouble;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::NaiveDate;
use mendlake_domain::calendar::Session;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::error::{Kind, PortError, Result};

use crate::finnhub::Plan;
use crate::market::{GeneratedMarket, Market, RecordedMarket, Wanted};
use crate::rehearsal::{Abandon, Played, Rehearsal};

pub use bad_day::BadDay;
pub use result::{DemoResult, Picture, examine};
pub use scratch::Scratch;
pub use show::show;
pub use teller::Teller;

/// How many symbols are watched where nobody chooses.
const SYMBOLS: usize = 8;

/// What a demo can be told.
#[derive(Clone, Debug)]
pub struct Options {
    /// A folder with a recorded market; generated from the seed where there is none.
    pub market: Option<PathBuf>,
    /// The trading day.
    pub session: Option<NaiveDate>,
    /// The symbols to watch.
    pub symbols: Vec<Symbol>,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Where the lake is made; it must not be there, or be empty.
    pub out: PathBuf,
    /// Whether colours may be used.
    pub colour: bool,
}

/// Plays the demo, telling it line by line as it happens, and examines what came of it.
pub fn play(options: &Options, out: impl Write + Send + 'static) -> Result<(Played<Teller>, DemoResult)> {
    let (market, session) = market(options)?;
    let market = Arc::new(market);
    let symbols = symbols(options, &market, &session)?;
    let day = BadDay::of(&session);
    let abandon = Abandon::default();
    let teller = Teller::new(out, &session, symbols.len(), &day, abandon.clone());
    let rehearsal = Rehearsal {
        market: market.clone(),
        symbols: symbols.clone(),
        first: session.on,
        last: session.on,
        seed: options.seed,
        script: day.script(),
        plan: Plan::Premium,
        alpaca: true,
        dark: day.dark(),
        lander_dies: day.lander_dies(),
        settings: Settings::default(),
        until: two_mornings_after(&session),
        to_the_end: false,
        folder: options.out.clone(),
    };
    let played = rehearsal.play_unless(&abandon, teller).map_err(|error| {
        let what = format!(
            "play the demo in `{}` (make room there, or name another folder with `--out`)",
            options.out.display()
        );
        if error.kind == Kind::Unavailable { PortError::caused(Kind::Unavailable, what, error) } else { error }
    })?;
    played.engine.observer().close(played.ended_at, played.whole);
    let result = examine(&played, &market, &symbols, options)?;
    Ok((played, result))
}

/// Noon in New York two days after: by then every second read has been made.
fn two_mornings_after(session: &Session) -> Timestamp {
    session.close.start().plus_s(44 * 3600)
}

fn market(options: &Options) -> Result<(Market, Session)> {
    let calendar = Settings::default().calendar;
    let rejected = |what: String| PortError::new(Kind::Rejected, what);
    let session_on = |on| match calendar.session_on(on) {
        Ok(Some(session)) => Ok(session),
        Ok(None) => {
            Err(rejected(format!("play {on}: no session lies there, it is a weekend or a holiday: name another day")))
        }
        Err(error) => Err(PortError::caused(Kind::Rejected, "find session", error)),
    };
    let Some(folder) = &options.market else {
        let on = options.session.unwrap_or(DEFAULT_SESSION);
        return Ok((GeneratedMarket::new(options.seed, calendar).into(), session_on(on)?));
    };
    let load = |wanted: &Wanted| {
        RecordedMarket::load(folder, calendar, wanted).map(Market::from).map_err(|error| {
            PortError::caused(Kind::Rejected, format!("load the market in `{}`", folder.display()), error)
        })
    };
    let chosen: BTreeSet<Symbol> = options.symbols.iter().cloned().collect();
    let symbols = (!chosen.is_empty()).then_some(chosen);
    let on = match options.session {
        Some(on) => on,
        None => {
            let whole = load(&Wanted { symbols: symbols.clone(), days: None })?;
            let sessions = whole.sessions(calendar.range().0, calendar.range().1);
            sessions.last().ok_or_else(|| rejected(format!("`{}` holds no session", folder.display())))?.on
        }
    };
    let session = session_on(on)?;
    let market = load(&Wanted { symbols, days: Some((on, on)) })?;
    if market.sessions(on, on).is_empty() {
        return Err(rejected(format!("`{}` has nothing of {on}: name a session that was recorded", folder.display())));
    }
    Ok((market, session))
}

/// The session of a generated demo: a full Friday in winter time.
const DEFAULT_SESSION: NaiveDate = match NaiveDate::from_ymd_opt(2026, 11, 20) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

fn symbols(options: &Options, market: &Market, session: &Session) -> Result<Vec<Symbol>> {
    let listed = market.symbols();
    if let Some(unknown) = options.symbols.iter().find(|symbol| !listed.contains(symbol)) {
        let known = listed.iter().map(Symbol::as_str).collect::<Vec<_>>().join(" ");
        let what = format!("watch `{unknown}`: this market has only {known}");
        return Err(PortError::new(Kind::Rejected, what));
    }
    if !options.symbols.is_empty() {
        let once: BTreeSet<Symbol> = options.symbols.iter().cloned().collect();
        return Ok(once.into_iter().collect());
    }
    let trades = |symbol: &Symbol| !market.candles(symbol.as_str(), session.open, session.close).is_empty();
    Ok(listed.into_iter().filter(trades).take(SYMBOLS).collect())
}
