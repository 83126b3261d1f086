//! What mendlake's data means. Pure: no I/O, no clock, no async, no environment.
//!
//! Everything here is decided from its arguments; the stages in `ingest` and `reconcile` act on what it decides.

pub mod calendar;
pub mod candle;
#[cfg(test)]
mod case;
pub mod coverage;
pub mod digest;
pub mod frozen;
pub mod gap;
pub mod law;
pub mod minute;
pub mod overlay;
pub mod plan;
pub mod price;
pub mod quiet;
pub mod quote;
pub mod record;
pub mod settings;
pub mod status;
pub mod symbol;
pub mod task;
pub mod watchlist;
