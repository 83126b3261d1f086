//! The ingest side: `request` says what is about to be sampled, `collect` samples it, `land` brings it to the lake.
//!
//! A stage is a library function over ports. It returns a report, from which the Lambda's answer, the one summary line
//! in the log and the metrics are derived.

pub mod collect;
pub mod land;
pub mod request;

pub use collect::{CollectReport, collect};
pub use land::{LandReport, RelandReport, land};
pub use request::{RequestReport, request};
