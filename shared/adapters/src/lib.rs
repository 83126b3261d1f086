//! What stands behind the ports: in memory, on one machine, and the vendors.

pub mod alpaca;
pub mod finnhub;
pub mod http;
pub mod secrets;
pub mod vendor;
