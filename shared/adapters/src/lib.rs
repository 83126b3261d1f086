//! What stands behind the ports: in memory, on one machine, and the vendors.

pub mod faulty;
pub mod http;
pub mod memory;
pub mod settings;
#[cfg(feature = "local")]
pub mod sqlite;
pub mod stored;
