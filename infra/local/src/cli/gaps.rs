//! `mendlake gaps`: what is missing, why, since when, and when it is tried next.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use mendlake_domain::calendar::Calendar;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::symbol::Symbol;
use mendlake_ports::clock::Clock;
use mendlake_ports::control;
use mendlake_ports::runs::Runs;
use mendlake_ports::sessions::Sessions;
use mendlake_reconcile::{OpenRun, open_runs};
use serde::Serialize;

use super::output::{print, print_json};
use super::{Ending, Failure, Outcome, Table, begin};
use crate::clock::{ClockArgs, ScaledClock};
use crate::config::{ConfigArgs, WatchArgs};
use crate::look::{Look, schedule};
use crate::open::Reading;
use crate::stack::{StackArgs, StackLook};
use crate::{times, watching};

/// Show what is missing, why, since when, and when it is tried next.
///
/// Shows maximal runs of one symbol with one reason, as of the last reconciliation. Runs beside `mendlake run`, and on a
/// stack with --stack.
///
/// Reasons: waiting (its turn has not come), no_budget, not_entitled (no plan of your keys includes candles), denied (a key
/// is refused), unavailable, rejected, empty, unproven_quiet (no candle, and nothing proves yet that nothing traded),
/// market_absent (nobody has a candle there: a closure nobody announced?).
///
/// Exit code 0 where nothing is open, 3 where something is. With --wait, 0 once the session is final and 3 where that did
/// not come in time.
#[derive(clap::Args)]
pub struct Args {
    /// Only these symbols.
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',')]
    symbols: Vec<Symbol>,

    /// Only this session.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = times::day)]
    session: Option<NaiveDate>,

    /// Wait until every symbol of this session is final: nothing open and nothing on its way. A job downstream may start.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = times::day, conflicts_with_all = ["session", "symbols"])]
    wait: Option<NaiveDate>,

    /// Wait no longer than this many seconds.
    #[arg(long, value_name = "SECONDS", requires = "wait", value_parser = clap::value_parser!(i64).range(0..))]
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

/// A ledger not brought up to date for longer is worth a word: reconciliations are hourly.
const STALE_MS: i64 = 65 * 60_000;

/// The answer.
#[derive(Debug, Serialize)]
struct Gaps {
    /// The *now* of the last completed reconciliation.
    as_of: Option<Timestamp>,
    /// Whether that is too long ago to say that anything is whole, or nothing was reconciled yet.
    stale: bool,
    /// Open symbol-minutes shown.
    open: usize,
    /// By why they are open.
    by_reason: BTreeMap<&'static str, usize>,
    /// The runs.
    runs: Vec<OpenRun>,
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
    if let Some(on) = args.wait {
        return wait(look, on, args).await;
    }
    let gaps = gaps(look, args).await?;
    if args.json {
        print_json(&gaps)?;
    } else {
        print(&text(&gaps, look))?;
    }
    Ok(Ending::whole(gaps.open == 0 && !gaps.stale))
}

async fn gaps(look: &impl Look, args: &Args) -> Result<Gaps, Failure> {
    if let Some(on) = args.session {
        times::session_on(&schedule(look).await?, on)?;
    }
    watching::refuse_strangers(&control::watchlist(look.lake()).await?, &args.symbols)?;
    let ledger = look.ledger()?;
    let as_of = ledger.last_run().await?.map(|run| run.at);
    let shown = |run: &OpenRun| {
        args.session.is_none_or(|on| run.session == on)
            && (args.symbols.is_empty() || args.symbols.contains(&run.symbol))
    };
    let runs: Vec<OpenRun> = open_runs(&ledger).await?.into_iter().filter(shown).collect();
    let mut by_reason = BTreeMap::new();
    for run in &runs {
        *by_reason.entry(run.reason.as_str()).or_default() += run.minutes;
    }
    let open = runs.iter().map(|run| run.minutes).sum();
    let stale = as_of.is_none_or(|at| look.clock().now().ms_since(at) > STALE_MS);
    Ok(Gaps { as_of, stale, open, by_reason, runs })
}

fn text(gaps: &Gaps, look: &impl Look) -> String {
    let (now, manner) = (look.clock().now(), look.manner());
    let mut text = match gaps.open {
        0 => "nothing is open".to_owned(),
        open => format!("{open} symbol-minutes are open, in {} runs", gaps.runs.len()),
    };
    match gaps.as_of {
        None => {
            let what = manner.never_reconciled;
            text.push_str(&format!(", but nothing has been reconciled yet: {what}\n"));
        }
        Some(at) => {
            text.push_str(&format!(", as of {at}\n"));
            let age = now.ms_since(at);
            if gaps.stale {
                let age = times::stretch(age);
                text.push_str(&format!("that was {age} ago, so nobody knows: {}\n", manner.stale));
            }
        }
    }
    if !gaps.runs.is_empty() {
        text.push('\n');
        text.push_str(&table(&gaps.runs, look.settings().calendar, now));
    }
    text
}

fn table(runs: &[OpenRun], calendar: Calendar, now: Timestamp) -> String {
    let mut table =
        Table::new(["SYMBOL", "FROM (UTC)", "TO", "MIN", "AT THE EXCHANGE", "WHY", "SEEN", "TRIED", "NEXT"]);
    for run in runs {
        let why = match run.dark {
            0 => run.reason.as_str().to_owned(),
            dark => format!("{}, {dark} never asked for", run.reason.as_str()),
        };
        let next = match run.next_attempt_at.ms_since(now) {
            ms if ms > 0 => format!("in {}", times::stretch(ms)),
            _ => "due".to_owned(),
        };
        table.row([
            run.symbol.to_string(),
            times::utc(run.from),
            times::utc(run.to)[11..].to_owned(),
            run.minutes.to_string(),
            times::at_exchange(calendar, run.from).unwrap_or_default(),
            why,
            format!("{} ago", times::stretch(now.ms_since(run.since))),
            run.attempts.to_string(),
            next,
        ]);
    }
    table.text()
}

/// What a session's waiting ended with.
#[derive(Debug, Serialize)]
struct Waited {
    session: NaiveDate,
    /// Every status is final.
    #[serde(rename = "final")]
    is_final: bool,
    expected: u32,
    present: u32,
    unrecoverable: u32,
    /// Symbols whose status is not final yet.
    not_final: BTreeSet<Symbol>,
}

async fn wait(look: &impl Look, on: NaiveDate, args: &Args) -> Outcome {
    let session = times::session_on(&schedule(look).await?, on)?;
    let machine = ScaledClock::steady();
    let deadline = args.timeout.map(|s| machine.now().plus_s(s));
    loop {
        let waited = waited(look, on, [session.open, session.close]).await?;
        if waited.is_final || deadline.is_some_and(|at| machine.now() >= at) {
            if args.json {
                print_json(&waited)?;
            } else {
                print(&told(&waited))?;
            }
            return Ok(Ending::whole(waited.is_final));
        }
        if args.timeout.is_none() && !look.is_worked_on()? {
            return Err(Failure::not_now(format!(
                "{}nobody works on this lake: start `mendlake run`, or wait with `--timeout`",
                told(&waited).replace('\n', "; ")
            )));
        }
        machine.sleep_until(machine.now().plus_ms(look.manner().look_ms)).await;
    }
}

async fn waited(look: &impl Look, on: NaiveDate, [open, close]: [Minute; 2]) -> Result<Waited, Failure> {
    let list = control::watchlist(look.lake()).await?;
    let expected = |symbol: &Symbol| !list.watched(symbol, open, close).is_empty();
    let mut not_final: BTreeSet<Symbol> = list.ever().into_iter().filter(expected).collect();
    if not_final.is_empty() {
        return Err(Failure::usage(format!(
            "nothing was watched in the session of {on}: `mendlake watch` shows what is"
        )));
    }
    let mut waited =
        Waited { session: on, is_final: false, expected: 0, present: 0, unrecoverable: 0, not_final: BTreeSet::new() };
    for status in look.lake().current(on, on).await? {
        waited.expected += status.expected;
        waited.present += status.present_minutes();
        waited.unrecoverable += status.unrecoverable.values().sum::<u32>();
        if status.is_final {
            not_final.remove(&status.symbol);
        }
    }
    waited.is_final = not_final.is_empty();
    Ok(Waited { not_final, ..waited })
}

fn told(waited: &Waited) -> String {
    let Waited { session, expected, present, unrecoverable, .. } = waited;
    if waited.is_final {
        return format!("session {session} is final: {present} of {expected} present, {unrecoverable} given up\n");
    }
    let symbols: Vec<&str> = waited.not_final.iter().map(Symbol::as_str).collect();
    format!("session {session} is not final: {}\n", symbols.join(" "))
}
