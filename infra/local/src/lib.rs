//! The same pipeline on one machine: its clocks, its engine, its market, its vendors, its commands.

pub mod alarm;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod engine;
pub mod finnhub;
pub mod heat_map;
pub mod lock;
pub mod log;
pub mod look;
pub mod market;
pub mod open;
pub mod place;
pub mod rebuild;
pub mod rehearsal;
pub mod repair;
pub mod stack;
pub mod supervise;
pub mod times;
pub mod watching;
