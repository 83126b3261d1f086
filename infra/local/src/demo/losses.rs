//! What was lost where: why each expected symbol-minute has no live row.

use std::collections::{BTreeMap, BTreeSet};

use mendlake_domain::calendar::Session;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::symbol::Symbol;
use mendlake_ports::error::Result;
use mendlake_ports::expectations::Expectations;
use mendlake_ports::place::Place;

use super::BadDay;
use crate::finnhub::{Call, Calls, Endpoint, Provider};
use crate::market::Market;

/// Counts lost symbol-minutes by cause: from the ledger's expectations, from what the vendor saw, and from what traded.
pub(super) async fn by_cause(
    place: &impl Place,
    market: &Market,
    calls: &Calls,
    session: &Session,
    lost: &BTreeSet<(Symbol, Minute)>,
) -> Result<BTreeMap<String, usize>> {
    let expected = place.ledger().expectations(session.open, session.close).await?;
    let requested: BTreeSet<Minute> = expected.into_iter().map(|expectation| expectation.minute).collect();
    let dark = BadDay::of(session).dark();
    let mut answers: BTreeMap<(&str, Minute), &Call> = BTreeMap::new();
    for call in calls.iter().filter(|c| c.provider == Provider::Finnhub && c.endpoint == Endpoint::Quote) {
        if let Some(symbol) = call.symbol.as_deref() {
            answers.insert((symbol, call.at.minute()), call);
        }
    }
    let mut causes: BTreeMap<String, usize> = BTreeMap::new();
    for (symbol, minute) in lost {
        let cause = match answers.get(&(symbol.as_str(), *minute)) {
            _ if !requested.contains(minute) => unrequested(&dark, *minute),
            None => "never asked",
            Some(call) => answered(market, session, symbol, call),
        };
        *causes.entry(cause.to_owned()).or_default() += 1;
    }
    Ok(causes)
}

/// A minute of which nothing was expected in time: nobody ticked, or what the tick did could not be kept.
fn unrequested(dark: &[(Timestamp, Timestamp)], minute: Minute) -> &'static str {
    let is_dark = dark.iter().any(|(from, to)| (from.minute()..=to.minute()).contains(&minute));
    if is_dark { "scheduler dark" } else { "request not kept" }
}

fn answered(market: &Market, session: &Session, symbol: &Symbol, call: &Call) -> &'static str {
    match (call.status, call.fault) {
        (_, Some("down")) => "provider down",
        (_, Some("reset")) => "answer lost on the way",
        (429, _) => "throttled",
        (200, Some(fault)) => fault,
        (200, None) => {
            let standing = market.standing(symbol.as_str(), call.at);
            let traded = standing.is_some_and(|standing| standing.last.traded_at >= session.open.start());
            // A quote from before the open is yesterday's price.
            if traded { "answer not kept" } else { "nothing traded yet" }
        }
        _ => "refused",
    }
}

#[cfg(test)]
mod tests {
    use mendlake_domain::calendar::Calendar;

    use super::*;
    use crate::market::GeneratedMarket;

    fn session() -> Session {
        let on = "2026-11-20".parse().expect("a day");
        Calendar::Xnys.session_on(on).expect("in range").expect("a session")
    }

    #[test]
    fn only_the_minutes_in_which_the_scheduler_was_dead_are_its_fault() {
        let (session, dark) = (session(), BadDay::of(&session()).dark());
        let causes: Vec<&str> = session.minutes().iter().map(|minute| unrequested(&dark, minute)).collect();
        assert_eq!(causes.iter().filter(|cause| **cause == "scheduler dark").count(), 18, "17, and the one it died in");
        assert_eq!([108, 109, 126, 127].map(|minute| causes[minute] == "scheduler dark"), [false, true, true, false]);
        assert_eq!(causes[108], "request not kept");
    }

    #[test]
    fn an_answer_with_a_price_of_today_that_has_no_row_was_not_kept() {
        let (session, market) = (session(), Market::from(GeneratedMarket::new(7, Calendar::Xnys)));
        let symbol: Symbol = "SPY".parse().expect("a symbol");
        let call = |at: Timestamp, status, fault| Call {
            at,
            provider: Provider::Finnhub,
            endpoint: Endpoint::Quote,
            symbol: Some("SPY".into()),
            account: None,
            key_in_url: false,
            status,
            fault,
        };
        let cause = |at, status, fault| answered(&market, &session, &symbol, &call(at, status, fault));
        let noon = session.open.start().plus_s(9_000);
        assert_eq!(cause(noon, 200, None), "answer not kept");
        assert_eq!(cause(session.open.start().plus_s(-1), 200, None), "nothing traded yet");
        assert_eq!(cause(noon, 200, Some("frozen")), "frozen");
        assert_eq!(
            [cause(noon, 502, Some("down")), cause(noon, 429, Some("throttled"))],
            ["provider down", "throttled"]
        );
        assert_eq!(cause(noon, 401, None), "refused");
    }
}
