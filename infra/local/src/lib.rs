//! The same pipeline on one machine: its clocks, its engine, its market, its vendors, its commands.

pub mod cli;
pub mod clock;
pub mod engine;
pub mod finnhub;
pub mod market;
pub mod place;
pub mod rehearsal;
