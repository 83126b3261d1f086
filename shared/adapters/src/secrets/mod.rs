//! Keys of one machine.

mod file;

pub use file::{Exposed, FileSecrets, KeyPlace, MAX_KEY_BYTES};
