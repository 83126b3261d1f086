//! Tells a rehearsal as it happens: what goes wrong, and every half hour what was sampled, healed and is still open.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use chrono::DateTime;
use chrono_tz::America::New_York;
use mendlake_domain::calendar::Session;
use mendlake_domain::minute::Timestamp;

use super::bad_day::{BadDay, Turn};
use super::trouble::Trouble;
use crate::engine::{Event, Observer};
use crate::rehearsal::Abandon;

/// Between two summaries.
const SUMMARY_MS: i64 = 30 * 60_000;

/// An observer that tells the story.
pub struct Teller {
    state: Mutex<State>,
}

struct State {
    out: Box<dyn Write + Send>,
    turns: Vec<Turn>,
    told: usize,
    summary_at: Timestamp,
    since: Counts,
    open: usize,
    trouble: Trouble,
    abandon: Abandon,
}

/// What happened since the last summary.
#[derive(Default)]
struct Counts {
    asked: usize,
    sampled: usize,
    healed: usize,
    corrected: usize,
    calls: usize,
}

impl Teller {
    /// A teller of one session's bad day. Where a stage fails for good, it asks to abandon the rehearsal.
    pub fn new(
        out: impl Write + Send + 'static,
        session: &Session,
        symbols: usize,
        day: &BadDay,
        abandon: Abandon,
    ) -> Self {
        let state = State {
            out: Box::new(out),
            turns: day.turns(),
            told: 0,
            summary_at: session.open.start().plus_ms(SUMMARY_MS),
            since: Counts::default(),
            open: 0,
            trouble: Trouble::default(),
            abandon,
        };
        let this = Self { state: Mutex::new(state) };
        let minutes = session.len();
        this.lock().line(&format!(
            "{symbols} symbols × {minutes} minutes of {} on a virtual clock; times are New York's\n",
            session.on
        ));
        this
    }

    /// Tells how it ended.
    pub fn close(&self, at: Timestamp, whole: bool) {
        let mut state = self.lock();
        state.tell_turns(at);
        state.summarise(at);
        let ending = if whole { "every expected minute is explained" } else { "time is up, and the lake is not whole" };
        state.line(&format!("{}  {ending}", clock(at)));
    }

    /// How often a stage failed and was tried again.
    pub fn failures(&self) -> usize {
        self.lock().trouble.failures()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Teller {
    fn observe(&self, at: Timestamp, event: &Event) {
        let mut state = self.lock();
        state.tell_turns(at);
        while at >= state.summary_at {
            let summary_at = state.summary_at;
            state.summarise(summary_at);
            state.summary_at = summary_at.plus_ms(SUMMARY_MS);
        }
        if let Some(stage) = worked(event) {
            state.trouble.worked(stage);
        }
        match event {
            Event::Collected(report) => {
                state.since.asked += report.symbols;
                state.since.sampled += report.accepted;
            }
            Event::Reconciled(report) => state.open = report.open_gaps,
            Event::Replayed(report) => {
                state.since.healed += report.healed.values().sum::<usize>() - report.corrected;
                state.since.corrected += report.corrected;
                state.since.calls += report.calls.values().sum::<usize>();
            }
            Event::Failed { stage, chain, .. } => {
                let verdict = state.trouble.failed(at, stage, chain);
                if let Some(line) = verdict.line {
                    state.line(&format!("{}  {line}", clock(at)));
                }
                if let Some(why) = verdict.hopeless {
                    state.abandon.ask(why);
                }
            }
            Event::Requested(_) | Event::Landed(_) | Event::Parked { .. } | Event::Unreadable { .. } => {}
        }
    }
}

/// The stage that did what it is for.
fn worked(event: &Event) -> Option<&'static str> {
    match event {
        Event::Requested(_) => Some("request"),
        Event::Collected(_) => Some("collect"),
        Event::Landed(_) => Some("land"),
        Event::Reconciled(_) => Some("reconcile"),
        Event::Replayed(_) => Some("replay"),
        Event::Parked { .. } | Event::Unreadable { .. } | Event::Failed { .. } => None,
    }
}

impl State {
    /// Tells what began or ended by now.
    fn tell_turns(&mut self, now: Timestamp) {
        while let Some(turn) = self.turns.get(self.told).filter(|turn| turn.at <= now).cloned() {
            self.told += 1;
            self.line(&format!("{}  ! {}", clock(turn.at), turn.text));
        }
    }

    fn summarise(&mut self, at: Timestamp) {
        for counted in self.trouble.counted() {
            self.line(&format!("{}  {counted}", clock(at)));
        }
        let Counts { asked, sampled, healed, corrected, calls } = std::mem::take(&mut self.since);
        if asked + healed + corrected + calls == 0 {
            return;
        }
        let corrected = if corrected > 0 { format!(", {corrected} corrected") } else { String::new() };
        let open = self.open;
        self.line(&format!(
            "{}    sampled {sampled:>3} of {asked:>3} asked, healed {healed:>3}{corrected}, open {open}",
            clock(at)
        ));
    }

    fn line(&mut self, text: &str) {
        // A reader that has gone misses the story, nothing else.
        let _ = writeln!(self.out, "{text}");
        let _ = self.out.flush();
    }
}

/// A time of day in New York.
fn clock(at: Timestamp) -> String {
    DateTime::from_timestamp_millis(at.epoch_ms())
        .map(|at| at.with_timezone(&New_York).format("%a %H:%M").to_string())
        .unwrap_or_default()
}
