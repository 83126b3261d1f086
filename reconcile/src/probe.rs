//! Probing: one candle call for the reference symbol to each source, to know what the keys may ask for before anything
//! depends on it.

use mendlake_domain::candle::Candle;
use mendlake_domain::quote::SourceName;
use mendlake_domain::settings::Settings;
use mendlake_ports::clock::{self, Clock};
use mendlake_ports::error::Result;
use mendlake_ports::place::Place;
use mendlake_ports::source::{CandleSource, Reply, SourceError};
use mendlake_ports::source_states::{Health, SourceState, SourceStates};
use serde::{Deserialize, Serialize};

use crate::calls::CANDLE_ENDPOINT;

/// The longest a probe may take: whoever starts waits for it.
const PROBE_FOR_MS: i64 = 30_000;

/// What a source answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The source.
    pub source: SourceName,
    /// What its key may ask for.
    #[serde(flatten)]
    pub entitlement: Entitlement,
    /// Its calls a minute, where an answer has told, now or before.
    pub limit: Option<u32>,
}

/// Whether a key's plan includes candles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "candles", rename_all = "snake_case")]
pub enum Entitlement {
    /// It does.
    Entitled,
    /// It does not.
    NotEntitled {
        /// The plan that does, in the vendor's words.
        plan: String,
    },
    /// The key is refused, or there is none.
    Denied,
    /// There was no answer that tells: what was known before holds.
    Unknown {
        /// Why.
        why: String,
    },
}

/// Asks every source once, and keeps what it says: stages then need not ask. What a source said before about the same key
/// is asked anew, since a plan changes without its key.
pub async fn probe(place: &impl Place, settings: &Settings) -> Result<Vec<Probe>> {
    let mut probes = Vec::new();
    for source in place.candles() {
        let mut answered = probe_source(place.clock(), settings, source).await;
        let state = place.ledger().state(source.name(), CANDLE_ENDPOINT).await?;
        answered.limit = answered.limit.or(state.limit);
        let known = learnt(place, settings, source, state.clone(), &answered).await;
        if known != state {
            place.ledger().set_state(source.name(), CANDLE_ENDPOINT, &known).await?;
        }
        probes.push(answered);
    }
    Ok(probes)
}

/// Asks one source and keeps nothing.
pub async fn probe_source(clock: &impl Clock, settings: &Settings, source: &impl CandleSource) -> Probe {
    let reply = ask(clock, settings, source).await;
    Probe {
        source: source.name().clone(),
        entitlement: entitlement(reply.outcome),
        limit: reply.rate.map(|rate| rate.limit),
    }
}

async fn ask(clock: &impl Clock, settings: &Settings, source: &impl CandleSource) -> Reply<Vec<Candle>> {
    let now = clock.now();
    let to = now.plus_ms(-source.lateness_ms()).minute();
    let call = source.candles(&settings.reference, to + -1, to);
    let why = || format!("no answer in {} s", PROBE_FOR_MS / 1000);
    clock::by(clock, now.plus_ms(PROBE_FOR_MS), call)
        .await
        .unwrap_or_else(|| Reply { outcome: Err(SourceError::Unavailable { why: why() }), rate: None })
}

fn entitlement(outcome: std::result::Result<Vec<Candle>, SourceError>) -> Entitlement {
    match outcome {
        Ok(_) => Entitlement::Entitled,
        Err(SourceError::NotEntitled { plan }) => Entitlement::NotEntitled { plan },
        Err(SourceError::Denied) => Entitlement::Denied,
        Err(SourceError::Corrupt { why, .. }) => Entitlement::Unknown { why },
        Err(error) => Entitlement::Unknown { why: error.to_string() },
    }
}

/// What is known of the source after its answer, under the key in use.
async fn learnt(
    place: &impl Place,
    settings: &Settings,
    source: &impl CandleSource,
    before: SourceState,
    answered: &Probe,
) -> SourceState {
    let key_version = source.key_version().await;
    let same_key = before.key_version == key_version;
    let fresh = SourceState { key_version, ..SourceState::default() };
    let limit = answered.limit;
    let mut state = if same_key { before } else { fresh };
    state.limit = limit;
    let since = Some(place.clock().now());
    match &answered.entitlement {
        Entitlement::Entitled => {
            (state.health, state.since, state.plan) = (Health::Good, None, None);
            state.served.insert(settings.reference.clone());
        }
        Entitlement::NotEntitled { plan } => {
            (state.health, state.since, state.plan) = (Health::NotEntitled, since, Some(plan.clone()));
        }
        Entitlement::Denied => (state.health, state.since) = (Health::Denied, since),
        Entitlement::Unknown { .. } => {}
    }
    state
}
