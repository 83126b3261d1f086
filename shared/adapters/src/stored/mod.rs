//! What every lake has in common, whatever it stands on: names, orders, and the stored forms that are not Parquet.

pub mod control;
pub mod damaged;
pub mod digest;
pub mod index;
pub mod listing;
pub mod marker;
pub mod name;
pub mod quotes;
pub mod set_aside;
pub mod statuses;
