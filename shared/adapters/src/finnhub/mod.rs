//! Finnhub: quotes, one-minute candles (on paid plans), holidays, and the directory of US symbols.

pub mod client;
pub mod wire;

pub use client::FinnhubClient;

/// Where Finnhub answers.
pub const BASE_URL: &str = "https://finnhub.io";
