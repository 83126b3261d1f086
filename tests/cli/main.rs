//! The binary, started as people start it.

mod errors;
mod harness;
mod kill;
mod lake_errors;
mod replays;
mod reports;
mod running;
