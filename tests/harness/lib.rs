//! The simulation's harness: the pipeline's own stages, on one thread, in a world that a seed decides.
//!
//! No socket, file, timer or thread: a [`world::World`] runs the stages as tasks of an [`executor::Executor`], lets time
//! pass on a clock moved by hand, breaks what the seed says, and has the laws audited throughout.

mod agenda;
pub mod audit;
pub mod broken;
mod cast;
pub mod dice;
mod ending;
pub mod executor;
pub mod faults;

mod judge;
mod level;
mod mishaps;
pub mod model;
pub mod place;
pub mod script;
pub mod served;
pub mod source;
#[cfg(test)]
mod stages;
mod state;
pub mod stream;
pub mod trace;
pub mod transport;
pub mod truth;
pub mod work;
mod workers;
pub mod world;
