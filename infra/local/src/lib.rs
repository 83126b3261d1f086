//! mendlake on one machine.

pub mod engine;
