//! `mendlake reconcile`: compare what should exist with the lake, now.

use clap::ValueEnum;
use mendlake_ports::clock::{self, Clock};
use mendlake_ports::error::Kind;
use mendlake_ports::place::Place;
use mendlake_ports::queue::{Message, Queue, failures};
use mendlake_ports::runs::Runs;
use mendlake_reconcile::{ReconcileReport, Window};

use super::output::{print, print_json};
use super::{Ending, Failure, Outcome, begin};
use crate::clock::{ClockArgs, ScaledClock};
use crate::config::{Config, ConfigArgs, WatchArgs};
use crate::engine::Station;
use crate::lock;
use crate::log::StageLog;
use crate::open::{self, Reading};
use crate::repair::{Notes, Repair};
use crate::stack::{self, StackArgs};

/// Compare what should exist with the lake now, and have what is missing replayed.
///
/// Where `mendlake run` works on the lake, it is asked to do it; otherwise this command does it itself: reconciles, works
/// off what is to be replayed, lands it and reconciles once more. With --stack, the stack's function does it once, and what is
/// to be replayed is on its way afterwards. Exit code 3 where gaps are open or batches lie parked afterwards.
#[derive(clap::Args)]
pub struct Args {
    /// How far back to look: two hours and the gaps that are due, a day and all gaps but those no plan includes, or a week and
    /// every gap, with what is done each morning.
    #[arg(long, value_enum, default_value_t = Reach::Hourly)]
    window: Reach,

    /// Wait no longer than this many seconds for whoever was asked. [default: 120 for a running `mendlake run`, on a stack as
    /// long as its function may take]
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

/// How far back to look.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reach {
    /// Two hours.
    Near,
    /// A day.
    Hourly,
    /// A week.
    Morning,
}

impl From<Reach> for Window {
    fn from(reach: Reach) -> Self {
        match reach {
            Reach::Near => Self::Near,
            Reach::Hourly => Self::Hourly,
            Reach::Morning => Self::Morning,
        }
    }
}

/// How often the effect of a request is looked for, on the machine's clock.
const LOOK_MS: i64 = 200;

/// How long a running `mendlake run` is waited for, where nothing else is said.
const TIMEOUT_S: i64 = 120;

/// How long an invocation is waited for: longer than Lambda lets a function run.
const INVOCATION_S: i64 = 16 * 60;

/// Runs the command.
pub async fn run(args: Args) -> Outcome {
    let config = begin(&args.config, &WatchArgs::default())?;
    let window = args.window.into();
    let report = match args.stack.name() {
        Some(name) => on_stack(name, window, args.timeout).await?,
        None => match lock::holder(&config.lake)? {
            Some(_) => ask(&config, &args.clock, window, args.timeout.unwrap_or(TIMEOUT_S)).await?,
            None => alone(&config, &args.clock.anchored(), window).await?,
        },
    };
    if args.json {
        print_json(&report)?;
    } else {
        print(&text(&report))?;
    }
    Ok(Ending::whole(report.open_gaps == 0 && report.parked == 0))
}

/// Has the stack's function do it.
async fn on_stack(name: &str, window: Window, timeout_s: Option<i64>) -> Result<ReconcileReport, Failure> {
    let machine = ScaledClock::steady();
    let deadline = machine.now().plus_s(timeout_s.unwrap_or(INVOCATION_S));
    match clock::by(&machine, deadline, stack::reconcile(name, window)).await {
        Some(report) => Ok(report?),
        None => Err(Failure::not_now(
            "the function has not answered in time: it goes on, `mendlake gaps` shows what came of it",
        )),
    }
}

/// Asks the process that holds the lock, and waits for the run that answers.
async fn ask(config: &Config, clock: &ClockArgs, window: Window, timeout_s: i64) -> Result<ReconcileReport, Failure> {
    let reading = Reading::open(config, clock)?;
    let place = reading.place(config)?;
    let asked_at = place.clock().now();
    let body = serde_json::to_string(&window).expect("a window is JSON");
    let sent = place.reconcile_queue().send(&[Message { body, visible_at: asked_at }]).await?;
    if let (1.., Some(error)) = failures(&sent) {
        return Err(Failure::failed(error.chain()));
    }
    let machine = ScaledClock::steady();
    let deadline = machine.now().plus_s(timeout_s);
    while machine.now() < deadline {
        let run = place.ledger().last_run().await?.filter(|run| run.at >= asked_at);
        let report = run.and_then(|run| serde_json::from_value::<ReconcileReport>(run.report).ok());
        if let Some(report) = report.filter(|report| report.window == window) {
            return Ok(report);
        }
        machine.sleep_until(machine.now().plus_ms(LOOK_MS)).await;
    }
    Err(Failure::not_now(format!(
        "`mendlake run` was asked and has not answered in {timeout_s} s: it does it when it comes to it, look at its log"
    )))
}

/// Does it here, under the lock.
async fn alone(config: &Config, clock: &ClockArgs, window: Window) -> Result<ReconcileReport, Failure> {
    let working = open::work(config, clock, false).await?;
    let notes = Notes::new(StageLog::new(config.log_format));
    let repair = Repair::begin(working.place, config.settings.clone(), notes).await?;
    let first = match repair.reconcile(window).await {
        // A damaged object keeps nothing else from healing: what the other sessions miss is on its way.
        Err(error) if error.kind == Kind::Corrupt => {
            repair.work_off().await?;
            return Err(error.into());
        }
        first => first?,
    };
    if first.tasks == 0 {
        return Ok(first);
    }
    repair.work_off().await?;
    let report = repair.reconcile(window).await?;
    drop(working.lock);
    Ok(report)
}

fn text(report: &ReconcileReport) -> String {
    let ReconcileReport { at, from, to, expected, present, open_gaps, .. } = report;
    let mut text = if from < to {
        format!("reconciled at {at}, minutes {from} to {to}\n")
    } else {
        format!("reconciled at {at}: nothing was watched before {to}, and later minutes have not settled\n")
    };
    text.push_str(&format!("  {present} of {expected} symbol-minutes present, {open_gaps} open in the whole lake\n"));
    for (reason, count) in &report.open_by_reason {
        text.push_str(&format!("    {count} {}\n", reason.as_str()));
    }
    for (why, count) in &report.unrecoverable {
        text.push_str(&format!("  {count} given up: {}\n", why.as_str()));
    }
    for (what, count) in [("suspect rows", report.suspects), ("symbol-sessions to replay", report.claimed)] {
        if count > 0 {
            text.push_str(&format!("  {count} {what}\n"));
        }
    }
    if report.parked > 0 {
        text.push_str(&format!("  {} batches are parked: runbooks/BatchesParked.md says what to do\n", report.parked));
    }
    if *open_gaps > 0 {
        text.push_str("`mendlake gaps` shows each with its reason and its next attempt\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_that_begins_after_the_last_settled_minute_has_no_range() {
        let report = |from: &str| {
            let report = json!({
                "at": "2026-11-20T15:00:00.000Z", "window": "hourly", "from": from, "to": "2026-11-20T14:56:00Z",
                "expected": 0, "present": 0, "open_gaps": 0, "open_by_reason": {}, "oldest_gap_s": null,
                "unrecoverable": {}, "suspects": 0, "newly_open": 0, "disagreements": 0, "claimed": 0, "tasks": 0,
                "unsent": 0, "conflicts": 0, "expected_live": 0, "missing_live": 0, "landing_lag_s": 0, "statuses": 0, "parked": 0,
                "unknown_symbols": [], "learned": null,
            });
            text(&serde_json::from_value(report).expect("a report"))
        };
        assert!(report("2026-11-20T14:00:00Z").contains("minutes 2026-11-20T14:00:00Z to 2026-11-20T14:56:00Z"));
        for from in ["2026-11-20T14:56:00Z", "2026-11-20T15:01:00Z"] {
            let text = report(from);
            assert!(
                text.contains("nothing was watched before 2026-11-20T14:56:00Z") && !text.contains(" to "),
                "{text}"
            );
        }
    }
}
