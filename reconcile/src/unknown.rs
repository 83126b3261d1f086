//! Unknown symbols: three sessions without a quote or a candle, and no directory lists them.

use std::collections::BTreeMap;

use mendlake_domain::calendar::Session;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::gap::{Evidence, Gap, Unrecoverable, Verdict};
use mendlake_domain::minute::Timestamp;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::control::{self, Log};
use mendlake_ports::error::Result;
use mendlake_ports::gaps::{Gaps, Write};
use mendlake_ports::lake::Lake;
use mendlake_ports::place::Place;
use mendlake_ports::source::MarketFacts;

use crate::context::Context;
use crate::reconcile::out_of_range;

/// How many sessions in a row must be empty.
const SESSIONS: usize = 3;

/// Gives up the last session of every watched symbol that has been empty for three, where the directory does not list
/// it; gives the symbols that were not known to be unknown before.
pub(crate) async fn give_up(place: &impl Place, context: &Context, now: Timestamp) -> Result<Vec<Symbol>> {
    let today = context.schedule.calendar.day_of(now.minute());
    let sessions = context.schedule.sessions_before(today, SESSIONS);
    if sessions.len() < SESSIONS || sessions[0].close.start() > now {
        return Ok(Vec::new());
    }
    let mut items: BTreeMap<Symbol, Vec<Gap>> = BTreeMap::new();
    for session in &sessions {
        let coverage = place.lake().coverage(session.open, session.close).await?;
        for item in place.ledger().of_session(session.on).await? {
            if read_empty(&item.gap) && coverage.present(&item.gap.symbol).is_empty() {
                items.entry(item.gap.symbol.clone()).or_default().push(item.gap);
            }
        }
    }
    let mut found = Vec::new();
    for (symbol, gaps) in items.into_iter().filter(|(_, gaps)| gaps.len() == SESSIONS) {
        let told = |gap: &Gap| gap.unrecoverable.contains_key(&Unrecoverable::UnknownSymbol);
        if told(&gaps[0]) || !matches!(place.facts().lists(&symbol).await.outcome, Ok(false)) {
            continue;
        }
        let known_before = gaps.iter().any(told);
        record(place, context, &sessions[0], &gaps[0], now).await?;
        found.extend((!known_before).then_some(symbol));
    }
    Ok(found)
}

/// Whether candles were asked for after the fact, and there were none.
fn read_empty(gap: &Gap) -> bool {
    !gap.reads.is_empty() && gap.reads.iter().all(|read: &Evidence| read.candles.is_empty())
}

async fn record(place: &impl Place, context: &Context, session: &Session, gap: &Gap, now: Timestamp) -> Result<()> {
    let calendar_close =
        context.schedule.session_on(session.on).map_err(out_of_range)?.map_or(session.close, |s| s.close);
    let minutes: MinuteSet = context.expected(session, &gap.symbol, calendar_close);
    let verdict = Verdict {
        v: 1,
        on: session.on,
        symbol: gap.symbol.clone(),
        minutes: minutes.clone(),
        reason: Unrecoverable::UnknownSymbol,
        who: "reconcile".into(),
        decided_at: now,
        evidence: gap.reads.clone(),
    };
    control::append(place.lake(), Log::Verdicts, &verdict).await?;
    if let Some(mut item) = place.ledger().gap(session.on, &gap.symbol).await? {
        item.gap.unrecoverable.clear();
        item.gap.give_up(Unrecoverable::UnknownSymbol, &minutes);
        // A conflict is no loss: the next run copies the verdict from the lake.
        let _: Write = place.ledger().write(&item.gap, item.version).await?;
    }
    Ok(())
}
