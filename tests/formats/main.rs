//! The stored forms: golden samples stay readable, and other tools read what the local reader reads.

mod golden;
mod readers;
mod sample;
