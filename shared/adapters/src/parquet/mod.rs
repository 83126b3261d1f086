//! The Parquet form of both tables, shared by every lake.
//!
//! `quotes` and `sessions` turn rows into the bytes of one object and back; `footer` reads what an object's footer says
//! from its last bytes alone; `object` is what both tables' objects have in common: how they are written, their version,
//! and the checksums that tell a broken one.

pub mod footer;
mod object;
pub mod quotes;
pub mod sessions;

pub use object::VERSION;
