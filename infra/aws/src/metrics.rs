//! Metrics in CloudWatch's embedded metric format: a line of the log that CloudWatch reads as numbers.
//!
//! Every metric has one dimension, the stack. An alarm reads exactly that: another set of dimensions would be another
//! metric, which nobody watches.

use mendlake_domain::minute::Timestamp;
use mendlake_ingest::request::RequestOutcome;
use mendlake_ingest::{CollectReport, LandReport, RequestReport};
use mendlake_reconcile::{ReconcileReport, ReplayReport, Window};
use serde_json::{Map, Value, json};

use crate::handlers::reconcile::SecondOpinion;

/// The namespace of every metric.
pub const NAMESPACE: &str = "mendlake";

/// The dimension of every metric.
pub const DIMENSION: &str = "Stack";

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    /// CloudWatch's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Seconds => "Seconds",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// A number with its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// The metric's name.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// Its value.
    pub value: f64,
}

fn count(name: &'static str, value: usize) -> Metric {
    Metric { name, unit: Unit::Count, value: value as f64 }
}

fn seconds(name: &'static str, value: i64) -> Metric {
    Metric { name, unit: Unit::Seconds, value: value as f64 }
}

/// The line of some metrics at an instant.
pub fn line(stack: &str, at: Timestamp, metrics: &[Metric]) -> String {
    let named = |metric: &Metric| json!({ "Name": metric.name, "Unit": metric.unit.as_str() });
    let definition = json!({
        "Namespace": NAMESPACE,
        "Dimensions": [[DIMENSION]],
        "Metrics": metrics.iter().map(named).collect::<Vec<_>>(),
    });
    let mut line = Map::new();
    line.insert("_aws".into(), json!({ "Timestamp": at.epoch_ms(), "CloudWatchMetrics": [definition] }));
    line.insert(DIMENSION.into(), Value::from(stack));
    line.extend(metrics.iter().map(|metric| (metric.name.to_owned(), json!(metric.value))));
    Value::Object(line).to_string()
}

/// Of a tick: its lag, and what was requested. That it was early is only sent where it was: a metric is paid for by the hours
/// in which it is sent, and these should be none.
pub fn requested(report: &RequestReport) -> Vec<Metric> {
    let lag = Metric { name: "ScheduleLag", unit: Unit::Milliseconds, value: report.lag_ms as f64 };
    let mut metrics = vec![
        lag,
        count("RequestedSymbols", report.symbols),
        count("LeftOutSymbols", report.left_out),
        count("UnsentMessages", report.unsent),
        count("LateTicks", usize::from(report.outcome == RequestOutcome::Late)),
    ];
    if report.outcome == RequestOutcome::Early {
        metrics.push(count("EarlyTicks", 1));
    }
    metrics
}

/// Of messages: what was sampled, and whether the key was refused.
pub fn collected(reports: &[CollectReport]) -> Vec<Metric> {
    let missed = |why: &str| reports.iter().filter_map(|report| report.missed.get(why)).sum::<usize>();
    let all: usize = reports.iter().flat_map(|report| report.missed.values()).sum();
    vec![
        count("SampledQuotes", reports.iter().map(|report| report.accepted).sum()),
        count("MissedQuotes", all),
        count("SourceDenied", missed("denied")),
    ]
}

/// Of a batch: rows, and records that were none.
pub fn landed(reports: &[LandReport]) -> Vec<Metric> {
    vec![
        count("LandedRows", reports.iter().map(|report| report.rows).sum()),
        count("LandingRejects", reports.iter().map(|report| report.quarantined).sum()),
    ]
}

/// Of a reconciliation: everything that alarms look at, zeros too.
pub fn reconciled(report: &ReconcileReport) -> Vec<Metric> {
    let denied =
        report.open_by_reason.iter().filter(|(reason, _)| matches!(reason.as_str(), "denied" | "not_entitled"));
    vec![
        count("OpenGaps", report.open_gaps),
        seconds("OldestGap", report.oldest_gap_s.unwrap_or(0)),
        count("ExpectedLive", report.expected_live),
        count("MissingLive", report.missing_live),
        seconds("LandingLag", report.landing_lag_s),
        count("Disagreements", report.disagreements),
        count("UnhealableGaps", denied.map(|(_, minutes)| minutes).sum()),
        count("UnknownSymbols", report.unknown_symbols.len()),
        count("CalendarContradictions", report.learned.as_ref().map_or(0, |learned| learned.contradictions.len())),
        count("ParkedBatches", report.parked),
        count("HourlyRuns", usize::from(report.window != Window::Near)),
    ]
}

/// Of the morning's second opinion: what it does not bear out is a disagreement too, and so is that there is none.
pub fn second_opinion(opinion: &SecondOpinion) -> Vec<Metric> {
    vec![count("Disagreements", opinion.disagreements())]
}

/// Of replays: what was healed, and what it took.
pub fn replayed(reports: &[ReplayReport]) -> Vec<Metric> {
    let sum = |of: fn(&ReplayReport) -> usize| reports.iter().map(of).sum::<usize>();
    vec![
        count("HealedRows", sum(|report| report.healed.values().sum())),
        count("CorrectedRows", sum(|report| report.corrected)),
        count("ReplayCalls", sum(|report| report.calls.values().sum())),
        count("FailedReplayCalls", sum(|report| report.failed.values().sum())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_cloudwatch_documents() {
        let at = Timestamp::from_epoch_ms(1_795_185_001_678);
        let line = line("lake", at, &[count("OpenGaps", 0), seconds("OldestGap", 90)]);
        let read: Value = serde_json::from_str(&line).expect("json");
        assert_eq!(
            read,
            json!({
                "_aws": {
                    "Timestamp": 1_795_185_001_678_i64,
                    "CloudWatchMetrics": [{
                        "Namespace": "mendlake",
                        "Dimensions": [["Stack"]],
                        "Metrics": [{ "Name": "OpenGaps", "Unit": "Count" }, { "Name": "OldestGap", "Unit": "Seconds" }],
                    }],
                },
                "Stack": "lake",
                "OpenGaps": 0.0,
                "OldestGap": 90.0,
            })
        );
        assert!(!line.contains('\n'));
    }

    #[test]
    fn refused_keys_are_counted_by_symbol() {
        let missed = [("denied".to_owned(), 3), ("unavailable".to_owned(), 1)].into();
        let report = CollectReport { accepted: 2, missed, ..CollectReport::default() };
        let metrics = collected(&[report.clone(), report]);
        let values: Vec<f64> = metrics.iter().map(|metric| metric.value).collect();
        assert_eq!(values, [4.0, 8.0, 6.0]);
    }
}
