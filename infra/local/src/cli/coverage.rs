//! `mendlake coverage`: a session as a heat map.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use mendlake_domain::calendar::Session;
use mendlake_domain::coverage::{Coverage, Held};
use mendlake_domain::gap::Gap;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::overlay::Schedule;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::watchlist::Watchlist;
use mendlake_ports::clock::Clock;
use mendlake_ports::control;
use mendlake_ports::error::Kind;
use mendlake_ports::gaps::Gaps;
use mendlake_ports::lake::Lake;
use serde::Serialize;

use super::output::{on_terminal, print, print_json, width};
use super::{Ending, Failure, Outcome, begin, colour};
use crate::clock::ClockArgs;
use crate::config::{ConfigArgs, WatchArgs};
use crate::heat_map::{Columns, HeatMap, Line, State, render, states};
use crate::look::{Look, schedule};
use crate::open::Reading;
use crate::stack::{StackArgs, StackLook};
use crate::{times, watching};

/// Show a session as a heat map: symbols down, time of day across.
///
/// Reads the footers of the lake's objects and the ledger's reasons; runs beside `mendlake run`, and on a stack with --stack.
/// Exit code 3 where minutes are open.
#[derive(clap::Args)]
pub struct Args {
    /// The session; the last one that has begun where it is not said.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = times::day)]
    session: Option<NaiveDate>,

    /// Only these symbols.
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',')]
    symbols: Vec<Symbol>,

    /// Characters a line; as wide as the terminal where it is not said, else 100.
    #[arg(long, value_name = "CHARACTERS", value_parser = clap::value_parser!(u16).range(20..))]
    width: Option<u16>,

    /// Print JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    clock: ClockArgs,

    #[command(flatten)]
    stack: StackArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Covered {
    session: NaiveDate,
    open: Minute,
    close: Minute,
    as_of: Timestamp,
    symbols: BTreeMap<Symbol, Counts>,
}

/// Minutes of a symbol by what they are.
#[derive(Debug, Default, Serialize)]
struct Counts {
    expected: usize,
    by_state: BTreeMap<String, usize>,
    /// The stretches that are no live samples: state, first minute, minute after the last.
    stretches: Vec<(String, Minute, Minute)>,
}

/// Runs the command.
pub async fn run(args: Args) -> Outcome {
    let config = begin(&args.config, &WatchArgs::default())?;
    match args.stack.name() {
        None => show(&Reading::open(&config, &args.clock)?, &args).await,
        Some(name) => show(&StackLook::open(name).await?, &args).await,
    }
}

async fn show(look: &impl Look, args: &Args) -> Outcome {
    let now = look.clock().now();
    let schedule = schedule(look).await?;
    let session = match args.session {
        Some(on) => times::session_on(&schedule, on)?,
        None => latest(&schedule, now)?,
    };
    let map = map(look, &session, &args.symbols, now).await?;
    if let Some(what) = missing(&map, &args.symbols) {
        return Err(Failure::usage(format!(
            "{what} was watched in the session of {}: `mendlake watch` shows what is",
            session.on
        )));
    }
    if args.json {
        print_json(&counted(&map, &session, now))?;
    } else {
        let drawn = render(&map, args.width.map_or_else(width, usize::from), colour() && on_terminal());
        print(&format!("{}\n{drawn}", times::session(schedule.calendar, &session)))?;
    }
    let open = map.lines.iter().any(|line| line.states.contains(&State::Open));
    Ok(Ending::whole(!open))
}

/// The last session that has begun.
fn latest(schedule: &Schedule, now: Timestamp) -> Result<Session, Failure> {
    let today = schedule.calendar.day_of(now.minute());
    let begun = schedule.session_on(today).map_err(|error| Failure::usage(error.to_string()))?;
    let begun = begun.filter(|session| session.open.start() <= now);
    begun
        .or_else(|| schedule.sessions_before(today, 1).pop())
        .ok_or_else(|| Failure::usage("no session has begun yet: name one with `--session`"))
}

/// What was asked for and is not in the map.
fn missing(map: &HeatMap, asked: &[Symbol]) -> Option<String> {
    let shown = |symbol: &&Symbol| map.lines.iter().any(|line| line.name == symbol.as_str());
    match asked.iter().find(|symbol| !shown(symbol)) {
        Some(symbol) => Some(format!("nothing of `{symbol}`")),
        None => map.lines.is_empty().then(|| "nothing".to_owned()),
    }
}

async fn map(look: &impl Look, session: &Session, only: &[Symbol], now: Timestamp) -> Result<HeatMap, Failure> {
    let list = control::watchlist(look.lake()).await?;
    watching::refuse_strangers(&list, only)?;
    // The ledger before the lake: what is healed in between is in the lake then.
    let items = match look.ledger() {
        Ok(ledger) => ledger.of_session(session.on).await?,
        Err(error) if error.kind == Kind::Rejected => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let items: BTreeMap<Symbol, Gap> = items.into_iter().map(|item| (item.gap.symbol.clone(), item.gap)).collect();
    let coverage = look.lake().coverage(session.open, session.close).await?;
    let horizon = look.settings().horizon(now);
    let lines = lines(session, &list, &coverage, &items, horizon);
    let shown = |line: &Line| only.is_empty() || only.iter().any(|symbol| symbol.as_str() == line.name);
    Ok(HeatMap {
        from: session.open,
        calendar: look.settings().calendar,
        columns: Columns::Worst,
        lines: lines.into_iter().filter(shown).collect(),
    })
}

fn lines(
    session: &Session,
    list: &Watchlist,
    coverage: &Coverage,
    items: &BTreeMap<Symbol, Gap>,
    horizon: Minute,
) -> Vec<Line> {
    let nothing = Held::default();
    let line = |symbol: Symbol| {
        let expected = list.watched(&symbol, session.open, session.close);
        let held = coverage.get(&symbol).unwrap_or(&nothing);
        let states = states([session.open, session.close, horizon], &expected, held, items.get(&symbol));
        (!expected.is_empty()).then(|| Line { name: symbol.to_string(), states })
    };
    list.ever().into_iter().filter_map(line).collect()
}

fn counted(map: &HeatMap, session: &Session, as_of: Timestamp) -> Covered {
    let of_line = |line: &Line| {
        let mut counts = Counts::default();
        for (offset, state) in (0_i64..).zip(&line.states).filter(|(_, state)| **state != State::NotExpected) {
            counts.expected += 1;
            *counts.by_state.entry(state.name()).or_default() += 1;
            if *state == State::Quote {
                continue;
            }
            let minute = map.from + offset;
            match counts.stretches.last_mut() {
                Some((name, _, to)) if *to == minute && *name == state.name() => *to = minute + 1,
                _ => counts.stretches.push((state.name(), minute, minute + 1)),
            }
        }
        Some((line.name.parse().ok()?, counts))
    };
    Covered {
        session: session.on,
        open: session.open,
        close: session.close,
        as_of,
        symbols: map.lines.iter().filter_map(of_line).collect(),
    }
}
