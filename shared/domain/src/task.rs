//! The messages of the two queues: what to sample, and what to replay.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::minute::{Minute, Timestamp};
use crate::symbol::Symbol;

/// The version of both messages.
pub const VERSION: u32 = 1;

/// The most symbols in one sample message: a second's worth, five under the provider's 30 calls a second.
pub const SYMBOLS_A_SAMPLE: usize = 25;

/// The most symbols in one replay task. Each is at least one call, so a task stays within a minute's share.
pub const SYMBOLS_A_TASK: usize = 25;

/// How far two machines' clocks may be apart: those that are kept differ by seconds. A replay that is asked for further ahead
/// of whoever reads it would outrank the corrections of other people.
pub const CLOCKS_APART_MS: i64 = 60_000;

/// A message of the live queue: sample these symbols for this minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Format version.
    pub v: u32,
    /// The minute to sample.
    pub minute: Minute,
    /// At most [`SYMBOLS_A_SAMPLE`] of them.
    pub symbols: Vec<Symbol>,
}

/// Whether a replay does what it says or only prices it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Tell what would be asked and what it would cost; ask nothing, write nothing.
    #[default]
    Plan,
    /// Do it.
    Apply,
}

/// A message of the replay queue, or the payload of a direct invocation: heal these symbols in `[from, to)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayTask {
    /// Format version; may be left out of a direct invocation.
    #[serde(default = "version")]
    pub v: u32,
    /// Whose minutes.
    pub symbols: BTreeSet<Symbol>,
    /// The first minute.
    pub from: Minute,
    /// The minute after the last.
    pub to: Minute,
    /// Plan or apply.
    #[serde(default)]
    pub mode: Mode,
    /// Replace present minutes too, as a revision.
    #[serde(default)]
    pub force: bool,
    /// When the task was asked for. Its epoch second is the revision of every correction the task makes, so that a task
    /// delivered twice corrects alike; but for rows whose revision is of an instant still to come, which it goes one beyond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Timestamp>,
}

fn version() -> u32 {
    VERSION
}

/// Why a message is refused.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// Not the JSON it should be.
    #[error("not a message of this queue: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by another release.
    #[error("field `v`: message version {0} is not {VERSION}, the one this release reads")]
    Version(u32),
    /// No symbols, or too many.
    #[error("field `symbols`: {}, not {count}", so_many(*max))]
    Symbols {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// A range that holds nothing.
    #[error("field `from`: `from` must be before `to`: {from} .. {to}")]
    Reversed {
        /// The task's `from`.
        from: Minute,
        /// The task's `to`.
        to: Minute,
    },
    /// Asked for at an instant that is still to come: its corrections would outrank all that are asked for until then.
    #[error(
        "field `requested_at`: {requested_at} is still to come, it is {now} now: leave it out, or say when it was asked for"
    )]
    Ahead {
        /// The task's `requested_at`.
        requested_at: Timestamp,
        /// The reader's instant.
        now: Timestamp,
    },
    /// Asked for so long ago that its corrections would have no revision above that of a live row.
    #[error(
        "field `requested_at`: {0} is no instant after the first second of 1970: leave it out, or say when it was asked for"
    )]
    TooOld(Timestamp),
}

impl Sample {
    /// Reads a message of the live queue.
    pub fn parse(body: &str) -> Result<Self, TaskError> {
        let sample: Self = serde_json::from_str(body)?;
        check(sample.v, sample.symbols.len(), SYMBOLS_A_SAMPLE)?;
        Ok(sample)
    }
}

impl ReplayTask {
    /// Reads a message of the replay queue or a direct invocation, at this instant; the latter may name any number of symbols.
    pub fn parse(body: &str, now: Timestamp) -> Result<Self, TaskError> {
        let task: Self = serde_json::from_str(body)?;
        check(task.v, task.symbols.len(), usize::MAX)?;
        if task.to <= task.from {
            return Err(TaskError::Reversed { from: task.from, to: task.to });
        }
        match task.requested_at {
            Some(requested_at) if requested_at.ms_since(now) > CLOCKS_APART_MS => {
                Err(TaskError::Ahead { requested_at, now })
            }
            Some(requested_at) if requested_at.epoch_s() < 1 => Err(TaskError::TooOld(requested_at)),
            _ => Ok(task),
        }
    }
}

/// How many symbols there may be, in words.
fn so_many(max: usize) -> String {
    if max == usize::MAX { "at least 1 symbol".to_owned() } else { format!("1 to {max} symbols") }
}

fn check(v: u32, count: usize, max: usize) -> Result<(), TaskError> {
    if v != VERSION {
        return Err(TaskError::Version(v));
    }
    if count == 0 || count > max {
        return Err(TaskError::Symbols { count, max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden messages of version 1.
    const SAMPLE: &str = r#"{"v":1,"minute":"2026-11-20T14:30:00Z","symbols":["AAPL","MSFT"]}"#;
    const TASK: &str = r#"{"v":1,"symbols":["AAPL"],"from":"2026-11-20T14:30:00Z","to":"2026-11-20T21:00:00Z","mode":"apply","force":false,"requested_at":"2026-11-20T21:05:00.000Z"}"#;

    fn parse(body: &str) -> Result<ReplayTask, TaskError> {
        ReplayTask::parse(body, "2026-11-20T21:06:00Z".parse().expect("an instant"))
    }

    #[test]
    fn the_golden_messages_are_written_and_read() {
        let sample = Sample::parse(SAMPLE).expect("a sample");
        assert_eq!(serde_json::to_string(&sample).expect("json"), SAMPLE);
        let task = parse(TASK).expect("a task");
        assert_eq!(serde_json::to_string(&task).expect("json"), TASK);
    }

    #[test]
    fn a_direct_invocation_may_leave_out_what_has_a_default() {
        let task = parse(r#"{"symbols":["AAPL"],"from":"2026-11-20T14:30:00Z","to":"2026-11-20T21:00:00Z"}"#);
        let task = task.expect("a task");
        assert_eq!((task.v, task.mode, task.force, task.requested_at), (1, Mode::Plan, false, None));
    }

    #[test]
    fn a_bad_message_names_its_field() {
        let error = |body: &str| parse(body).expect_err(body).to_string();
        assert!(error(&TASK.replace("\"v\":1", "\"v\":9")).contains("field `v`"));
        assert!(error(&TASK.replace("[\"AAPL\"]", "[]")).contains("field `symbols`: at least 1 symbol, not 0"));
        assert!(error(&TASK.replace("T14:30", "T22:30")).contains("field `from`"));
        assert!(error(&TASK.replace("apply", "maybe")).contains("maybe"));
        assert!(error(&TASK.replace("\"force\"", "\"fource\"")).contains("fource"));
        assert!(Sample::parse(&SAMPLE.replace("14:30:00Z", "14:30:07Z")).is_err());
        let many = vec!["\"A\""; 26].join(",");
        let error = Sample::parse(&SAMPLE.replace("\"AAPL\",\"MSFT\"", &many)).expect_err("too many").to_string();
        assert!(error.contains("1 to 25 symbols, not 26"), "{error}");
    }

    #[test]
    fn a_task_is_asked_for_in_the_past_or_by_a_clock_that_is_little_ahead() {
        let asked_at = |at: &str| parse(&TASK.replace("2026-11-20T21:05:00.000Z", at));
        assert!(asked_at("2026-11-20T21:07:00.000Z").is_ok(), "a minute ahead");
        for at in ["2026-11-20T21:07:00.001Z", "2040-01-01T00:00:00Z"] {
            let error = asked_at(at).expect_err(at).to_string();
            assert!(error.contains("field `requested_at`") && error.contains("2026-11-20T21:06:00"), "{error}");
        }
        assert!(asked_at("1970-01-01T00:00:01Z").is_ok());
        for at in ["1970-01-01T00:00:00.999Z", "1960-01-01T00:00:00Z"] {
            assert!(asked_at(at).expect_err(at).to_string().contains("field `requested_at`"), "{at}");
        }
    }
}
