//! What was lost where: why each expected symbol-minute has no live row.

use std::collections::{BTreeMap, BTreeSet};

use mendlake_domain::calendar::Session;
use mendlake_domain::minute::Minute;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::error::Result;
use mendlake_ports::expectations::Expectations;
use mendlake_ports::place::Place;

use crate::finnhub::{Calls, Endpoint, Provider};

/// Counts lost symbol-minutes by cause: from the ledger's expectations and from what the vendor saw.
pub(super) async fn by_cause(
    place: &impl Place,
    calls: &Calls,
    session: &Session,
    lost: &BTreeSet<(Symbol, Minute)>,
) -> Result<BTreeMap<String, usize>> {
    let expected = place.ledger().expectations(session.open, session.close).await?;
    let requested: BTreeSet<Minute> = expected.into_iter().map(|expectation| expectation.minute).collect();
    let mut answers: BTreeMap<(&str, Minute), (u16, Option<&'static str>)> = BTreeMap::new();
    for call in calls.iter().filter(|c| c.provider == Provider::Finnhub && c.endpoint == Endpoint::Quote) {
        if let Some(symbol) = call.symbol.as_deref() {
            answers.insert((symbol, call.at.minute()), (call.status, call.fault));
        }
    }
    let mut causes: BTreeMap<String, usize> = BTreeMap::new();
    for (symbol, minute) in lost {
        let cause = match answers.get(&(symbol.as_str(), *minute)) {
            _ if !requested.contains(minute) => "scheduler dark",
            None => "never asked",
            Some((_, Some("down"))) => "provider down",
            Some((_, Some("reset"))) => "answer lost on the way",
            Some((429, _)) => "throttled",
            // A quote from before the open is yesterday's price.
            Some((200, None)) => "nothing traded yet",
            Some((200, Some(fault))) => fault,
            Some(_) => "refused",
        };
        *causes.entry(cause.to_owned()).or_default() += 1;
    }
    Ok(causes)
}
