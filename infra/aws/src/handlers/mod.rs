//! A stage with an event around it.

pub mod collect;
pub mod land;
#[cfg(test)]
mod payloads;
pub mod reconcile;
pub mod replay;
pub mod request;

use mendlake_domain::minute::Timestamp;
use mendlake_ports::error::{Kind, PortError};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Kept from a function's time for handing back what is left, and for the answer.
pub(crate) const KEPT_MS: i64 = 2_000;

/// When a handler hands back what is left: before the function is stopped.
pub(crate) fn hand_back_at(deadline: Timestamp) -> Timestamp {
    deadline.plus_ms(-KEPT_MS)
}

/// Reads a payload; the error names the field.
pub(crate) fn read<T: DeserializeOwned>(what: &str, payload: Value) -> Result<T, PortError> {
    serde_path_to_error::deserialize(payload).map_err(|error| {
        let field = error.path().to_string();
        let doing = match field.as_str() {
            // The payload as a whole: its error names what is missing.
            "." => format!("read {what}"),
            _ => format!("read {what}: field `{field}`"),
        };
        PortError::caused(Kind::Rejected, doing, error.into_inner())
    })
}
