//! `reconcile`: a schedule, or a person, names a window.

use mendlake_domain::settings::Settings;
use mendlake_ports::error::Result;
use mendlake_ports::place::Place;
use mendlake_reconcile::{ReconcileReport, Window, reconcile};
use serde::Deserialize;
use serde_json::Value;

use super::read;

/// What is to be reconciled.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The window that ends now.
    window: Window,
}

/// Reconciles a window that ends now: `{"window":"near"}`, `"hourly"` or `"morning"`. Running out of time anywhere is
/// harmless: the next run begins anew.
pub async fn handle(place: &impl Place, settings: &Settings, payload: Value) -> Result<ReconcileReport> {
    reconcile(place, settings, wanted(payload)?.window).await
}

pub(super) fn wanted(payload: Value) -> Result<Wanted> {
    read("what to reconcile, `{\"window\":\"near\"}`", payload)
}
