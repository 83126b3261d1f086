//! The same pipeline on one machine: its clocks, its market, its vendors, its commands.

pub mod clock;
pub mod market;
