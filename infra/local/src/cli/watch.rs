//! `mendlake watch`: the watchlist.

use std::collections::{BTreeMap, BTreeSet};

use clap::Subcommand;
use mendlake_domain::calendar::Session;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::watchlist::{Edit, Version, Watchlist};
use mendlake_ports::clock::Clock;
use mendlake_ports::control::{self, Log};
use serde::Serialize;

use super::output::{print, print_json};
use super::{Ending, Failure, Outcome, Table, begin};
use crate::clock::ClockArgs;
use crate::config::{Config, ConfigArgs, WatchArgs};
use crate::look::{Look, schedule};
use crate::open::Reading;
use crate::stack::{StackArgs, StackLook};
use crate::times::{self, Moment};
use crate::watching;

/// Show or change what is watched.
///
/// The watchlist lives in the lake, versioned: a change takes effect at a later minute, and the past is added explicitly as
/// a backfill. Works beside `mendlake run`, which follows at once, and on a stack with --stack.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    /// Who changes it, for the record.
    #[arg(long, value_name = "NAME", default_value = "mendlake watch", global = true)]
    who: String,

    /// Why, for the record.
    #[arg(long, value_name = "TEXT", default_value = "", global = true)]
    why: String,

    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,

    #[command(flatten)]
    clock: ClockArgs,

    #[command(flatten)]
    stack: StackArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Subcommand)]
enum Action {
    /// Show what is watched. The default.
    List,
    /// Watch symbols from a minute on.
    Add(Change),
    /// No longer watch symbols from a minute on. What was collected stays, and so does what is expected of the past.
    Remove(Change),
    /// Expect a symbol's past: it is then healed from candles like any gap.
    Backfill(Backfill),
}

#[derive(clap::Args)]
struct Change {
    /// The symbols, such as AAPL BRK.B.
    #[arg(required = true, value_name = "SYMBOL")]
    symbols: Vec<Symbol>,

    /// From this minute on, the next one where it is not said: 2026-11-20T14:30:00Z, or 2026-11-20T09:30 on the exchange's
    /// clock.
    #[arg(long, value_name = "MINUTE")]
    from: Option<Moment>,
}

#[derive(clap::Args)]
struct Backfill {
    /// The symbols.
    #[arg(required = true, value_name = "SYMBOL")]
    symbols: Vec<Symbol>,

    /// The first minute.
    #[arg(long, value_name = "MINUTE")]
    from: Moment,

    /// The minute after the last.
    #[arg(long, value_name = "MINUTE")]
    to: Moment,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Watched {
    /// The number of the newest version.
    version: usize,
    as_of: Timestamp,
    /// What is watched in the next minute.
    symbols: Vec<Symbol>,
    /// What the provider's limit leaves room for.
    most: usize,
    /// Changes that are still to come.
    coming: Vec<Version>,
    /// What was said about this change.
    notes: Vec<String>,
}

/// Runs the command.
pub async fn run(args: Args) -> Outcome {
    let config = begin(&args.config, &WatchArgs::default())?;
    match args.stack.name() {
        None => {
            let reading = Reading::open(&config, &args.clock)?;
            let origin = origin(&reading, &config);
            change(&reading, &args, origin).await
        }
        // A new stack's lake begins with its watchlist, unless a tick came first.
        Some(name) => change(&StackLook::open_or_make(name).await?, &args, None).await,
    }
}

/// Does it on any lake. `origin` is what a running pipeline takes its symbols from, where that is not the lake.
async fn change(look: &impl Look, args: &Args, origin: Option<String>) -> Outcome {
    let now = look.clock().now();
    let list = control::watchlist(look.lake()).await?;
    let mut notes = Vec::new();
    let edit = match args.action.as_ref().unwrap_or(&Action::List) {
        Action::List => None,
        Action::Add(change) => add(look, &list, change, &mut notes).await?,
        Action::Remove(change) => remove(look, &list, change, &mut notes),
        Action::Backfill(backfill) => Some(fill(look, backfill, &mut notes).await?),
    };
    if let Some(edit) = edit {
        undone_at_next_start(origin, &edit, &mut notes);
        watching::append(look.lake(), edit, &args.who, &args.why, now).await?;
    }
    let watched = watched(look, now, notes).await?;
    if args.json {
        print_json(&watched)?;
    } else {
        print(&text(&watched))?;
    }
    Ok(Ending::Done)
}

async fn add(
    look: &impl Look,
    list: &Watchlist,
    change: &Change,
    notes: &mut Vec<String>,
) -> Result<Option<Edit>, Failure> {
    let from = effective(look, change);
    let (there, add): (BTreeSet<Symbol>, BTreeSet<Symbol>) =
        change.symbols.iter().cloned().partition(|symbol| list.watches(symbol, from));
    notes.extend(there.iter().map(|symbol| format!("`{symbol}` is watched already")));
    let after = list.at(from).len() + add.len();
    let limit = limit(look).await;
    Settings::check_watchlist(after, limit).map_err(|error| Failure::usage(error.to_string()))?;
    Ok((!add.is_empty()).then(|| Edit::Change { from, add, remove: BTreeSet::new() }))
}

fn remove(look: &impl Look, list: &Watchlist, change: &Change, notes: &mut Vec<String>) -> Option<Edit> {
    let from = effective(look, change);
    let (remove, absent): (BTreeSet<Symbol>, BTreeSet<Symbol>) =
        change.symbols.iter().cloned().partition(|symbol| list.watches(symbol, from));
    notes.extend(absent.iter().map(|symbol| format!("`{symbol}` is not watched")));
    (!remove.is_empty()).then(|| Edit::Change { from, add: BTreeSet::new(), remove })
}

async fn fill(look: &impl Look, backfill: &Backfill, notes: &mut Vec<String>) -> Result<Edit, Failure> {
    let schedule = schedule(look).await?;
    let (from, to) = (backfill.from.minute(schedule.calendar), backfill.to.minute(schedule.calendar));
    let sessions = times::sessions_in(&schedule, from, to)?;
    let symbols: BTreeSet<Symbol> = backfill.symbols.iter().cloned().collect();
    notes.push(format!("{}; {}", filled(&symbols, &sessions, from, to), look.manner().heals));
    Ok(Edit::Backfill { from, to, symbols })
}

/// What a backfill expects.
fn filled(symbols: &BTreeSet<Symbol>, sessions: &[Session], from: Minute, to: Minute) -> String {
    let minutes: usize = sessions.iter().map(|s| s.open.max(from).until(s.close.min(to)).count()).sum();
    let names: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
    format!(
        "backfill of {} from {} to {} UTC: {minutes} minutes of {} sessions are expected of each symbol from now on",
        names.join(" "),
        times::utc(from),
        times::utc(to),
        sessions.len(),
    )
}

fn effective(look: &impl Look, change: &Change) -> Minute {
    let next = watching::next_effective(look.clock().now());
    change.from.map_or(next, |from| from.minute(look.settings().calendar))
}

/// What a running pipeline takes its symbols from, or the next one would.
fn origin(reading: &Reading, config: &Config) -> Option<String> {
    let configured = config.watched.as_ref().map(|watched| watched.origin.to_string());
    let running = reading.holding.as_ref().and_then(|holding| holding.0.clone()?.watched_by);
    running.or(configured)
}

/// Configured symbols are what `run` watches from its next start on, whatever was changed by hand.
fn undone_at_next_start(origin: Option<String>, edit: &Edit, notes: &mut Vec<String>) {
    if let (Some(origin), Edit::Change { .. }) = (origin, edit) {
        notes.push(format!(
            "`mendlake run` takes its symbols from {origin}: its next start goes back to those, change them there too"
        ));
    }
}

/// The provider's limit, as last learnt.
async fn limit(look: &impl Look) -> u32 {
    watching::limit(look.ledger().ok().as_ref(), look.settings()).await
}

async fn watched(look: &impl Look, now: Timestamp, notes: Vec<String>) -> Result<Watched, Failure> {
    let versions: Vec<Version> = control::read(look.lake(), Log::Watchlist).await?;
    let list = Watchlist::new(&versions);
    let coming = |version: &Version| matches!(&version.edit, Edit::Change { from, .. } if from.start() > now);
    Ok(Watched {
        version: versions.len(),
        as_of: now,
        symbols: list.at(now.minute() + 1),
        most: mendlake_domain::settings::most_symbols(limit(look).await),
        coming: versions.iter().filter(|version| coming(version)).cloned().collect(),
        notes,
    })
}

fn text(watched: &Watched) -> String {
    let mut text = String::new();
    for note in &watched.notes {
        text.push_str(&format!("{note}\n"));
    }
    let names: Vec<&str> = watched.symbols.iter().map(Symbol::as_str).collect();
    match names.len() {
        0 => text.push_str("nothing is watched in the next minute\n"),
        count => text.push_str(&format!("{count} of at most {} symbols: {}\n", watched.most, names.join(" "))),
    }
    let mut table = Table::new(["FROM (UTC)", "", "SYMBOL"]);
    let mut changes: BTreeMap<(Minute, &Symbol), &str> = BTreeMap::new();
    for version in &watched.coming {
        if let Edit::Change { from, add, remove } = &version.edit {
            changes.extend(add.iter().map(|symbol| ((*from, symbol), "added")));
            changes.extend(remove.iter().map(|symbol| ((*from, symbol), "removed")));
        }
    }
    for ((from, symbol), what) in &changes {
        table.row([times::utc(*from), (*what).to_owned(), symbol.to_string()]);
    }
    if !changes.is_empty() {
        text.push_str(&format!("\n{}", table.text()));
    }
    text
}

#[cfg(test)]
mod tests {
    use mendlake_domain::calendar::Calendar;

    use super::*;

    #[test]
    fn a_backfill_says_which_minutes_of_which_sessions_it_expects() {
        let minute = |text: &str| text.parse::<Minute>().expect("a minute");
        let session =
            |on: &str| Calendar::Xnys.session_on(on.parse().expect("a day")).expect("known").expect("a session");
        let symbols = ["IBM", "SPY"].map(|symbol| symbol.parse().expect("a symbol")).into();
        let sessions = [session("2026-11-25"), session("2026-11-27")];
        let said = filled(&symbols, &sessions, minute("2026-11-25T20:00:00Z"), minute("2026-11-27T15:00:00Z"));
        let begins = "backfill of IBM SPY from 2026-11-25 20:00 to 2026-11-27 15:00 UTC: 90 minutes of 2 sessions are";
        assert!(said.starts_with(begins), "{said}");
    }
}
