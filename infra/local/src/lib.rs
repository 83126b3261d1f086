//! The same pipeline on one machine: its clocks, its engine, its market, its vendors, its commands.

pub mod clock;
pub mod config;
pub mod engine;
pub mod heat_map;
pub mod market;
pub mod place;
