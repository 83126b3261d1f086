//! What calls cost: how many minutes of a source's rate they take, beside live collection.

use mendlake_domain::quote::SourceName;
use mendlake_domain::settings::{Settings, replay_share};
use mendlake_ports::clock::Clock;
use mendlake_ports::error::Result;
use mendlake_ports::place::Place;
use mendlake_ports::source::{CandleSource, QuoteSource};
use mendlake_ports::source_states::{Health, SourceStates};
use serde::{Deserialize, Serialize};

use crate::calls::CANDLE_ENDPOINT;
use crate::context::Context;
use crate::reconcile::out_of_range;

/// The price of some calls now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// The calls, at least.
    pub calls: usize,
    /// The first source that may be asked; null where no key's plan includes candles.
    pub source: Option<SourceName>,
    /// Calls a minute that live collection leaves of its rate now.
    pub calls_a_minute: u32,
    /// Minutes it takes at that rate; null where nothing is left before the session's end, or no source may be asked.
    pub minutes: Option<usize>,
}

/// Prices calls as things stand now.
pub async fn price(place: &impl Place, settings: &Settings, calls: usize) -> Result<Price> {
    let now = place.clock().now().minute();
    let context = Context::load(place.lake(), settings).await?;
    let in_session = context.schedule.session_of(now).map_err(out_of_range)?.is_some();
    for source in place.candles() {
        let state = place.ledger().state(source.name(), CANDLE_ENDPOINT).await?;
        if state.health != Health::Good && state.key_version == source.key_version().await {
            continue;
        }
        let shared = in_session && source.name() == place.quotes().name();
        let live = if shared { context.watchlist.at(now).len() } else { 0 };
        let calls_a_minute = replay_share(state.limit.unwrap_or_else(|| source.configured_limit()), live);
        let minutes = (calls_a_minute > 0).then(|| calls.div_ceil(calls_a_minute as usize));
        let source = Some(source.name().clone());
        return Ok(Price { calls, source, calls_a_minute, minutes });
    }
    Ok(Price { calls, source: None, calls_a_minute: 0, minutes: None })
}
