//! How much a person need care about what a stage did. Pure.

use std::collections::BTreeMap;
use std::fmt::Display;

use mendlake_domain::gap::OpenReason;
use mendlake_domain::minute::Timestamp;
use mendlake_ingest::request::RequestOutcome;
use mendlake_ingest::{CollectReport, LandReport, RequestReport};
use mendlake_ports::error::Kind;
use mendlake_reconcile::{ReconcileReport, ReplayReport};
use tracing::Level;

use crate::alarm::Alarm;
use crate::engine::Event;

/// An alarm that goes on is an error again after this; in between its lines are for information.
const AGAIN_AFTER_MS: i64 = 3_600_000;

/// A stage that fails for longer needs a person, whatever the failure.
const FAILING_MS: i64 = 5 * 60_000;

/// Reasons that no waiting mends.
const NEEDS_A_PERSON: [OpenReason; 3] = [OpenReason::NotEntitled, OpenReason::Denied, OpenReason::Rejected];

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) stage: &'static str,
    pub(super) level: Level,
    pub(super) alarm: Option<Alarm>,
    pub(super) text: String,
}

/// Remembers what has been said, so that what goes on is not an error every minute.
#[derive(Debug, Default)]
pub(super) struct Judge {
    raised: BTreeMap<Alarm, Timestamp>,
    failing: BTreeMap<&'static str, Timestamp>,
}

impl Judge {
    /// The line of an event.
    pub(super) fn line(&mut self, at: Timestamp, event: &Event) -> Line {
        if !matches!(event, Event::Failed { .. }) {
            self.failing.remove(stage(event));
        }
        let (level, alarm, text) = match event {
            Event::Requested(report) => requested(report),
            Event::Collected(report) => collected(report),
            Event::Landed(report) => landed(report),
            Event::Parked { shard, records } => {
                let text =
                    format!("parked {records} records of shard {shard}: land them again once the cause is mended");
                (Level::ERROR, Some(Alarm::BatchesParked), text)
            }
            Event::Unreadable { reason, .. } => {
                let text = format!("a parked batch cannot be landed and stays where it is: {reason}");
                (Level::ERROR, Some(Alarm::BatchesParked), text)
            }
            Event::Reconciled(report) => reconciled(report),
            Event::Replayed(report) => replayed(report),
            Event::Failed { stage, kind, chain } => self.failed(at, stage, *kind, chain),
        };
        let level = match alarm {
            Some(alarm) => self.raise(alarm, at),
            None => level,
        };
        Line { stage: stage(event), level, alarm, text }
    }

    fn raise(&mut self, alarm: Alarm, at: Timestamp) -> Level {
        match self.raised.get(&alarm) {
            Some(last) if (0..AGAIN_AFTER_MS).contains(&at.ms_since(*last)) => Level::INFO,
            _ => {
                self.raised.insert(alarm, at);
                Level::ERROR
            }
        }
    }

    fn failed(
        &mut self,
        at: Timestamp,
        stage: &'static str,
        kind: Kind,
        chain: &str,
    ) -> (Level, Option<Alarm>, String) {
        let since = *self.failing.entry(stage).or_insert(at);
        let lasting = matches!(kind, Kind::Corrupt | Kind::Denied | Kind::Rejected) || at.ms_since(since) >= FAILING_MS;
        let text = format!("failed and is tried again: {chain}");
        (Level::WARN, lasting.then_some(Alarm::StageFailing), text)
    }
}

/// The report of an event, as JSON.
pub(super) fn report(event: &Event) -> Option<String> {
    match event {
        Event::Requested(report) => serde_json::to_string(report).ok(),
        Event::Collected(report) => serde_json::to_string(report).ok(),
        Event::Landed(report) => serde_json::to_string(report).ok(),
        Event::Reconciled(report) => serde_json::to_string(report).ok(),
        Event::Replayed(report) => serde_json::to_string(report).ok(),
        Event::Parked { .. } | Event::Unreadable { .. } | Event::Failed { .. } => None,
    }
}

fn stage(event: &Event) -> &'static str {
    match event {
        Event::Requested(_) => "request",
        Event::Collected(_) => "collect",
        Event::Landed(_) | Event::Parked { .. } => "land",
        Event::Reconciled(_) => "reconcile",
        Event::Replayed(_) => "replay",
        Event::Unreadable { .. } => "reland",
        Event::Failed { stage, .. } => stage,
    }
}

type Judged = (Level, Option<Alarm>, String);

fn requested(report: &RequestReport) -> Judged {
    let RequestReport { minute, symbols, left_out, messages, unsent, lag_ms, .. } = report;
    let alarm = (*left_out > 0).then_some(Alarm::WatchlistTooLarge);
    match report.outcome {
        RequestOutcome::Requested => {
            let level = if *unsent > 0 { Level::WARN } else { Level::INFO };
            let mut text = format!("{minute}: {symbols} symbols in {messages} messages");
            note(&mut text, "left out for the rate limit", *left_out);
            note(&mut text, "messages unsent", *unsent);
            (level, alarm, text)
        }
        RequestOutcome::Late => {
            (Level::WARN, None, format!("{minute}: too late by {lag_ms} ms, left to the reconciler"))
        }
        RequestOutcome::Duplicate => (Level::INFO, None, format!("{minute}: requested already")),
        RequestOutcome::NoSession | RequestOutcome::NothingWatched => {
            (Level::DEBUG, None, format!("{minute}: nothing to request"))
        }
    }
}

fn collected(report: &CollectReport) -> Judged {
    if report.poisoned {
        return (Level::WARN, None, "a message was no message and was put aside".into());
    }
    let minute = report.minute.map(|minute| minute.to_string()).unwrap_or_default();
    let text =
        format!("{minute}: {} of {} symbols{}", report.accepted, report.symbols, listed(", missed: ", &report.missed));
    let denied = report.missed.contains_key("denied").then_some(Alarm::SourceDenied);
    let level = if report.missed.is_empty() { Level::INFO } else { Level::WARN };
    (level, denied, text)
}

fn landed(report: &LandReport) -> Judged {
    let LandReport { rows, objects, existed, quarantined, records, .. } = report;
    let mut text = format!("{rows} rows of {records} records in {objects} objects");
    note(&mut text, "objects were there already", *existed);
    note(&mut text, "records put aside", *quarantined);
    (Level::INFO, (*quarantined > 0).then_some(Alarm::LandingRejects), text)
}

fn reconciled(report: &ReconcileReport) -> Judged {
    let window = serde_json::to_value(report.window).ok();
    let window = window.as_ref().and_then(|window| window.as_str()).unwrap_or_default();
    let mut text = format!("{window}: {} of {} present, {} open", report.present, report.expected, report.open_gaps);
    let reasons = report.open_by_reason.iter().map(|(reason, count)| (reason.as_str(), count));
    text.push_str(&listed(": ", reasons));
    note(&mut text, "newly open", report.newly_open);
    note(&mut text, "symbol-sessions to replay", report.claimed);
    note(&mut text, "given up", report.unrecoverable.values().sum());
    note(&mut text, "suspects", report.suspects);
    note(&mut text, "batches parked", report.parked);
    let contradictions = report.learned.as_ref().map(|learned| learned.contradictions.join("; ")).unwrap_or_default();
    let for_a_person = NEEDS_A_PERSON.iter().any(|reason| report.open_by_reason.contains_key(reason));
    let alarm = if report.disagreements > 0 {
        note(&mut text, "that were in the lake before", report.disagreements);
        Some(Alarm::LedgerDisagrees)
    } else if !contradictions.is_empty() {
        text = format!("{text}; {contradictions}");
        Some(Alarm::CalendarContradicted)
    } else if !report.unknown_symbols.is_empty() {
        let symbols: Vec<&str> = report.unknown_symbols.iter().map(|symbol| symbol.as_str()).collect();
        text = format!("{text}; unknown symbols: {}", symbols.join(" "));
        Some(Alarm::UnknownSymbol)
    } else if report.parked > 0 {
        Some(Alarm::BatchesParked)
    } else {
        for_a_person.then_some(Alarm::GapsOpen)
    };
    let level = if report.newly_open > 0 { Level::WARN } else { Level::INFO };
    (level, alarm, text)
}

fn replayed(report: &ReplayReport) -> Judged {
    let healed: usize = report.healed.values().sum();
    let open: usize = report.open.values().sum();
    let mut text =
        format!("{healed} rows for {} missing of {} symbol-sessions", report.missing, report.symbol_sessions);
    note(&mut text, "corrected", report.corrected);
    note(&mut text, "given up", report.given_up.values().sum());
    note(&mut text, "still open", open);
    text.push_str(&listed("; failed calls: ", &report.failed));
    (if report.failed.is_empty() { Level::INFO } else { Level::WARN }, None, text)
}

fn note(text: &mut String, what: &str, count: usize) {
    if count > 0 {
        *text = format!("{text}, {count} {what}");
    }
}

fn listed<K: Display, V: Display>(before: &str, counts: impl IntoIterator<Item = (K, V)>) -> String {
    let counts: Vec<String> = counts.into_iter().map(|(what, count)| format!("{count} {what}")).collect();
    if counts.is_empty() { String::new() } else { format!("{before}{}", counts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use mendlake_reconcile::Window;

    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_epoch_s(1_795_185_000 + minutes * 60)
    }

    fn failed(kind: Kind) -> Event {
        let chain = "publish: no space".to_owned();
        Event::Failed { stage: "land", kind, chain }
    }

    fn open(reason: OpenReason) -> Event {
        let json = serde_json::json!({
            "at": at(0), "window": Window::Near, "from": at(0).minute(), "to": at(0).minute(), "expected": 9, "present": 7,
            "open_gaps": 2, "open_by_reason": {(reason.as_str()): 2}, "oldest_gap_s": 60, "unrecoverable": {}, "suspects": 0,
            "newly_open": 2, "disagreements": 0, "claimed": 0, "tasks": 0, "unsent": 0, "conflicts": 0, "expected_live": 0,
            "missing_live": 0, "landing_lag_s": 0, "statuses": 0, "unknown_symbols": [], "parked": 0, "learned": null,
        });
        Event::Reconciled(Box::new(serde_json::from_value(json).expect("a report")))
    }

    #[test]
    fn a_failure_is_a_warning_until_it_lasts_or_cannot_pass() {
        let mut judge = Judge::default();
        let level = |judge: &mut Judge, minutes, kind| judge.line(at(minutes), &failed(kind)).level;
        assert_eq!(level(&mut judge, 0, Kind::Unavailable), Level::WARN);
        assert_eq!(level(&mut judge, 4, Kind::Unavailable), Level::WARN);
        assert_eq!(level(&mut judge, 5, Kind::Unavailable), Level::ERROR);
        assert_eq!(level(&mut judge, 6, Kind::Unavailable), Level::INFO, "said already");
        let landed = judge.line(at(7), &Event::Landed(LandReport::default()));
        assert_eq!((landed.level, landed.alarm), (Level::INFO, None));
        assert_eq!(level(&mut judge, 8, Kind::Unavailable), Level::WARN, "it had worked since");
        assert_eq!(level(&mut Judge::default(), 0, Kind::Corrupt), Level::ERROR);
    }

    #[test]
    fn gaps_that_heal_are_a_warning_and_gaps_that_need_a_person_are_an_alarm_once_an_hour() {
        let mut judge = Judge::default();
        let line = judge.line(at(0), &open(OpenReason::Waiting));
        assert_eq!((line.level, line.alarm), (Level::WARN, None));
        let line = judge.line(at(0), &open(OpenReason::NotEntitled));
        assert_eq!((line.level, line.alarm), (Level::ERROR, Some(Alarm::GapsOpen)));
        assert_eq!(line.text, "near: 7 of 9 present, 2 open: 2 not_entitled, 2 newly open");
        assert_eq!(judge.line(at(5), &open(OpenReason::NotEntitled)).level, Level::INFO);
        assert_eq!(judge.line(at(60), &open(OpenReason::NotEntitled)).level, Level::ERROR);
    }

    #[test]
    fn what_lies_parked_is_an_alarm_even_beside_gaps_that_no_plan_heals() {
        let Event::Reconciled(report) = open(OpenReason::NotEntitled) else { panic!("no reconciliation") };
        let report = ReconcileReport { parked: 2, ..*report };
        let line = Judge::default().line(at(0), &Event::Reconciled(Box::new(report)));
        assert_eq!((line.level, line.alarm), (Level::ERROR, Some(Alarm::BatchesParked)));
        assert!(line.text.ends_with("2 newly open, 2 batches parked"), "{}", line.text);
        let unreadable =
            Event::Unreadable { batch: "0-x".into(), reason: "read `parked/0-x.json`: not hexadecimal".into() };
        for event in [unreadable, Event::Parked { shard: "0".into(), records: 3 }] {
            let line = Judge::default().line(at(0), &event);
            assert_eq!((line.level, line.alarm), (Level::ERROR, Some(Alarm::BatchesParked)), "{}", line.text);
        }
    }

    #[test]
    fn a_refused_key_is_an_alarm_and_a_missed_sample_a_warning() {
        let missed = |why: &str| {
            let missed = BTreeMap::from([(why.to_owned(), 2)]);
            Event::Collected(CollectReport { symbols: 2, missed, ..CollectReport::default() })
        };
        let mut judge = Judge::default();
        assert_eq!(judge.line(at(0), &missed("timed_out")).level, Level::WARN);
        let line = judge.line(at(0), &missed("denied"));
        assert_eq!((line.level, line.alarm), (Level::ERROR, Some(Alarm::SourceDenied)));
        assert!(line.text.ends_with("0 of 2 symbols, missed: 2 denied"), "{}", line.text);
    }
}
