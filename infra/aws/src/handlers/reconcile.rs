//! `reconcile`: a schedule, or a person, names a window.

use mendlake_adapters::aws::athena::{AthenaCoverage, Opinion};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::settings::Settings;
use mendlake_ports::clock;
use mendlake_ports::error::Result;
use mendlake_ports::place::Place;
use mendlake_reconcile::{ReconcileReport, Window, reconcile};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{hand_back_at, read};

/// Over how many minutes Athena is asked each morning, whatever the run looked at: a week, that its price stays one.
const OPINION_MIN: i64 = 7 * 24 * 60;

/// What is to be reconciled.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The window that ends now.
    window: Window,
}

/// What a reconciliation found and did, and each morning what Athena says of the lake.
#[derive(Debug, Serialize)]
pub struct Reconciled {
    /// What was found and done.
    #[serde(flatten)]
    pub report: ReconcileReport,
    /// What Athena says, where it was asked and answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub athena: Option<Opinion>,
    /// Why Athena gave no answer. The reconciliation is whole without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub athena_unasked: Option<String>,
}

/// Reconciles a window that ends now: `{"window":"near"}`, `"hourly"` or `"morning"`. Running out of time anywhere is
/// harmless: the next run begins anew. In the morning Athena is asked for a second opinion, whose failure fails nothing.
pub async fn handle(
    place: &impl Place,
    settings: &Settings,
    athena: Option<&AthenaCoverage>,
    deadline: Timestamp,
    payload: Value,
) -> Result<Reconciled> {
    let window = wanted(payload)?.window;
    let report = reconcile(place, settings, window).await?;
    let mut reconciled = Reconciled { report, athena: None, athena_unasked: None };
    if window == Window::Morning
        && let Some(athena) = athena
        && let Some((from, to)) = opinion_range(&reconciled.report)
    {
        let asked = athena.opinion(place.clock(), place.lake(), from, to);
        match clock::by(place.clock(), hand_back_at(deadline), asked).await {
            Some(Ok(opinion)) => reconciled.athena = Some(opinion),
            Some(Err(error)) => reconciled.athena_unasked = Some(error.chain()),
            None => reconciled.athena_unasked = Some("the function's time is over".to_owned()),
        }
        warn_of(&reconciled);
    }
    Ok(reconciled)
}

/// Says what a person should look at.
fn warn_of(reconciled: &Reconciled) {
    const RUNBOOK: &str = "LedgerDisagrees";
    if let Some(Opinion { differ, .. }) = &reconciled.athena
        && !differ.is_empty()
    {
        tracing::warn!(runbook = RUNBOOK, symbols = ?differ, "Athena says something else than the footers");
    }
    if let Some(why) = &reconciled.athena_unasked {
        tracing::warn!(runbook = RUNBOOK, "there is no second opinion this morning, Athena failed: {why}");
    }
}

/// The last week of what was looked at; `None` where nothing was.
fn opinion_range(report: &ReconcileReport) -> Option<(Minute, Minute)> {
    let from = report.from.max(report.to + -OPINION_MIN);
    (from < report.to).then_some((from, report.to))
}

pub(super) fn wanted(payload: Value) -> Result<Wanted> {
    read("what to reconcile, `{\"window\":\"near\"}`", payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn athena_is_asked_for_the_last_week_of_what_was_looked_at() {
        let asked = |from: &str, to: &str| {
            let report = serde_json::json!({
                "at": "2026-11-20T12:35:00Z", "window": "morning", "from": from, "to": to, "expected": 0, "present": 0,
                "open_gaps": 0, "open_by_reason": {}, "oldest_gap_s": null, "unrecoverable": {}, "suspects": 0,
                "newly_open": 0, "disagreements": 0, "claimed": 0, "tasks": 0, "unsent": 0, "conflicts": 0,
                "expected_live": 0, "missing_live": 0, "landing_lag_s": 0, "statuses": 0, "parked": 0, "unknown_symbols": [],
                "learned": null,
            });
            opinion_range(&serde_json::from_value(report).expect("a report"))
        };
        let minute = |text: &str| text.parse::<Minute>().expect("a minute");
        let to = "2026-11-20T12:31:00Z";
        let [short, week, long] = ["2026-11-19T12:31:00Z", "2026-11-13T12:31:00Z", "2020-01-02T14:30:00Z"];
        assert_eq!(asked(short, to), Some((minute(short), minute(to))));
        assert_eq!(asked(long, to), Some((minute(week), minute(to))));
        assert_eq!(asked(to, to), None);
    }
}
