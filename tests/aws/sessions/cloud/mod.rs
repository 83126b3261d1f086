//! AWS around the library's handlers: schedules, event sources and functions, in virtual time.

pub(crate) mod function;
pub(crate) mod queue_source;
pub(crate) mod resources;
pub(crate) mod schedule;
pub(crate) mod stream_source;
pub(crate) mod template;
pub(crate) mod told;
pub(crate) mod world;

pub(crate) use function::Stage;
pub(crate) use stream_source::StreamFlaw;
pub(crate) use told::Told;
pub(crate) use world::World;
