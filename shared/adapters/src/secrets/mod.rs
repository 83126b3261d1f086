//! Keys of one machine.

mod file;

pub use file::{Exposed, FileSecrets, KeyPlace, MAX_KEY_BYTES};

#[cfg(feature = "aws")]
pub(crate) use file::version;
