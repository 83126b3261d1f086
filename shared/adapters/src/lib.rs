//! What stands behind the ports: in memory, on one machine, and the vendors.

pub mod faulty;
pub mod http;
