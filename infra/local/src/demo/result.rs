//! What came of a demo: counts, and every row held against the market's truth.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures_util::FutureExt;
use mendlake_domain::calendar::Session;
use mendlake_domain::coverage::{Coverage, Held, MinuteSet};
use mendlake_domain::gap::Gap;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::{Basis, StoredRow};
use mendlake_domain::symbol::Symbol;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::gaps::{Gaps, VersionedGap};
use mendlake_ports::lake::Lake;
use mendlake_ports::place::Place;
use serde::Serialize;

use super::{Options, Teller, losses};
use crate::heat_map::{Columns, HeatMap, Line, State, states};
use crate::market::Market;
use crate::rehearsal::Played;
use crate::rehearsal::truth::{Judgement, Spread, distance, judge};

/// What `demo --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct DemoResult {
    /// What everything was drawn from.
    pub seed: u64,
    /// The market: `generated`, or a folder.
    pub market: String,
    /// The trading day.
    pub session: chrono::NaiveDate,
    /// The symbols watched.
    pub symbols: Vec<Symbol>,
    /// Expected symbol-minutes.
    pub expected: usize,
    /// Of these, with a row.
    pub present: usize,
    /// Of these, open.
    pub open_gaps: usize,
    /// Of these, given up.
    pub unrecoverable: usize,
    /// Current rows that are live samples.
    pub live: usize,
    /// Current rows that are healed, by basis.
    pub healed: BTreeMap<Basis, usize>,
    /// Current rows that replaced a frozen quote.
    pub corrected: usize,
    /// Current rows that differ from the truth though a candle could have told.
    pub wrong_prices: usize,
    /// Current rows that differ from the truth and nothing could tell.
    pub undecidable: usize,
    /// Symbol-minutes with more than one current row.
    pub duplicates: usize,
    /// Rows in the table that are not current: what at-least-once delivery and corrections leave behind.
    pub superseded: usize,
    /// How far healed rows are from what a live sample would have been, in basis points.
    pub healed_distance_bp: Spread,
    /// Symbol-minutes without a live sample, by cause.
    pub lost_by: BTreeMap<String, usize>,
    /// When the last symbol-minute was explained.
    pub ended_at: Timestamp,
    /// Where the lake is.
    pub lake: PathBuf,
    /// What the lake held before anything was healed, and in the end.
    #[serde(skip)]
    pub picture: Picture,
}

/// The day as heat maps.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Before anything was healed or corrected.
    pub sampled: HeatMap,
    /// In the end.
    pub healed: HeatMap,
}

/// Examines a demo that was played.
pub fn examine(played: &Played<Teller>, market: &Market, symbols: &[Symbol], options: &Options) -> Result<DemoResult> {
    let work = examine_all(played, market, symbols, options);
    // Every adapter of a rehearsal's place works inline: nothing is left to wait for.
    work.now_or_never().unwrap_or_else(|| Err(PortError::new(Kind::Unavailable, "examine the demo: it waits")))
}

async fn examine_all(
    played: &Played<Teller>,
    market: &Market,
    symbols: &[Symbol],
    options: &Options,
) -> Result<DemoResult> {
    let place = played.engine.place();
    let session = played.sessions[0];
    let watched: BTreeSet<Symbol> = symbols.iter().cloned().collect();
    let rows = place.lake().rows(&watched, session.open, session.close).await?;
    let current = StoredRow::current(rows.clone());
    let items = place.ledger().of_session(session.on).await?;
    let coverage = place.lake().coverage(session.open, session.close).await?;
    let sampled = sampled(&rows);
    let picture = Picture {
        sampled: heat_map(market, &session, symbols, |symbol| as_sampled(&session, symbol, &sampled, &coverage)),
        healed: heat_map(market, &session, symbols, |symbol| as_healed(&session, symbol, &items, &coverage)),
    };
    let lost = lost(symbols, &session, &sampled);
    let count = |minutes: fn(&Gap) -> MinuteSet| items.iter().map(|item| minutes(&item.gap).len()).sum();
    let judged = |wanted: Judgement| current.iter().filter(|r| judge(market, &session, &r.row) == wanted).count();
    let healed_rows = || current.iter().filter(|r| r.row.basis != Basis::Quote);
    let mut healed: BTreeMap<Basis, usize> = BTreeMap::new();
    for stored in healed_rows().filter(|r| r.row.revision == 0) {
        *healed.entry(stored.row.basis).or_default() += 1;
    }
    let distances = healed_rows().filter_map(|r| distance(market, &session, &r.row)).map(|d| d.bp);
    let identities: BTreeSet<_> = current.iter().map(|r| (&r.row.symbol, r.row.minute)).collect();
    Ok(DemoResult {
        seed: options.seed,
        market: options.market.as_ref().map_or("generated".to_owned(), |folder| folder.display().to_string()),
        session: session.on,
        symbols: symbols.to_vec(),
        expected: session.len() * symbols.len(),
        present: current.len(),
        open_gaps: count(Gap::open_minutes),
        unrecoverable: count(Gap::unrecoverable_minutes),
        live: current.iter().filter(|r| r.row.basis == Basis::Quote).count(),
        healed,
        corrected: current.iter().filter(|r| r.row.revision > 0).count(),
        wrong_prices: judged(Judgement::Wrong),
        undecidable: judged(Judgement::Undecidable),
        duplicates: current.len() - identities.len(),
        superseded: rows.len() - current.len(),
        healed_distance_bp: Spread::of(distances.collect()),
        lost_by: losses::by_cause(place, market, &played.vendor.calls(), &session, &lost).await?,
        ended_at: played.ended_at,
        lake: options.out.clone(),
        picture,
    })
}

/// The minutes of each symbol with a live sample.
fn sampled(rows: &[StoredRow]) -> BTreeMap<Symbol, MinuteSet> {
    let mut sampled: BTreeMap<Symbol, MinuteSet> = BTreeMap::new();
    for row in rows.iter().map(|stored| &stored.row).filter(|row| row.basis == Basis::Quote) {
        sampled.entry(row.symbol.clone()).or_default().insert(row.minute);
    }
    sampled
}

fn heat_map(market: &Market, session: &Session, symbols: &[Symbol], of: impl Fn(&Symbol) -> Vec<State>) -> HeatMap {
    let line = |symbol: &Symbol| Line { name: symbol.to_string(), states: of(symbol) };
    // Each minute one symbol's answer is lost: of the worst minutes alone nothing else could be seen.
    let columns = Columns::Most;
    HeatMap { from: session.open, calendar: market.calendar(), columns, lines: symbols.iter().map(line).collect() }
}

/// What was corrected later was a frozen quote: nothing else of the bad day leaves a wrong row.
fn as_sampled(
    session: &Session,
    symbol: &Symbol,
    sampled: &BTreeMap<Symbol, MinuteSet>,
    coverage: &Coverage,
) -> Vec<State> {
    let state = |minute: Minute| {
        let sampled = sampled.get(symbol).is_some_and(|set| set.contains(minute));
        let corrected = coverage.get(symbol).is_some_and(|held| held.revised.contains(minute));
        match (sampled, corrected) {
            (true, true) => State::Frozen,
            (true, false) => State::Quote,
            (false, _) => State::Open,
        }
    };
    session.open.until(session.close).map(state).collect()
}

fn as_healed(session: &Session, symbol: &Symbol, items: &[VersionedGap], coverage: &Coverage) -> Vec<State> {
    let item = items.iter().map(|item| &item.gap).find(|gap| gap.symbol == *symbol);
    let nothing = Held::default();
    let held = coverage.get(symbol).unwrap_or(&nothing);
    states([session.open, session.close, session.close], &session.minutes(), held, item)
}

/// Expected symbol-minutes without a live sample.
fn lost(symbols: &[Symbol], session: &Session, sampled: &BTreeMap<Symbol, MinuteSet>) -> BTreeSet<(Symbol, Minute)> {
    let nothing = MinuteSet::new();
    let of = |symbol: &Symbol| {
        let sampled = sampled.get(symbol).unwrap_or(&nothing);
        let lost: Vec<_> = session.minutes().difference(sampled).iter().map(|m| (symbol.clone(), m)).collect();
        lost
    };
    symbols.iter().flat_map(of).collect()
}
