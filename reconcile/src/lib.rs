//! The repair side: `reconcile` compares what should exist with the lake and plans; `replay` fetches what is missing and
//! puts it into the same stream.
//!
//! Both are level-triggered: they take a window or a range, derive everything anew, and are harmless when run twice, two
//! at once, or killed anywhere.

pub mod audit;
mod calls;
mod context;
mod heal;
mod learn;
pub mod listing;
mod market;
pub mod pricing;
pub mod probe;
mod statuses;
mod unknown;

pub mod reconcile;
pub mod replay;

pub use audit::{AuditReport, audit};
pub use calls::CANDLE_ENDPOINT;
pub use learn::{LearnReport, MANUAL, enter};
pub use listing::{OpenRun, open_runs};
pub use pricing::{Asks, Barred, Price, price};
pub use probe::{Entitlement, Probe, probe, probe_source};
pub use reconcile::{ReconcileReport, Window, reconcile};
pub use replay::{MOST_CALLS, Patience, ReplayReport, replay};
