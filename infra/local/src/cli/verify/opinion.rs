//! A second opinion of a stack's lake: what Athena reads from the columns, through the table that people query, against what
//! the footers say.

use chrono::{Days, NaiveDate, NaiveTime};
use mendlake_adapters::stored::listing::StoredObject;
use mendlake_domain::calendar::Calendar;
use mendlake_domain::minute::Minute;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::PortError;
use serde::Serialize;

use super::Verified;
use crate::look::Look;
use crate::stack::StackLook;

/// What Athena says.
#[derive(Debug, Serialize)]
pub(super) struct Opinion {
    /// The first minute asked for.
    from: Minute,
    /// The minute after the last: later ones have not settled.
    to: Minute,
    /// Bytes that Athena read, and charges for.
    scanned_bytes: u64,
    /// Symbols of which it says something else than the footers.
    differ: Vec<String>,
}

impl Opinion {
    pub(super) fn text(&self) -> String {
        let Self { from, to, scanned_bytes, differ } = self;
        let says = match differ.len() {
            0 => "says what the footers say".to_owned(),
            count => format!("differs from the footers in {count} symbols: {}", differ.join(" ")),
        };
        let advice =
            if differ.is_empty() { "" } else { "  is the table in Glue still the stack's? deploy the stack again\n" };
        format!("Athena {says}, of minutes {from} to {to} ({:.1} MB read)\n{advice}", *scanned_bytes as f64 / 1e6)
    }
}

/// What was verified, with Athena's opinion unless that is unwanted, or with why there is none.
pub(super) async fn joined(
    (verified, objects): (Verified, Vec<StoredObject>),
    stack: &StackLook,
    without: bool,
) -> Verified {
    let horizon = stack.settings().horizon(stack.clock().now());
    match range(&objects, horizon).filter(|_| !without) {
        None => verified,
        Some((from, to)) => with(verified, asked(stack, from, to).await),
    }
}

async fn asked(stack: &StackLook, from: Minute, to: Minute) -> Result<Opinion, PortError> {
    let (scanned_bytes, differ) = stack.disagreements(from, to).await?;
    Ok(Opinion { from, to, scanned_bytes, differ })
}

/// Whatever becomes of the second opinion, the first one stays. A lake whose second opinion is missing is not found sound: it
/// was asked for.
fn with(verified: Verified, opinion: Result<Opinion, PortError>) -> Verified {
    match opinion {
        Ok(opinion) => {
            let sound = verified.sound && opinion.differ.is_empty();
            Verified { athena: Some(opinion), sound, ..verified }
        }
        Err(error) => {
            // Athena's own words may be several lines.
            let why = error.chain().split_whitespace().collect::<Vec<_>>().join(" ");
            Verified { athena_unasked: Some(why), sound: false, ..verified }
        }
    }
}

/// The settled minutes of the dates that have objects; `None` where there are none.
fn range(objects: &[StoredObject], horizon: Minute) -> Option<(Minute, Minute)> {
    let midnight = |on: NaiveDate| Calendar::Always.at_wall_time(on, NaiveTime::MIN);
    let from = midnight(objects.iter().map(|object| object.dt).min()?);
    let last = objects.iter().map(|object| object.dt).max()?;
    let to = midnight(last.checked_add_days(Days::new(1))?).min(horizon);
    (from < to).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use mendlake_ports::error::Kind;
    use mendlake_reconcile::AuditReport;

    use super::super::text;
    use super::*;

    #[test]
    fn where_athena_cannot_be_asked_the_findings_stay_and_the_lake_is_not_sound() {
        let found = Verified {
            objects: 2,
            rows_in_objects: 9,
            corrupt: vec!["dt=2026-11-20: read `x`: cut off".into()],
            foreign: Vec::new(),
            audit: AuditReport::default(),
            ledger: true,
            parked: 0,
            quarantined: 0,
            dead_letters: 0,
            athena: None,
            athena_unasked: None,
            sound: true,
            mends: "",
            lands: "",
        };
        let error = PortError::caused(Kind::Rejected, "ask Athena", "HIVE_BAD_DATA:\n bad");
        let verified = with(found, Err(error));
        assert!(!verified.sound);
        let (told, json) = (text(&verified), serde_json::to_value(&verified).expect("JSON"));
        for part in ["read `x`: cut off", "Athena could not be asked: ask Athena: HIVE_BAD_DATA: bad\n", "not sound"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert_eq!(json["athena_unasked"], "ask Athena: HIVE_BAD_DATA: bad");
        assert!(json.get("athena").is_none() && json["sound"] == false, "{json}");
    }

    #[test]
    fn settled_minutes_of_the_dates_there_are_are_asked_for() {
        let object = |dt: &str| StoredObject { dt: dt.parse().expect("a date"), name: "x".into() };
        let minute = |text: &str| text.parse::<Minute>().expect("a minute");
        let objects = [object("2026-11-20"), object("2026-11-18")];
        let at = |horizon| range(&objects, minute(horizon));
        let from = minute("2026-11-18T00:00:00Z");
        assert_eq!(at("2026-11-20T15:00:00Z"), Some((from, minute("2026-11-20T15:00:00Z"))));
        assert_eq!(at("2026-11-25T15:00:00Z"), Some((from, minute("2026-11-21T00:00:00Z"))));
        assert_eq!(at("2026-11-17T15:00:00Z"), None);
        assert_eq!(range(&[], from), None);
    }
}
