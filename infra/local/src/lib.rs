//! The same pipeline on one machine: its clocks, its market, its vendors, its commands.

pub mod cli;
pub mod clock;
pub mod finnhub;
pub mod market;
