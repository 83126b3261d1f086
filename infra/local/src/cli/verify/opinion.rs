//! A second opinion of a stack's lake: what Athena reads from the columns, through the table that people query, against what
//! the footers say.

use chrono::{Days, NaiveDate, NaiveTime};
use mendlake_adapters::stored::listing::StoredObject;
use mendlake_domain::calendar::Calendar;
use mendlake_domain::minute::Minute;
use mendlake_ports::clock::Clock;
use serde::Serialize;

use super::Verified;
use crate::cli::Failure;
use crate::look::Look;
use crate::stack::StackLook;

/// Where the two differ, both are asked again this often: rows land, and heal, while the query runs.
const MORE_TRIES: usize = 1;

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

/// What was verified, with Athena's opinion unless that is unwanted.
pub(super) async fn joined(
    (verified, objects): (Verified, Vec<StoredObject>),
    stack: &StackLook,
    without: bool,
) -> Result<Verified, Failure> {
    let horizon = stack.settings().horizon(stack.clock().now());
    let Some((from, to)) = range(&objects, horizon).filter(|_| !without) else { return Ok(verified) };
    let (mut scanned_bytes, mut differ) = stack.disagreements(from, to).await?;
    for _ in 0..MORE_TRIES {
        if !differ.is_empty() {
            let (bytes, again) = stack.disagreements(from, to).await?;
            (scanned_bytes, differ) = (scanned_bytes + bytes, again);
        }
    }
    let sound = verified.sound && differ.is_empty();
    Ok(Verified { athena: Some(Opinion { from, to, scanned_bytes, differ }), sound, ..verified })
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
    use super::*;

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
