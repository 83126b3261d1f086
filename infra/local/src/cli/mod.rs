//! The command line, one file a subcommand.

pub mod calendar;
pub mod coverage;
pub mod demo;
pub mod doctor;
pub mod gaps;
mod output;
pub mod reconcile;
pub mod replay;
pub mod run;
pub mod simulate;
pub mod verify;
pub mod watch;

use std::future::Future;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mendlake_ports::error::{Kind, PortError, chain};

use crate::config::{Config, ConfigArgs, ConfigError, Environment, WatchArgs};
use crate::log;

pub use output::Table;

/// A minute-quote data lake that heals itself.
///
/// For every minute of every trading session it samples each watched symbol, carries the sample into Parquet, and keeps at
/// it until every expected symbol-minute is in the lake, open with its reason, or given up with its reason.
///
/// Begin with `mendlake demo`. Then: FINNHUB_TOKEN=… mendlake run --symbols AAPL,MSFT
#[derive(Parser)]
#[command(version, about, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, and whole where that was asked; 1 failed; 2 the command or the configuration \
                          is wrong; 3 not whole: gaps are open, or something was found; 4 not possible now, such as while \
                          another process holds the lake, or while AWS cannot be reached.";

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Run(run::Args),
    Gaps(gaps::Args),
    Coverage(coverage::Args),
    Reconcile(reconcile::Args),
    Replay(replay::Args),
    Verify(verify::Args),
    Watch(watch::Args),
    Calendar(calendar::Args),
    Doctor(doctor::Args),
    Simulate(simulate::Args),
}

/// How a command ends, where it does not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Done, and whole where that was asked.
    Done,
    /// Gaps are open, or something was found.
    NotWhole,
}

impl Ending {
    /// Whole or not.
    pub fn whole(whole: bool) -> Self {
        if whole { Self::Done } else { Self::NotWhole }
    }
}

/// Why a command failed, and the exit code that says so.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// It failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }

    /// The command is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }

    /// Not possible now.
    pub fn not_now(message: impl Into<String>) -> Self {
        Self { code: 4, message: message.into() }
    }
}

impl Failure {
    /// The same, after some parts of the work were done.
    fn after(self, parts: usize, all: usize) -> Self {
        let message = match parts {
            0 if all <= 1 => self.message,
            _ if parts == all => format!("{}; the work itself is done, all {all} parts of it", self.message),
            _ => format!("{}; {parts} of {all} parts are done, run this again for the others", self.message),
        };
        Self { message, ..self }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(chain(&error))
    }
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        if error.is_no_answer() {
            return Self::not_now(error.chain());
        }
        match error.kind {
            Kind::Rejected => Self::usage(error.chain()),
            Kind::Denied | Kind::Throttled => Self::not_now(error.chain()),
            Kind::Unavailable | Kind::Corrupt => Self::failed(error.chain()),
        }
    }
}

/// What a command gives.
pub type Outcome = Result<Ending, Failure>;

impl Cli {
    /// Runs the command; prints why it failed where it did.
    pub fn main(self) -> ExitCode {
        let outcome = match self.command {
            Command::Demo(args) => {
                demo::run(args, !Environment::read().no_color()).map(Ending::whole).map_err(Failure::from)
            }
            Command::Run(args) => on_threads(run::run(args)),
            Command::Gaps(args) => here(gaps::run(args)),
            Command::Coverage(args) => here(coverage::run(args)),
            Command::Reconcile(args) => on_threads(reconcile::run(args)),
            Command::Replay(args) => on_threads(replay::run(args)),
            Command::Verify(args) => on_threads(verify::run(args)),
            Command::Watch(args) => here(watch::run(args)),
            Command::Calendar(args) => here(calendar::run(args)),
            Command::Doctor(args) => here(doctor::run(args)),
            Command::Simulate(args) => on_threads(simulate::run(args)),
        };
        match outcome {
            Ok(Ending::Done) => ExitCode::SUCCESS,
            Ok(Ending::NotWhole) => ExitCode::from(3),
            Err(failure) => {
                output::complain(&failure.message);
                ExitCode::from(failure.code)
            }
        }
    }
}

/// Resolves the configuration and begins the log.
fn begin(args: &ConfigArgs, watch: &WatchArgs) -> Result<Config, Failure> {
    let config = Config::load(args, watch)?;
    log::begin(&config, colour());
    Ok(config)
}

/// Whether colour is welcome, where a terminal shows it.
fn colour() -> bool {
    !Environment::read().no_color()
}

/// Runs on several threads: file I/O is inline, and one thread would stand still meanwhile.
fn on_threads(work: impl Future<Output = Outcome>) -> Outcome {
    runtime(tokio::runtime::Builder::new_multi_thread(), work)
}

/// Runs on this thread: a command that does one thing after the other.
fn here(work: impl Future<Output = Outcome>) -> Outcome {
    runtime(tokio::runtime::Builder::new_current_thread(), work)
}

fn runtime(mut builder: tokio::runtime::Builder, work: impl Future<Output = Outcome>) -> Outcome {
    let built = builder.enable_all().build();
    built.map_err(|error| Failure::failed(format!("start the runtime: {error}")))?.block_on(work)
}

#[cfg(test)]
mod tests {
    use mendlake_ports::error::NoAnswer;

    use super::*;

    #[test]
    fn a_service_that_cannot_be_reached_is_not_possible_now_and_another_failure_is_one() {
        let code = |error: PortError| Failure::from(error).code;
        assert_eq!(code(PortError::caused(Kind::Unavailable, "read `x`", NoAnswer("nobody".into()))), 4);
        assert_eq!(code(PortError::new(Kind::Unavailable, "invoke `f`: it was stopped")), 1);
        assert_eq!(code(PortError::new(Kind::Corrupt, "read `x`")), 1);
        assert_eq!(code(PortError::new(Kind::Denied, "read `x`")), 4);
    }

    #[test]
    fn a_failure_says_how_many_parts_are_done() {
        let after = |parts, all| Failure::not_now("no answer").after(parts, all).message;
        assert_eq!(after(0, 1), "no answer");
        assert!(after(0, 3).contains("0 of 3 parts are done"));
        assert!(after(2, 3).contains("2 of 3 parts are done, run this again for the others"));
        assert!(after(3, 3).contains("all 3 parts of it"));
    }
}
