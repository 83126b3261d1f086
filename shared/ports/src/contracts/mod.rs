//! The contract suites: `fn …(port: &impl Port)`, one check for each sentence of a port's contract.

pub mod control;
pub mod lake;
pub mod sessions;
pub mod set_aside;
