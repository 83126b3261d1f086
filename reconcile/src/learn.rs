//! Learning closures and early closes from a vendor, once a day.

use mendlake_domain::minute::Timestamp;
use mendlake_domain::overlay::{Change, Contradiction, Entry, contradiction};
use mendlake_domain::settings::Settings;
use mendlake_ports::control::{self, Control, Log};
use mendlake_ports::error::Result;
use mendlake_ports::lake::Lake;
use mendlake_ports::place::Place;
use mendlake_ports::source::{Holiday, MarketFacts};
use serde::{Deserialize, Serialize};

use crate::context::Context;

/// How far back a vendor's holidays are looked at: further back, the rows that would contradict them are settled.
const BACK_DAYS: i64 = 30;

/// The source of entries that people make: a vendor never overrules them.
pub const MANUAL: &str = "manual";

/// What was learnt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearnReport {
    /// Days that got an overlay entry.
    pub entries: usize,
    /// Entries that were not made because something contradicts them: a person must look.
    pub contradictions: Vec<String>,
    /// Why the vendor gave no answer, where it gave none.
    pub unanswered: Option<String>,
}

/// Asks the vendor for its holidays and appends what the calendar does not know.
pub(crate) async fn holidays(place: &impl Place, settings: &Settings, now: Timestamp) -> Result<LearnReport> {
    let mut report = LearnReport::default();
    let holidays = match place.facts().holidays().await.outcome {
        Ok(holidays) => holidays,
        Err(error) => {
            report.unanswered = Some(error.class().to_owned());
            return Ok(report);
        }
    };
    let context = Context::load(place.lake(), settings).await?;
    let (first, last) = settings.calendar.range();
    let since = now.plus_s(-BACK_DAYS * 86_400).date();
    for holiday in holidays.into_iter().filter(|h| h.on >= since.max(first) && h.on <= last) {
        if let Some(entry) = news(&context, place.facts().name().as_str(), &holiday, now) {
            match objection(place.lake(), &context, &entry).await? {
                Some(contradiction) => report.contradictions.push(contradiction.to_string()),
                None => {
                    control::append(place.lake(), Log::Overlay, &entry).await?;
                    report.entries += 1;
                }
            }
        }
    }
    Ok(report)
}

/// Enters by hand what a person knows of a day; gives the entry's number, or what contradicts it. Then nothing is entered.
pub async fn enter(
    lake: &(impl Lake + Control),
    settings: &Settings,
    entry: &Entry,
) -> Result<std::result::Result<usize, Contradiction>> {
    let context = Context::load(lake, settings).await?;
    match objection(lake, &context, entry).await? {
        Some(contradiction) => Ok(Err(contradiction)),
        None => Ok(Ok(control::append(lake, Log::Overlay, entry).await?)),
    }
}

/// The entry a holiday asks for, where the calendar with its overlay does not already say so.
fn news(context: &Context, source: &str, holiday: &Holiday, now: Timestamp) -> Option<Entry> {
    let known = context.schedule.session_on(holiday.on).ok()?;
    let said = match holiday.change {
        Change::Closed => None,
        Change::ClosesAt { close } => Some(close),
        Change::Withdrawn => return None,
    };
    let by_hand = context.schedule.overlay.entry(holiday.on).is_some_and(|entry| entry.source == MANUAL);
    if known.map(|session| session.close) == said || by_hand {
        return None;
    }
    Some(Entry {
        v: 1,
        on: holiday.on,
        change: holiday.change,
        source: source.to_owned(),
        who: "reconcile".into(),
        why: holiday.name.clone(),
        learned_at: now,
    })
}

async fn objection(lake: &impl Lake, context: &Context, entry: &Entry) -> Result<Option<Contradiction>> {
    let calendar = context.schedule.calendar;
    let session = calendar.session_on(entry.on).map_err(crate::reconcile::out_of_range)?;
    let rows = match session {
        Some(session) if session.open.start() < entry.learned_at => {
            lake.rows(&context.watchlist.ever(), session.open, session.close).await?
        }
        _ => Vec::new(),
    };
    contradiction(calendar, entry, rows.iter().map(|stored| &stored.row)).map_err(crate::reconcile::out_of_range)
}
