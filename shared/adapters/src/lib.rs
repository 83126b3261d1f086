//! What stands behind the ports: in memory, on one machine, and the vendors.

#[cfg(feature = "local")]
pub mod disk;
pub mod faulty;
pub mod http;
pub mod memory;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod settings;
#[cfg(feature = "local")]
pub mod sqlite;
pub mod stored;
