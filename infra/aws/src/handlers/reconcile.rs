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

/// Kept for stopping a query that takes too long.
const STOPS_FOR_MS: i64 = 5_000;

/// What is to be reconciled.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The window that ends now.
    window: Window,
}

/// What Athena says of the lake beside the footers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondOpinion {
    /// What it says.
    Athena(Opinion),
    /// Why it gave no answer. The reconciliation is whole without it.
    AthenaUnasked(String),
}

impl SecondOpinion {
    /// How much it does not bear out: symbols that differ, or that there is none.
    pub fn disagreements(&self) -> usize {
        match self {
            Self::Athena(opinion) => opinion.differ.len(),
            Self::AthenaUnasked(_) => 1,
        }
    }
}

/// A reconciliation's report, and each morning what Athena says of the lake.
#[derive(Debug, Serialize)]
pub struct Reconciled {
    /// What was found and done.
    #[serde(flatten)]
    pub report: ReconcileReport,
    /// What Athena says, where it was to be asked.
    #[serde(flatten)]
    pub opinion: Option<SecondOpinion>,
}

/// Reconciles a window that ends now: `{"window":"near"}`, `"hourly"` or `"morning"`. Running out of time anywhere is
/// harmless: the next run begins anew.
pub async fn handle(place: &impl Place, settings: &Settings, payload: Value) -> Result<ReconcileReport> {
    reconcile(place, settings, wanted(payload)?.window).await
}

/// In the morning, asks Athena about the last week of what was looked at. It fails nothing; a query that takes too long is
/// stopped before the function is.
pub async fn second_opinion(
    place: &impl Place,
    athena: Option<&AthenaCoverage>,
    deadline: Timestamp,
    report: &ReconcileReport,
) -> Option<SecondOpinion> {
    let (from, to) = opinion_range(report).filter(|_| report.window == Window::Morning)?;
    let asked = async {
        let athena = athena.ok_or("`MENDLAKE_DATABASE` or `MENDLAKE_WORKGROUP` is not set")?;
        let until = hand_back_at(deadline);
        let athena = athena.clone().until(until.plus_ms(-STOPS_FOR_MS));
        let opinion = athena.opinion(place.clock(), place.lake(), from, to);
        let opinion = clock::by(place.clock(), until, opinion).await.ok_or("the function's time is over")?;
        opinion.map_err(|error| error.chain())
    };
    let opinion = match asked.await {
        Ok(opinion) => SecondOpinion::Athena(opinion),
        Err::<_, String>(why) => SecondOpinion::AthenaUnasked(why),
    };
    if opinion.disagreements() > 0 {
        tracing::warn!(runbook = "LedgerDisagrees", ?opinion, "Athena does not bear out what the footers say");
    }
    Some(opinion)
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
