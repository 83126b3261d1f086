//! Changing the watchlist, whoever asks for it.

use std::collections::BTreeSet;

use mendlake_adapters::finnhub::client::NAME;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::settings::Settings;
use mendlake_domain::symbol::Symbol;
use mendlake_domain::watchlist::{Edit, Version, Watchlist};
use mendlake_ingest::request::QUOTE_ENDPOINT;
use mendlake_ports::clock::{self, Clock};
use mendlake_ports::control::{self, Control, Log};
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::place::Place;
use mendlake_ports::source::QuoteSource;
use mendlake_ports::source_states::SourceStates;
use mendlake_reconcile::CANDLE_ENDPOINT;

/// How long before its minute a change must be made: the tick of a minute reads the watchlist 20 s before it.
const AHEAD_MS: i64 = 30_000;

/// The most symbols that are looked up while a session is open: calls that live collection leaves for such things.
const LOOKED_UP_IN_SESSION: usize = 3;

/// The most symbols that are looked up at all.
const LOOKED_UP: usize = 25;

/// The longest a look-up may take.
const LOOK_UP_FOR_MS: i64 = 10_000;

/// The first minute a change made now can take effect at without leaving a gap.
pub fn next_effective(now: Timestamp) -> Minute {
    now.plus_ms(AHEAD_MS).minute() + 1
}

/// The change that makes exactly these symbols watched from a minute on; `None` where they are.
pub fn change_to(watchlist: &Watchlist, wanted: &BTreeSet<Symbol>, from: Minute) -> Option<Edit> {
    let watched: BTreeSet<Symbol> = watchlist.at(from).into_iter().collect();
    let add: BTreeSet<Symbol> = wanted.difference(&watched).cloned().collect();
    let remove: BTreeSet<Symbol> = watched.difference(wanted).cloned().collect();
    (!add.is_empty() || !remove.is_empty()).then_some(Edit::Change { from, add, remove })
}

/// Appends a version of the watchlist; gives its number. What cannot be meant is `Rejected`.
pub async fn append(control: &impl Control, edit: Edit, who: &str, why: &str, made_at: Timestamp) -> Result<usize> {
    let version = Version { v: 1, edit, who: who.to_owned(), why: why.to_owned(), made_at };
    version.check().map_err(|error| PortError::caused(Kind::Rejected, "change the watchlist", error))?;
    control::append(control, Log::Watchlist, &version).await
}

/// Refuses symbols of which nothing was ever expected, by the first one's name.
pub fn refuse_strangers<'a>(list: &Watchlist, symbols: impl IntoIterator<Item = &'a Symbol>) -> Result<()> {
    let ever = list.ever();
    match symbols.into_iter().find(|symbol| !ever.contains(*symbol)) {
        None => Ok(()),
        Some(stranger) => {
            let what = format!(
                "`{stranger}` was never watched, so nothing of it is expected: add it with `mendlake watch add {stranger}`, \
                 or its past with `mendlake watch backfill {stranger} --from … --to …`"
            );
            Err(PortError::new(Kind::Rejected, what))
        }
    }
}

/// The provider's calls a minute: as its answers named them last, else as configured. The answers to candle calls name
/// the same limit and come first, from the probe at the start.
pub async fn limit(states: Option<&impl SourceStates>, settings: &Settings) -> u32 {
    let finnhub = NAME.parse().expect("the name is one");
    for endpoint in [QUOTE_ENDPOINT, CANDLE_ENDPOINT] {
        let state = match states {
            Some(states) => states.state(&finnhub, endpoint).await.ok(),
            None => None,
        };
        if let Some(limit) = state.and_then(|state| state.limit) {
            return limit;
        }
    }
    settings.rate_limit
}

/// Of some symbols, those for which the source has no price now: maybe misspelt, maybe only quiet. Asks for as many as
/// live collection leaves room for; what fails is not told.
pub async fn without_price(place: &impl Place, symbols: &BTreeSet<Symbol>, in_session: bool) -> Vec<Symbol> {
    let most = if in_session { LOOKED_UP_IN_SESSION } else { LOOKED_UP };
    let mut without = Vec::new();
    for symbol in symbols.iter().take(most) {
        let deadline = place.clock().now().plus_ms(LOOK_UP_FOR_MS);
        let reply = clock::by(place.clock(), deadline, place.quotes().quote(symbol)).await;
        if matches!(reply.map(|reply| reply.outcome), Some(Ok(None))) {
            without.push(symbol.clone());
        }
    }
    without
}

#[cfg(test)]
mod tests {
    use mendlake_adapters::memory::lake::MemoryLake;

    use super::*;

    fn symbols(text: &str) -> BTreeSet<Symbol> {
        text.split_whitespace().map(|s| s.parse().expect("symbol")).collect()
    }

    fn now() -> Timestamp {
        "2026-11-20T14:00:15Z".parse().expect("instant")
    }

    #[tokio::test]
    async fn a_change_takes_effect_at_a_minute_whose_tick_is_still_to_come() {
        let lake = MemoryLake::default();
        let from = next_effective(now());
        assert_eq!(from.to_string(), "2026-11-20T14:01:00Z");
        assert_eq!(next_effective(now().plus_s(20)).to_string(), "2026-11-20T14:02:00Z", "20 s before is too near");
        let edit = change_to(&Watchlist::default(), &symbols("SPY IBM"), from).expect("a change");
        append(&lake, edit, "test", "test", now()).await.expect("appended");
        let list = control::watchlist(&lake).await.expect("read");
        assert_eq!(list.at(from).len(), 2);
        assert_eq!(change_to(&list, &symbols("SPY IBM"), from), None, "the same again is no change");
        let Some(Edit::Change { add, remove, .. }) = change_to(&list, &symbols("SPY BAC"), from + 1) else {
            panic!("a change")
        };
        assert_eq!((add, remove), (symbols("BAC"), symbols("IBM")));
    }

    #[test]
    fn a_symbol_that_was_never_watched_is_refused_by_name_and_one_that_once_was_is_not() {
        let from = next_effective(now());
        let version = |edit| Version { v: 1, edit, who: "test".into(), why: String::new(), made_at: now() };
        let added = version(Edit::Change { from, add: symbols("SPY IBM"), remove: symbols("") });
        let removed = version(Edit::Change { from: from + 9, add: symbols(""), remove: symbols("IBM") });
        let list = Watchlist::new([&added, &removed]);
        refuse_strangers(&list, &symbols("IBM SPY")).expect("both were");
        let error = refuse_strangers(&list, &symbols("IBM NOPE")).expect_err("a stranger");
        assert_eq!(error.kind, Kind::Rejected);
        assert!(error.chain().contains("`NOPE`") && error.chain().contains("mendlake watch add NOPE"));
    }

    #[tokio::test]
    async fn a_change_that_cannot_be_meant_is_refused_and_nothing_is_written() {
        let lake = MemoryLake::default();
        let edit = Edit::Change { from: now().minute(), add: symbols("SPY"), remove: symbols("") };
        let error = append(&lake, edit, "test", "test", now()).await.expect_err("refused");
        assert!(error.chain().contains("use a backfill"), "{}", error.chain());
        assert_eq!(control::watchlist(&lake).await.expect("read").versions(), 0);
    }
}
