//! mendlake's ports. One trait a file; its doc comment is its contract, and `contracts` has a test for each sentence.
//!
//! A stage takes the narrowest port it needs, or a [`Place`](place::Place) that bundles them. Methods are `async` in
//! effect and never `dyn`: a configured choice of adapters is an enum.

pub mod budget;
pub mod clock;
#[cfg(feature = "contracts")]
pub mod contracts;
pub mod control;
pub mod error;
pub mod expectations;
pub mod gaps;
pub mod lake;
pub mod landing;
pub mod place;
pub mod queue;
pub mod runs;
pub mod secrets;
pub mod sessions;
pub mod set_aside;
pub mod source;
pub mod source_states;
pub mod stream;

pub use error::{Kind, PortError, Result};
