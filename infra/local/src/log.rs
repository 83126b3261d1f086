//! Logs: one line for each activation of a stage, on stderr.

mod judge;

use std::io::{IsTerminal, stderr};
use std::sync::{Arc, Mutex, PoisonError};

use mendlake_domain::minute::Timestamp;
use tracing::Level;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};
use crate::engine::{Event, Observer};

use judge::{Judge, Line};

/// Begins logging as configured. Told once a process; a second time changes nothing.
pub fn begin(config: &Config, colour: bool) {
    // Other crates' lines only where something is wrong: the level is of this project. AWS's SDK warns of what its call then
    // fails of, and that is said once.
    let filter = EnvFilter::new(format!("warn,aws=error,mendlake={}", config.log_level));
    // A reader of the log that has gone, or a full disk under it, costs lines and never the daemon: told of on the very
    // stream that cannot be written, it would.
    let lines = tracing_subscriber::fmt().log_internal_errors(false);
    let lines = lines.with_env_filter(filter).with_writer(stderr).with_target(false);
    let begun = match config.log_format {
        LogFormat::Text => lines.with_ansi(colour && stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).try_init(),
    };
    drop(begun);
}

/// Logs everything the workers do. Clones share what they know.
#[derive(Clone)]
pub struct StageLog {
    judge: Arc<Mutex<Judge>>,
    reports: bool,
}

impl StageLog {
    /// Logs in this format; for machines, each line carries its whole report.
    pub fn new(format: LogFormat) -> Self {
        Self { judge: Arc::default(), reports: format == LogFormat::Json }
    }
}

impl Observer for StageLog {
    fn observe(&self, at: Timestamp, event: &Event) {
        let line = self.judge.lock().unwrap_or_else(PoisonError::into_inner).line(at, event);
        let report = self.reports.then(|| judge::report(event)).flatten();
        emit(at, &line, report.as_deref());
    }
}

fn emit(at: Timestamp, line: &Line, report: Option<&str>) {
    let (stage, text, runbook) = (line.stage, line.text.as_str(), line.alarm.map(|alarm| alarm.as_str()));
    // Levels are part of a line's place in the code, so that each has its own macro.
    match line.level {
        Level::ERROR => tracing::error!(stage, runbook, %at, report, "{text}"),
        Level::WARN => tracing::warn!(stage, runbook, %at, report, "{text}"),
        Level::INFO => tracing::info!(stage, runbook, %at, report, "{text}"),
        _ => tracing::debug!(stage, runbook, %at, report, "{text}"),
    }
}
