//! `mendlake`: a minute-quote data lake that heals itself, on one machine.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mendlake::cli::{demo, simulate};
use mendlake_ports::error::chain;

/// A minute-quote data lake that heals itself.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Simulate(simulate::Args),
}

#[expect(clippy::print_stderr, reason = "the last word of a failed command is for a person")]
fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo(args) => demo::run(args, true).map_err(|error| error.chain()),
        Command::Simulate(args) => tokio::runtime::Runtime::new()
            .map_err(|error| error.to_string())
            .and_then(|runtime| runtime.block_on(simulate::run(args)).map_err(|error| chain(&error)))
            .map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}
