//! A second opinion of the lake: what Athena reads from the columns, against what the footers say.

use std::collections::BTreeSet;

use mendlake_domain::minute::Minute;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{PortError, Result};
use mendlake_ports::lake::Lake;
use serde::Serialize;

use super::AthenaCoverage;

/// Where the two differ, both are asked again this often: rows land, and heal, while the query runs.
const MORE_TRIES: usize = 1;

/// What Athena says of a range, beside the footers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Opinion {
    /// The first minute asked for.
    pub from: Minute,
    /// The minute after the last.
    pub to: Minute,
    /// Bytes that Athena read, and charges for.
    pub scanned_bytes: u64,
    /// Symbols of which it says something else than the footers.
    pub differ: Vec<Symbol>,
}

impl AthenaCoverage {
    /// What Athena says of minutes in `[from, to)`, beside what this lake's footers say.
    ///
    /// Fails as [`AthenaCoverage::coverage`] does, or as the lake.
    pub async fn opinion(&self, clock: &impl Clock, lake: &impl Lake, from: Minute, to: Minute) -> Result<Opinion> {
        let mut opinion = Opinion { from, to, scanned_bytes: 0, differ: Vec::new() };
        for _ in 0..=MORE_TRIES {
            let scanned = self.coverage(clock, from, to).await?;
            let footers = lake.coverage(from, to).await;
            let footers =
                footers.map_err(|error| PortError::caused(error.kind, "read the footers beside it", error))?;
            let symbols: BTreeSet<&Symbol> = scanned.coverage.0.keys().chain(footers.0.keys()).collect();
            let differ = |symbol: &&Symbol| scanned.coverage.get(symbol) != footers.get(symbol);
            opinion.scanned_bytes += scanned.bytes;
            opinion.differ = symbols.into_iter().filter(differ).cloned().collect();
            if opinion.differ.is_empty() {
                break;
            }
        }
        Ok(opinion)
    }
}
