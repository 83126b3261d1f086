//! Adapters in memory: real ones, on which the simulation stands.

pub mod lake;
