//! What stands behind the ports: in memory, on one machine, and the vendors.

pub mod alpaca;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "local")]
pub mod disk;
pub mod faulty;
pub mod finnhub;
pub mod http;
pub mod memory;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod secrets;
pub mod settings;
#[cfg(feature = "local")]
pub mod sqlite;
pub mod stored;
pub mod vendor;
