//! Alpaca: one-minute bars of the consolidated tape, free of charge but for the last fifteen minutes.

pub mod client;
pub mod keys;
pub mod wire;

pub use client::AlpacaClient;

/// Where Alpaca's market data answers.
pub const BASE_URL: &str = "https://data.alpaca.markets";
