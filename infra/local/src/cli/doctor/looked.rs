//! What is checked of a lake wherever it stands: its calendar, its list, its last reconciliation, what was put aside.

use mendlake_domain::calendar::Calendar;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::settings::{Settings, most_symbols};
use mendlake_ports::clock::Clock;
use mendlake_ports::control;
use mendlake_ports::error::PortError;
use mendlake_ports::runs::Runs;
use mendlake_ports::set_aside::SetAside;

use super::Finding;
use crate::look::Look;
use crate::{times, watching};

/// The check of the ledger.
const LEDGER: &str = "ledger";

/// Without a whole reconciliation for longer, something is wrong: they are hourly, and one lasts a quarter of an hour at most.
const SILENT_MS: i64 = 90 * 60_000;

/// Fewer days left in the calendar are worth knowing.
const DAYS_LEFT: i64 = 60;

/// How many days the calendar still knows.
pub(super) fn calendar(calendar: Calendar, now: Timestamp) -> Finding {
    let check = "calendar";
    let (_, last) = calendar.range();
    let left = last.signed_duration_since(now.date()).num_days();
    let told = format!("`{calendar}` knows the days up to {last}, {left} more");
    match left {
        ..0 => Finding::wrong(check, told, "use a newer release: nothing is expected beyond it"),
        0..DAYS_LEFT => Finding::note(check, told, "use a newer release soon"),
        _ => Finding::good(check, told),
    }
}

/// Whether the rate has room for what is watched; `configured` is how many symbols are, where that is not the lake's to say.
pub(super) async fn watchlist(look: &impl Look, configured: Option<usize>) -> Finding {
    let check = "watchlist";
    let count = match (configured, control::watchlist(look.lake()).await) {
        (Some(count), _) => count,
        (None, Ok(list)) => list.at(look.clock().now().minute() + 1).len(),
        (None, Err(error)) => return refused(check, &error),
    };
    let limit = watching::limit(look.ledger().ok().as_ref(), look.settings()).await;
    match (count, Settings::check_watchlist(count, limit)) {
        (0, _) => Finding::wrong(check, "nothing is watched", look.manner().watches),
        (_, Err(error)) => {
            Finding::note(check, error.to_string(), "what is left out is named in the log, and heals from candles")
        }
        (count, Ok(())) => Finding::good(check, format!("{count} symbols of at most {}", most_symbols(limit))),
    }
}

/// When the lake, which was made then, was last reconciled; `log` is where whoever does it writes, where that is known.
pub(super) async fn reconciled(look: &impl Look, made_at: Timestamp, log: Option<&str>) -> Finding {
    let check = LEDGER;
    let last = match look.ledger() {
        Ok(ledger) => ledger.last_run().await,
        Err(error) => Err(error),
    };
    let now = look.clock().now();
    if let Ok(run) = &last {
        let age_ms = now.ms_since(run.as_ref().map_or(made_at, |run| run.at));
        if age_ms > SILENT_MS && look.is_worked_on().unwrap_or(false) {
            return silent(run.is_some(), age_ms, log, look.manner().stale);
        }
    }
    match last {
        Err(error) => Finding::wrong(check, error.chain(), look.manner().ledger),
        Ok(None) => Finding::note(check, "nothing was reconciled yet", look.manner().never_reconciled),
        Ok(Some(run)) => {
            let age = times::stretch(now.ms_since(run.at));
            let open = run.report.get("open_gaps").and_then(serde_json::Value::as_u64).unwrap_or(0);
            Finding::good(check, format!("last reconciled {age} ago, {open} symbol-minutes open"))
        }
    }
}

/// Somebody should reconcile, and has not for too long: each run fails, or none is started.
fn silent(was_ever: bool, age_ms: i64, log: Option<&str>, advice: &str) -> Finding {
    let age = times::stretch(age_ms);
    let found = match was_ever {
        true => format!("the last whole reconciliation was {age} ago, more than it should be"),
        false => format!("the lake was made {age} ago, and the ledger knows of no whole reconciliation"),
    };
    let log = log.map(|log| format!("its log group is `{log}`; ")).unwrap_or_default();
    Finding::wrong(LEDGER, found, format!("{log}{advice}"))
}

/// What is parked, in quarantine, or dead.
pub(super) async fn aside(look: &impl Look) -> Vec<Finding> {
    let check = "put aside";
    let mut findings = Vec::new();
    match look.lake().parked().await {
        Ok(parked) if parked.is_empty() => {}
        Ok(parked) => {
            let (why, advice) = look.manner().parked;
            findings.push(Finding::wrong(check, format!("{} batches are parked: {why}", parked.len()), advice));
        }
        Err(error) => findings.push(refused(check, &error)),
    }
    match look.lake().quarantined().await {
        Ok(rejected) if rejected.is_empty() => {}
        Ok(rejected) => findings.push(Finding::note(
            check,
            format!("{} pieces of input are in quarantine", rejected.len()),
            "each file says why; nothing waits for them",
        )),
        Err(error) => findings.push(refused(check, &error)),
    }
    match look.dead_letters().await {
        Ok(0) => {}
        Ok(count) => findings.push(Finding::wrong(
            check,
            format!("{count} dead letters: messages that killed whoever worked on them"),
            "runbooks/DeadLetters.md says what to do",
        )),
        Err(error) => findings.push(refused(check, &error)),
    }
    findings
}

/// A check that could not be made.
pub(super) fn refused(check: &'static str, error: &PortError) -> Finding {
    Finding::wrong(check, error.chain(), "do what it says, then look again")
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    #[test]
    fn a_reconciler_that_is_silent_is_wrong_and_its_log_is_named() {
        let finding = silent(true, 3 * 3_600_000, Some("lake-ReconcileLog-1"), "look there");
        assert_eq!(finding.grade, Grade::Wrong);
        assert!(finding.found.contains("3 h") && finding.found.contains("more than it should"), "{}", finding.found);
        assert_eq!(finding.advice.as_deref(), Some("its log group is `lake-ReconcileLog-1`; look there"));
        let never = silent(false, 3 * 3_600_000, None, "look there");
        assert!(never.found.contains("knows of no") && never.advice.as_deref() == Some("look there"), "{never:?}");
    }
}
