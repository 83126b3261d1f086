//! `mendlake calendar`: what the calendar says, and what people know better.

use chrono::{NaiveDate, NaiveTime};
use clap::Subcommand;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::overlay::{Change, Entry, Schedule};
use mendlake_ports::clock::Clock;
use mendlake_ports::control::{self, Log};
use mendlake_reconcile::{MANUAL, enter};
use serde::Serialize;

use super::output::{print, print_json};
use super::{Ending, Failure, Outcome, begin};
use crate::clock::ClockArgs;
use crate::config::{ConfigArgs, WatchArgs};
use crate::look::schedule;
use crate::open::Reading;
use crate::times;

/// Show the coming sessions and what was learnt of the calendar, or enter a closure or an early close by hand.
///
/// Closures that Finnhub knows are learnt each morning by themselves. What is entered here holds over that; minutes it
/// removes are no longer expected, and rows collected in them stay in the lake.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,

    #[command(flatten)]
    clock: ClockArgs,

    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Subcommand)]
enum Action {
    /// Show the coming sessions and every entry. The default.
    List,
    /// A day was closed, or closed early. Refused where a trade lies more than 10 min inside what it would remove.
    Close {
        /// The trading day.
        #[arg(value_name = "YYYY-MM-DD", value_parser = times::day)]
        on: NaiveDate,
        /// When it closed, on the exchange's clock; the whole day where it is not said.
        #[arg(long, value_name = "HH:MM")]
        at: Option<NaiveTime>,
        /// Why, for the record.
        #[arg(long, value_name = "TEXT")]
        why: String,
        /// Who says so, for the record.
        #[arg(long, value_name = "NAME", default_value = "mendlake calendar")]
        who: String,
    },
    /// What was entered of a day no longer holds: the calendar does.
    Withdraw {
        /// The trading day.
        #[arg(value_name = "YYYY-MM-DD", value_parser = times::day)]
        on: NaiveDate,
        /// Why, for the record.
        #[arg(long, value_name = "TEXT")]
        why: String,
        /// Who says so, for the record.
        #[arg(long, value_name = "NAME", default_value = "mendlake calendar")]
        who: String,
    },
}

/// How many coming sessions are shown.
const SHOWN: usize = 5;

/// The answer.
#[derive(Debug, Serialize)]
struct Shown {
    calendar: String,
    first: NaiveDate,
    last: NaiveDate,
    coming: Vec<mendlake_domain::calendar::Session>,
    entries: Vec<Entry>,
}

/// Runs the command.
pub async fn run(args: Args) -> Outcome {
    let config = begin(&args.config, &WatchArgs::default())?;
    let reading = Reading::open(&config, &args.clock)?;
    let now = reading.clock.now();
    match args.action.unwrap_or(Action::List) {
        Action::List => {}
        Action::Close { on, at, why, who } => {
            let change = closing(&reading, on, at).await?;
            append(&reading, entry(on, change, who, why, now)).await?;
        }
        Action::Withdraw { on, why, who } => append(&reading, entry(on, Change::Withdrawn, who, why, now)).await?,
    }
    let shown = shown(&reading, now).await?;
    if args.json {
        print_json(&shown)?;
    } else {
        print(&text(&shown, &reading))?;
    }
    Ok(Ending::Done)
}

fn entry(on: NaiveDate, change: Change, who: String, why: String, learned_at: Timestamp) -> Entry {
    let source = MANUAL.to_owned();
    Entry { v: 1, on, change, source, who, why, learned_at }
}

/// What closing at a time says; a time outside the session is refused.
async fn closing(reading: &Reading, on: NaiveDate, at: Option<NaiveTime>) -> Result<Change, Failure> {
    let calendar = reading.settings.calendar;
    let bare = Schedule { calendar, overlay: Default::default() };
    let session = times::session_on(&bare, on)?;
    let Some(at) = at else { return Ok(Change::Closed) };
    let close = calendar.at_wall_time(on, at);
    if close <= session.open || close >= session.close {
        return Err(Failure::usage(format!(
            "`--at {}` does not lie inside the session: {}",
            at.format("%H:%M"),
            times::session(calendar, &session)
        )));
    }
    Ok(Change::ClosesAt { close })
}

async fn append(reading: &Reading, entry: Entry) -> Result<(), Failure> {
    match enter(&reading.lake, &reading.settings, &entry).await? {
        Ok(_) => Ok(()),
        Err(contradiction) => Err(Failure::usage(format!(
            "{contradiction}: look at those rows; where they are wrong, replay them with `--force` first"
        ))),
    }
}

async fn shown(reading: &Reading, now: Timestamp) -> Result<Shown, Failure> {
    let schedule = schedule(reading).await?;
    let (first, last) = schedule.calendar.range();
    let mut coming = Vec::new();
    let mut next = now.minute();
    while let Ok(Some(session)) = schedule.session_after(next)
        && coming.len() < SHOWN
    {
        next = session.close;
        coming.push(session);
    }
    Ok(Shown {
        calendar: schedule.calendar.to_string(),
        first,
        last,
        coming,
        entries: control::read(&reading.lake, Log::Overlay).await?,
    })
}

fn text(shown: &Shown, reading: &Reading) -> String {
    let calendar = reading.settings.calendar;
    let mut text = format!("calendar {}, {} to {}\n", shown.calendar, shown.first, shown.last);
    for session in &shown.coming {
        text.push_str(&format!("  session {}\n", times::session(calendar, session)));
    }
    for entry in &shown.entries {
        let what = match entry.change {
            Change::Closed => "closed".to_owned(),
            Change::ClosesAt { close } => {
                let there = times::at_exchange(calendar, close).map(|at| format!(" ({at})")).unwrap_or_default();
                format!("closed at {} UTC{there}", times::utc(close))
            }
            Change::Withdrawn => "entries withdrawn".to_owned(),
        };
        let Entry { on, source, who, why, learned_at, .. } = entry;
        text.push_str(&format!("  {on} {what}: {why} ({source}, {who}, {learned_at})\n"));
    }
    text
}
