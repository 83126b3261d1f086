//! `mendlake`: a minute-quote data lake that heals itself, on one machine.

use std::process::ExitCode;

use clap::Parser;
use mendlake::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().main()
}
