//! `mendlake replay`: fetch what is missing in a range, now.

mod invoked;
mod left;
mod queued;
mod told;

use std::collections::BTreeSet;

use chrono::NaiveDate;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use mendlake_domain::calendar::Session;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::symbol::Symbol;
use mendlake_domain::task::{self, Mode, ReplayTask, SYMBOLS_A_TASK};
use mendlake_domain::watchlist::{Watchlist, watched_sessions};
use mendlake_ports::clock::Clock;
use mendlake_ports::control;
use mendlake_ports::error::{Kind, PortError};
use mendlake_ports::place::Place;
use mendlake_reconcile::{Patience, Price, ReplayReport, Window, price, replay};
use serde::Serialize;

use self::left::{There, still_missing};
use super::output::{print, print_json};
use super::{Ending, Failure, Outcome, begin};
use crate::clock::ClockArgs;
use crate::config::{Config, ConfigArgs, WatchArgs};
use crate::lock;
use crate::log::StageLog;
use crate::look::{Look, schedule};
use crate::open::{self, Reading};
use crate::repair::{Notes, Repair};
use crate::stack::{StackArgs, StackLook};
use crate::times::{self, Moment};
use crate::watching;

/// Fetch what is missing in a range, or with --force replace what is there.
///
/// --mode plan, which is the default, says what would be asked and what it costs, and does nothing. --mode apply does it:
/// through a running `mendlake run`, or here where none runs; on a stack, with --stack, through its function. It can be
/// stopped and run again at any time: it looks each time at what is missing.
///
/// Only the past can be replayed, and only what is expected: add a symbol's past with `mendlake watch backfill`. More than
/// 4,500 calls are refused with their number: name a shorter range. Exit code 3 where something stays missing that was not
/// given up or a session cannot be read, or with --force where a row was not replaced.
#[derive(clap::Args)]
pub struct Args {
    /// Whose minutes; every symbol that was ever watched where it is not said.
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',')]
    symbols: Vec<Symbol>,

    /// A whole session.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = times::day, conflicts_with_all = ["from", "to"], required_unless_present = "from")]
    session: Option<NaiveDate>,

    /// From this minute on: 2026-11-20T14:30:00Z, or 2026-11-20T09:30 on the exchange's clock.
    #[arg(long, value_name = "MINUTE", requires = "to")]
    from: Option<Moment>,

    /// Up to this minute, which is not included.
    #[arg(long, value_name = "MINUTE", requires = "from")]
    to: Option<Moment>,

    /// Say what it would take, or do it.
    #[arg(long, value_enum, default_value_t = Do::Plan)]
    mode: Do,

    /// Replace what is there too, as corrections: the rows there stay in the lake, superseded.
    #[arg(long)]
    force: bool,

    /// Stop waiting after this many seconds; what was begun goes on or is taken up again.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(1..))]
    timeout: Option<i64>,

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Do {
    /// Say what it would take.
    Plan,
    /// Do it.
    Apply,
}

/// Without a timeout a replay may wait this long for budget.
const PATIENCE_S: i64 = 24 * 3600;

/// What is asked for.
pub(super) struct Asked {
    symbols: BTreeSet<Symbol>,
    /// Sessions in which some of them are watched, each with those.
    sessions: Vec<(Session, BTreeSet<Symbol>)>,
    list: Watchlist,
    from: Minute,
    to: Minute,
    force: bool,
    timeout_s: Option<i64>,
}

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Replayed {
    symbols: BTreeSet<Symbol>,
    from: Minute,
    to: Minute,
    /// What it takes, as things stood before.
    plan: ReplayReport,
    /// What it costs. Who may not be asked, and why, is as things stand afterwards.
    price: Price,
    /// What was done here or by the stack's function; null in mode `plan`, and where a running pipeline did it.
    done: Option<ReplayReport>,
    /// Symbol-minutes still missing and not given up; null in mode `plan`.
    still_missing: Option<usize>,
    /// With `--force`, symbol-minutes whose row was there before and was not replaced; null without, and in mode `plan`.
    not_replaced: Option<usize>,
}

impl Replayed {
    /// Whether nothing is left of what was asked for. Where a replacement was asked for, something must have been expected.
    fn is_whole(&self) -> bool {
        let forced_nothing = self.not_replaced.is_some() && self.plan.expected == 0;
        let is_readable = self.unreadable().next().is_none();
        is_readable && self.still_missing.unwrap_or(0) == 0 && self.not_replaced.unwrap_or(0) == 0 && !forced_nothing
    }

    /// Sessions of which something is damaged, and what.
    fn unreadable(&self) -> impl Iterator<Item = (&NaiveDate, &String)> {
        self.done.as_ref().unwrap_or(&self.plan).unreadable.iter()
    }
}

/// Runs the command.
pub async fn run(args: Args) -> Outcome {
    let config = begin(&args.config, &WatchArgs::default())?;
    let replayed = match args.stack.name() {
        Some(name) => on_stack(&StackLook::open(name).await?, &args).await?,
        None => here(&config, &args).await?,
    };
    if args.json {
        print_json(&replayed)?;
    } else {
        print(&told::text(&replayed))?;
    }
    Ok(Ending::whole(replayed.is_whole()))
}

async fn here(config: &Config, args: &Args) -> Result<Replayed, Failure> {
    let reading = Reading::open(config, &args.clock)?;
    let asked = asked(&reading, args).await?;
    match (args.mode, lock::holder(&config.lake)?) {
        (Do::Plan, _) => plan(&reading.place(config)?, &reading, asked).await,
        (Do::Apply, Some(_)) => queued::apply(&reading.place(config)?, &reading, asked).await,
        (Do::Apply, None) => alone(config, &args.clock.anchored(), &reading, asked).await,
    }
}

async fn on_stack(stack: &StackLook, args: &Args) -> Result<Replayed, Failure> {
    let asked = asked(stack, args).await?;
    let place = stack.place().await?;
    match args.mode {
        Do::Plan => plan(&place, stack, asked).await,
        Do::Apply => invoked::apply(stack, &place, asked).await,
    }
}

async fn asked(look: &impl Look, args: &Args) -> Result<Asked, Failure> {
    let schedule = schedule(look).await?;
    let calendar = schedule.calendar;
    let (from, to) = match (args.session, args.from, args.to) {
        (Some(on), ..) => times::session_on(&schedule, on).map(|session| (session.open, session.close))?,
        (None, Some(from), Some(to)) => (from.minute(calendar), to.minute(calendar)),
        _ => return Err(Failure::usage("name a range with `--session`, or with `--from` and `--to`")),
    };
    times::sessions_in(&schedule, from, to)?;
    let list = control::watchlist(look.lake()).await?;
    let symbols: BTreeSet<Symbol> = args.symbols.iter().cloned().collect();
    watching::refuse_strangers(&list, &symbols)?;
    if from.start() > look.clock().now() {
        return Err(Failure::usage(format!("only the past can be replayed: {from} is still to come")));
    }
    let symbols = if symbols.is_empty() { list.ever() } else { symbols };
    if symbols.is_empty() {
        return Err(Failure::usage("nothing was ever watched: `mendlake watch add SYMBOL` begins it"));
    }
    let sessions = watched_sessions(&schedule, &list, &symbols, from, to);
    let sessions = sessions.map_err(|error| PortError::caused(Kind::Rejected, "find the sessions", error))?;
    Ok(Asked { symbols, sessions, list, from, to, force: args.force, timeout_s: args.timeout })
}

impl Asked {
    fn task(&self, mode: Mode, requested_at: Timestamp) -> ReplayTask {
        ReplayTask {
            v: task::VERSION,
            symbols: self.symbols.clone(),
            from: self.from,
            to: self.to,
            mode,
            force: self.force,
            requested_at: Some(requested_at),
        }
    }

    /// The work in parts of one session and 25 symbols at most: each is done whole or done again.
    fn tasks(&self, requested_at: Timestamp) -> Vec<ReplayTask> {
        let of_session = |(session, symbols): &(Session, BTreeSet<Symbol>)| {
            let symbols: Vec<&Symbol> = symbols.iter().collect();
            let task = self.task(Mode::Apply, requested_at);
            let (from, to) = self.part_of(session);
            let part = |chunk: &[&Symbol]| ReplayTask {
                symbols: chunk.iter().copied().cloned().collect(),
                from,
                to,
                ..task.clone()
            };
            symbols.chunks(SYMBOLS_A_TASK).map(part).collect::<Vec<_>>()
        };
        self.sessions.iter().flat_map(of_session).collect()
    }

    /// The part of a session that is asked for.
    fn part_of(&self, session: &Session) -> (Minute, Minute) {
        (session.open.max(self.from), session.close.min(self.to))
    }

    /// What is to be told of a plan.
    fn planned(self, (plan, price): (ReplayReport, Price)) -> Replayed {
        let Self { symbols, from, to, .. } = self;
        Replayed { symbols, from, to, plan, price, done: None, still_missing: None, not_replaced: None }
    }

    /// What is to be told of what was done: what is left of it is looked up in the lake.
    async fn applied(
        self,
        place: &impl Place,
        look: &impl Look,
        (plan, priced): (ReplayReport, Price),
        done: Option<ReplayReport>,
        there: &There,
    ) -> Result<Replayed, Failure> {
        let still_missing = Some(still_missing(place, look, &self).await?);
        let not_replaced = if self.force { Some(there.not_replaced(look.lake(), &self).await?) } else { None };
        let barred = price(place, look.settings(), plan.calls_planned, look.manner().asks).await?.barred;
        Ok(Replayed { done, still_missing, not_replaced, ..self.planned((plan, Price { barred, ..priced })) })
    }
}

/// What it takes.
async fn priced(place: &impl Place, look: &impl Look, asked: &Asked) -> Result<(ReplayReport, Price), Failure> {
    let task = asked.task(Mode::Plan, look.clock().now());
    let plan = replay(place, look.settings(), &task, Patience::Minute).await?;
    let price = price(place, look.settings(), plan.calls_planned, look.manner().asks).await?;
    Ok((plan, price))
}

async fn plan(place: &impl Place, look: &impl Look, asked: Asked) -> Result<Replayed, Failure> {
    let priced = priced(place, look, &asked).await?;
    Ok(asked.planned(priced))
}

/// Does it here, under the lock.
async fn alone(config: &Config, clock: &ClockArgs, reading: &Reading, asked: Asked) -> Result<Replayed, Failure> {
    let working = open::work(config, clock, false).await?;
    let notes = Notes::new(StageLog::new(config.log_format));
    let repair = Repair::begin(working.place, config.settings.clone(), notes).await?;
    let priced = priced(repair.place(), reading, &asked).await?;
    let now = reading.clock.now();
    let patience = Patience::Until(now.plus_s(asked.timeout_s.unwrap_or(PATIENCE_S)));
    let there = There::look(reading.lake(), &reading.settings, &asked, now).await?;
    let tasks = asked.tasks(now);
    let bar = bar(tasks.len());
    let mut done = ReplayReport::default();
    for task in tasks {
        let on = reading.settings.calendar.day_of(task.from);
        bar.set_message(format!("{on}, {} symbols", task.symbols.len()));
        done.join(replay(repair.place(), &config.settings, &task, patience).await?);
        repair.land().await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    match repair.reconcile(Window::Near).await {
        // What was asked for is told below all the same; the damaged session may be another.
        Err(error) if error.kind == Kind::Corrupt => tracing::warn!("{}", error.chain()),
        outcome => drop(outcome?),
    }
    let applied = asked.applied(repair.place(), reading, priced, Some(done), &there).await?;
    drop(working.lock);
    Ok(applied)
}

/// A bar on stderr; it draws nothing where that is no terminal.
fn bar(length: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}, {eta} left").expect("the template is one");
    ProgressBar::new(length as u64).with_style(style)
}
