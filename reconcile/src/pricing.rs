//! What calls cost: how many minutes of a source's rate they take, beside live collection.

use std::collections::BTreeMap;

use mendlake_domain::quote::SourceName;
use mendlake_domain::settings::{Settings, replay_share};
use mendlake_ports::clock::Clock;
use mendlake_ports::error::Result;
use mendlake_ports::place::Place;
use mendlake_ports::source::{CandleSource, QuoteSource};
use mendlake_ports::source_states::{Health, SourceState, SourceStates};
use serde::{Deserialize, Serialize};

use crate::calls::CANDLE_ENDPOINT;
use crate::context::Context;
use crate::reconcile::out_of_range;

/// The price of some calls now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// The calls, at least.
    pub calls: usize,
    /// The first source that may be asked; null where none may.
    pub source: Option<SourceName>,
    /// The sources before it, or all where none may be asked, and why they may not.
    pub barred: BTreeMap<SourceName, Barred>,
    /// Calls a minute that live collection leaves of its rate now.
    pub calls_a_minute: u32,
    /// Minutes it takes at that rate; null where nothing is left before the session's end, or no source may be asked.
    pub minutes: Option<usize>,
}

/// Why a source may not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Barred {
    /// Whoever looks cannot read a key for it.
    KeyUnread,
    /// It refused its key.
    KeyRefused,
    /// Its key's plan does not include candles.
    NotInPlan,
}

/// Whose keys the calls are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Those that whoever looks can read.
    Looker,
    /// Those of a stack's function, which a person need not be allowed to read.
    Function,
}

/// Prices calls as things stand now.
pub async fn price(place: &impl Place, settings: &Settings, calls: usize, asks: Asks) -> Result<Price> {
    let now = place.clock().now().minute();
    let context = Context::load(place.lake(), settings).await?;
    let in_session = context.schedule.session_of(now).map_err(out_of_range)?.is_some();
    let mut barred = BTreeMap::new();
    for source in place.candles() {
        let state = place.ledger().state(source.name(), CANDLE_ENDPOINT).await?;
        if let Some(why) = why_barred(&state, &source.key_version().await, asks) {
            barred.insert(source.name().clone(), why);
            continue;
        }
        let shared = in_session && source.name() == place.quotes().name();
        let live = if shared { context.watchlist.at(now).len() } else { 0 };
        let calls_a_minute = replay_share(state.limit.unwrap_or_else(|| source.configured_limit()), live);
        let minutes = (calls_a_minute > 0).then(|| calls.div_ceil(calls_a_minute as usize));
        let source = Some(source.name().clone());
        return Ok(Price { calls, source, barred, calls_a_minute, minutes });
    }
    Ok(Price { calls, source: None, barred, calls_a_minute: 0, minutes: None })
}

/// Why a source in this state may not be asked with a key of this version, which is empty where no key could be read. Of a key
/// that only the function reads, what is known is what it found last.
fn why_barred(state: &SourceState, key_version: &str, asks: Asks) -> Option<Barred> {
    let is_unread = key_version.is_empty();
    let is_judged = is_unread || state.key_version == key_version;
    match state.health {
        _ if is_unread && asks == Asks::Looker => Some(Barred::KeyUnread),
        Health::Denied if is_judged => Some(Barred::KeyRefused),
        Health::NotEntitled if is_judged => Some(Barred::NotInPlan),
        Health::Good | Health::Denied | Health::NotEntitled => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_barred_for_what_is_wrong_with_the_key_there_is() {
        let state = |health| SourceState { health, key_version: "1".into(), ..SourceState::default() };
        let healths = [
            (Health::Good, None),
            (Health::Denied, Some(Barred::KeyRefused)),
            (Health::NotEntitled, Some(Barred::NotInPlan)),
        ];
        for (health, barred) in healths {
            for asks in [Asks::Looker, Asks::Function] {
                assert_eq!(why_barred(&state(health), "1", asks), barred);
                assert_eq!(why_barred(&state(health), "2", asks), None, "{health:?}: another key");
            }
            assert_eq!(why_barred(&state(health), "", Asks::Looker), Some(Barred::KeyUnread), "{health:?}");
            assert_eq!(why_barred(&state(health), "", Asks::Function), barred, "{health:?}: what the function found");
        }
    }
}
