//! mendlake on AWS: the stages as Lambda functions.
//!
//! A function's main builds everything once, checks it, and hands each event to a handler of this library. A handler is
//! a stage with an event around it: it reads the event, watches the deadline, and says what is left. With feature `stack`,
//! `stack` is what a person's command line needs to find all of it again.

pub mod clock;
pub mod config;
pub mod event;
pub mod handlers;
pub mod metrics;
pub mod place;
#[cfg(feature = "stack")]
pub mod stack;
pub mod start;
