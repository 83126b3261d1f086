//! The binary, started as people start it.

mod errors;
mod harness;
mod kill;
mod lake_errors;
mod reports;
mod running;
