//! Adapters on SQLite: queues, stream and ledger of one machine, in one database file or in several.

mod budget;
pub mod database;
mod error;
mod expectations;
mod gaps;
pub mod ledger;
pub mod queue;
pub mod stream;

#[cfg(test)]
mod alike;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod golden;
