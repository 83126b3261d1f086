//! The repair side: `reconcile` compares what should exist with the lake and plans; `replay` fetches what is missing and
//! puts it into the same stream.
//!
//! Both are level-triggered: they take a window or a range, derive everything anew, and are harmless when run twice, two
//! at once, or killed anywhere.

mod calls;
mod context;
mod heal;
mod learn;
mod market;
mod statuses;
mod unknown;

pub mod reconcile;
pub mod replay;

pub use learn::LearnReport;
pub use reconcile::{ReconcileReport, Window, reconcile};
pub use replay::{Patience, ReplayReport, replay};
