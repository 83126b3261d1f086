//! Session statuses: written where they changed, once a session is over.

use std::collections::{BTreeMap, BTreeSet};

use mendlake_domain::calendar::Session;
use mendlake_domain::coverage::{Held, MinuteSet};
use mendlake_domain::minute::Timestamp;
use mendlake_domain::plan::Outcome;
use mendlake_domain::quote::StoredRow;
use mendlake_domain::settings::Settings;
use mendlake_domain::status::{Seen, SessionStatus};
use mendlake_domain::symbol::Symbol;
use mendlake_ports::error::Result;
use mendlake_ports::lake::Lake;
use mendlake_ports::place::Place;
use mendlake_ports::sessions::Sessions;

use crate::context::Context;
use crate::reconcile::out_of_range;

/// Writes the statuses of a session that is over, where they differ from what the lake says; gives how many.
pub(crate) async fn write(
    place: &impl Place,
    settings: &Settings,
    context: &Context,
    calendar_session: &Session,
    now: Timestamp,
    decided: &BTreeMap<Symbol, (Held, Outcome)>,
) -> Result<usize> {
    let on = calendar_session.on;
    let session = context.schedule.session_on(on).map_err(out_of_range)?;
    let session = session.unwrap_or(Session { close: calendar_session.open, ..*calendar_session });
    if settings.horizon(now) < session.close {
        return Ok(0);
    }
    let told: BTreeMap<Symbol, SessionStatus> =
        place.lake().current(on, on).await?.into_iter().map(|status| (status.symbol.clone(), status)).collect();
    let mut changed: BTreeMap<Symbol, SessionStatus> = BTreeMap::new();
    for (symbol, (held, outcome)) in decided {
        let before = told.get(symbol);
        let expected = context.expected(&session, symbol, session.close);
        if expected.is_empty() && before.is_none() {
            continue;
        }
        let status = outline(context, &session, symbol, held, outcome, &expected, now);
        if before.is_none_or(|before| !before.says_the_same(&carry(&status, before))) {
            changed.insert(symbol.clone(), status);
        }
    }
    if changed.is_empty() {
        return Ok(0);
    }
    let symbols: BTreeSet<Symbol> = changed.keys().cloned().collect();
    let rows = place.lake().rows(&symbols, calendar_session.open, calendar_session.close).await?;
    let mut current: BTreeMap<Symbol, Vec<StoredRow>> = BTreeMap::new();
    for stored in StoredRow::current(rows) {
        current.entry(stored.row.symbol.clone()).or_default().push(stored);
    }
    let statuses: Vec<SessionStatus> = changed
        .into_iter()
        .map(|(symbol, status)| {
            let (_, outcome) = &decided[&symbol];
            let open_suspects = outcome.item.as_ref().map(|item| item.suspect.clone()).unwrap_or_default();
            let expected = context.expected(&session, &symbol, session.close);
            let rows = current.remove(&symbol).unwrap_or_default();
            status.with(&Seen::of(&session, &expected, &open_suspects, &rows))
        })
        .filter(|status| told.get(&status.symbol).is_none_or(|before| !before.says_the_same(status)))
        .collect();
    if !statuses.is_empty() {
        place.lake().append(&statuses).await?;
    }
    Ok(statuses.len())
}

/// The status as footers and ledger tell it; what takes the rows themselves is filled in later.
fn outline(
    context: &Context,
    session: &Session,
    symbol: &Symbol,
    held: &Held,
    outcome: &Outcome,
    expected: &MinuteSet,
    now: Timestamp,
) -> SessionStatus {
    let item = outcome.item.as_ref();
    let upheld = item.map(|item| item.upheld_minutes()).unwrap_or_default();
    let undecided = held.unrevised_suspects().intersection(expected).difference(&upheld);
    let open = item.map(|item| item.open_minutes()).unwrap_or_default();
    let count = |set: &MinuteSet| u32::try_from(set.len()).expect("a session has fewer minutes than u32 has numbers");
    let present = held.present();
    let given_up = context.verdicts(session.on, symbol).into_iter();
    let given_up = given_up.map(|(why, set)| (why, count(&set.intersection(expected).difference(&present))));
    SessionStatus {
        on: session.on,
        symbol: symbol.clone(),
        open: session.open,
        close: session.close,
        expected: count(expected),
        present: SessionStatus::present_by_basis(held, expected),
        longest_quiet_run: None,
        gaps: count(&open),
        unrecoverable: given_up.filter(|(_, n)| *n > 0).collect(),
        oldest_price_age_s: None,
        outside: count(&present.difference(&session.minutes())),
        is_final: open.is_empty() && undecided.is_empty() && !outcome.in_flight,
        as_of: now,
    }
}

/// What an outline cannot tell, from the status told before: then equal outlines compare equal. Where one minute was healed
/// on two bases, footers count otherwise than rows: the rows are then read each time, and settle it.
fn carry(status: &SessionStatus, before: &SessionStatus) -> SessionStatus {
    SessionStatus {
        longest_quiet_run: before.longest_quiet_run,
        oldest_price_age_s: before.oldest_price_age_s,
        ..status.clone()
    }
}
