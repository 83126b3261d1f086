//! Calls to candle sources: health, budget and classes of answers, in one place.

use std::collections::BTreeMap;

use mendlake_domain::candle::{Candle, CandleRead};
use mendlake_domain::digest;
use mendlake_domain::gap::OpenReason;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::SourceName;
use mendlake_domain::settings::{Settings, rate_reserve, replay_share};
use mendlake_domain::symbol::Symbol;
use mendlake_ports::budget::Budget;
use mendlake_ports::clock::{self, Clock};
use mendlake_ports::error::Result;
use mendlake_ports::place::Place;
use mendlake_ports::set_aside::{Rejected, SetAside};
use mendlake_ports::source::{CandleSource, QuoteSource, RateLimit, Reply, SourceError};
use mendlake_ports::source_states::{Health, MOST_SERVED, SourceState, SourceStates};

use crate::context::Context;

/// While a session is open, replay calls in the second half of a minute: a provider's window that holds parts of two
/// minutes' live bursts then still holds one minute's replay.
pub(crate) const SECOND_HALF_MS: i64 = 30_000;

/// The endpoint's name in the ledger's source items.
pub const CANDLE_ENDPOINT: &str = "candle";

/// Calls are leased in blocks, so that a write to the ledger serves several.
const LEASE_BLOCK: u32 = 10;

/// The longest a candle call may take.
const CALL_FOR_MS: i64 = 30_000;

/// The longest wait for a provider's window: it has 60 s.
const WINDOW_MS: i64 = 60_000;

/// How long a run may wait for budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Not beyond the minute it is in: a task, which is planned again.
    Minute,
    /// Until this instant: a person who asked, or a function with a deadline.
    Until(Timestamp),
}

/// What one call gave.
pub(crate) enum Called {
    /// An answer, maybe without a candle.
    Read(CandleRead),
    /// None, and why the minutes stay open.
    Failed(OpenReason),
}

/// What is known of a source under the key in use: a new version of the key clears what was held against the old one.
pub(crate) async fn state_of<P: Place>(place: &P, source: &P::Candles) -> Result<SourceState> {
    let state = place.ledger().state(source.name(), CANDLE_ENDPOINT).await?;
    let key_version = source.key_version().await;
    if state.key_version == key_version {
        return Ok(state);
    }
    Ok(SourceState { key_version, limit: state.limit, ..SourceState::default() })
}

/// Whether a source with this state is known not to include the symbol in its plan.
pub(crate) fn leaves_out(state: &SourceState, symbol: &Symbol) -> bool {
    state.health == Health::NotEntitled || state.benched.contains(symbol)
}

/// The calls of one replay.
pub(crate) struct Calls<'a, P: Place> {
    place: &'a P,
    settings: &'a Settings,
    context: &'a Context,
    patience: Patience,
    states: BTreeMap<SourceName, SourceState>,
    leases: BTreeMap<SourceName, (Minute, u32)>,
    /// What each source's last answer told of its window.
    windows: BTreeMap<SourceName, RateLimit>,
    /// Calls made, by source.
    pub(crate) made: BTreeMap<SourceName, usize>,
    /// Answers that were no candles, by source and class.
    pub(crate) failed: BTreeMap<String, usize>,
}

impl<'a, P: Place> Calls<'a, P> {
    pub(crate) fn new(place: &'a P, settings: &'a Settings, context: &'a Context, patience: Patience) -> Self {
        let (states, leases) = (BTreeMap::new(), BTreeMap::new());
        let (windows, made, failed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { place, settings, context, patience, states, leases, windows, made, failed }
    }

    /// How long the run may wait.
    pub(crate) fn patience(&self) -> Patience {
        self.patience
    }

    /// Whether the source is known not to include this symbol in its plan.
    pub(crate) async fn not_entitled(&mut self, source: &P::Candles, symbol: &Symbol) -> Result<bool> {
        Ok(leaves_out(self.state(source).await?, symbol))
    }

    /// Asks a source for a symbol's candles in `[from, to)`; `to` is cut to what the source can speak of.
    pub(crate) async fn candles(
        &mut self,
        source: &P::Candles,
        symbol: &Symbol,
        from: Minute,
        to: Minute,
    ) -> Result<Called> {
        let state = self.state(source).await?.clone();
        if state.is_denied(self.place.clock().now()) {
            return Ok(Called::Failed(OpenReason::Denied));
        }
        if leaves_out(&state, symbol) {
            return Ok(Called::Failed(OpenReason::NotEntitled));
        }
        let whole_to = self.place.clock().now().plus_ms(-source.lateness_ms()).minute();
        let to = to.min(whole_to);
        if to <= from {
            return Ok(Called::Failed(OpenReason::Waiting));
        }
        if !self.lease(source).await? {
            return Ok(Called::Failed(OpenReason::NoBudget));
        }
        let reply = self.call(source, symbol, from, to).await?;
        let reply = match reply.outcome {
            Err(SourceError::Throttled { reset_at }) => match self.wait_for_reset(source, reset_at).await? {
                true => self.call(source, symbol, from, to).await?,
                false => Reply { outcome: Err(SourceError::Throttled { reset_at }), rate: None },
            },
            _ => reply,
        };
        let read_at = self.place.clock().now();
        match reply.outcome {
            Ok(candles) => {
                self.served(source, symbol).await?;
                Ok(Called::Read(CandleRead::new(source.name().clone(), read_at, to, candles)))
            }
            Err(error) => self.refused(source, symbol, error).await.map(Called::Failed),
        }
    }

    /// One request, bounded in time, counted, its rate limit learnt.
    async fn call(
        &mut self,
        source: &P::Candles,
        symbol: &Symbol,
        from: Minute,
        to: Minute,
    ) -> Result<Reply<Vec<Candle>>> {
        *self.made.entry(source.name().clone()).or_default() += 1;
        let deadline = self.place.clock().now().plus_ms(CALL_FOR_MS);
        let reply = clock::by(self.place.clock(), deadline, source.candles(symbol, from, to)).await;
        let why = || SourceError::Unavailable { why: format!("no answer in {} s", CALL_FOR_MS / 1000) };
        let reply = reply.unwrap_or_else(|| Reply { outcome: Err(why()), rate: None });
        if let Err(error) = &reply.outcome {
            *self.failed.entry(format!("{} {}", source.name(), error.class())).or_default() += 1;
        }
        if let Some(rate) = reply.rate {
            self.windows.insert(source.name().clone(), rate);
        }
        let learnt = reply.rate.map(|rate| rate.limit);
        if learnt.is_some() && learnt != self.state(source).await?.limit {
            self.update(source, |state| state.limit = learnt).await?;
        }
        Ok(reply)
    }

    /// The source's state, read once.
    async fn state(&mut self, source: &P::Candles) -> Result<&SourceState> {
        if !self.states.contains_key(source.name()) {
            let state = state_of(self.place, source).await?;
            self.states.insert(source.name().clone(), state);
        }
        Ok(&self.states[source.name()])
    }

    async fn update(&mut self, source: &P::Candles, change: impl FnOnce(&mut SourceState)) -> Result<()> {
        let mut state = self.state(source).await?.clone();
        change(&mut state);
        self.place.ledger().set_state(source.name(), CANDLE_ENDPOINT, &state).await?;
        self.states.insert(source.name().clone(), state);
        Ok(())
    }

    /// Remembers a symbol that was served: that it stops being served tells more than a stranger's refusal.
    async fn served(&mut self, source: &P::Candles, symbol: &Symbol) -> Result<()> {
        let state = self.state(source).await?;
        if state.health == Health::Good && (state.served.contains(symbol) || state.served.len() >= MOST_SERVED) {
            return Ok(());
        }
        let symbol = symbol.clone();
        self.update(source, |state| {
            state.health = Health::Good;
            state.served.insert(symbol);
        })
        .await
    }

    async fn refused(&mut self, source: &P::Candles, symbol: &Symbol, error: SourceError) -> Result<OpenReason> {
        Ok(match error {
            SourceError::Denied => {
                self.bench(source, Health::Denied, None).await?;
                OpenReason::Denied
            }
            SourceError::NotEntitled { plan } => {
                self.not_in_plan(source, symbol, plan).await?;
                OpenReason::NotEntitled
            }
            SourceError::Recent => OpenReason::Waiting,
            SourceError::Rejected { .. } => OpenReason::Rejected,
            SourceError::Throttled { .. } => OpenReason::NoBudget,
            SourceError::Unavailable { .. } => OpenReason::Unavailable,
            SourceError::Corrupt { why, body } => {
                let rejected = Rejected {
                    at: self.place.clock().now(),
                    origin: format!("{}-{CANDLE_ENDPOINT}", source.name().as_str().replace(':', "-")),
                    id: digest::short(body.as_bytes()),
                    reason: format!("`{symbol}`: {why}"),
                    input: body.into_bytes(),
                };
                self.place.lake().quarantine(&rejected).await?;
                OpenReason::Unavailable
            }
        })
    }

    /// A refusal of a symbol it served before, or of the reference symbol, is one of the endpoint. A stranger's refusal
    /// is settled by asking for the reference symbol once.
    async fn not_in_plan(&mut self, source: &P::Candles, symbol: &Symbol, plan: String) -> Result<()> {
        let reference = self.settings.reference.clone();
        let served_before = self.state(source).await?.served.contains(symbol);
        if served_before || *symbol == reference {
            return self.bench(source, Health::NotEntitled, Some(plan)).await;
        }
        let symbol = symbol.clone();
        self.update(source, |state| {
            state.plan = Some(plan);
            state.benched.insert(symbol);
        })
        .await?;
        if self.state(source).await?.served.is_empty() && self.lease(source).await? {
            let to = self.place.clock().now().plus_ms(-source.lateness_ms()).minute();
            let reply = self.call(source, &reference, to + -1, to).await?;
            match reply.outcome {
                Ok(_) => self.served(source, &reference).await?,
                Err(SourceError::NotEntitled { plan }) => self.bench(source, Health::NotEntitled, Some(plan)).await?,
                Err(_) => {}
            }
        }
        Ok(())
    }

    async fn bench(&mut self, source: &P::Candles, health: Health, plan: Option<String>) -> Result<()> {
        let since = Some(self.place.clock().now());
        self.update(source, |state| {
            state.health = health;
            state.since = since;
            state.plan = plan;
        })
        .await
    }

    /// Gets one call of the provider's rate: `false` where there is none as far as patience goes.
    async fn lease(&mut self, source: &P::Candles) -> Result<bool> {
        loop {
            let now = self.place.clock().now();
            let minute = now.minute();
            let live = self.live_symbols(source, minute);
            let half = minute.start().plus_ms(SECOND_HALF_MS);
            if live > 0 && now < half {
                if matches!(self.patience, Patience::Until(until) if until < half) {
                    return Ok(false);
                }
                self.place.clock().sleep_until(half).await;
                continue;
            }
            if let Some(reset_at) = self.spoken_for(source, now, live) {
                let waits = match self.patience {
                    Patience::Minute => reset_at < minute.end(),
                    Patience::Until(until) => reset_at < until,
                };
                if !waits {
                    return Ok(false);
                }
                self.place.clock().sleep_until(reset_at).await;
                continue;
            }
            if self.take(source, minute, live).await? {
                return Ok(true);
            }
            match self.patience {
                Patience::Until(until) if minute.end() < until => self.place.clock().sleep_until(minute.end()).await,
                _ => return Ok(false),
            }
        }
    }

    /// When the provider's window ends, where what its last answer left of it is needed for the next live burst: windows
    /// do not begin on the clock's minute, and one may hold parts of two minutes' replays.
    fn spoken_for(&self, source: &P::Candles, now: Timestamp, live: usize) -> Option<Timestamp> {
        let rate = self.windows.get(source.name()).filter(|rate| rate.reset_at > now)?;
        let burst_inside = rate.reset_at > now.minute().end();
        let needed = rate_reserve(rate.limit) as usize + if burst_inside { live } else { 0 };
        (rate.remaining as usize <= needed).then_some(rate.reset_at)
    }

    /// Takes a call of what is leased of this minute, or leases more of it.
    async fn take(&mut self, source: &P::Candles, minute: Minute, live: usize) -> Result<bool> {
        let left = self.leases.get(source.name()).filter(|(of, _)| *of == minute).map_or(0, |(_, left)| *left);
        let left = if left > 0 {
            left
        } else {
            let limit = self.state(source).await?.limit.unwrap_or_else(|| source.configured_limit());
            let share = replay_share(limit, live);
            self.place.ledger().lease_replay(source.name(), minute, LEASE_BLOCK, share).await?
        };
        self.leases.insert(source.name().clone(), (minute, left.saturating_sub(1)));
        Ok(left > 0)
    }

    /// Symbols whose quotes need this provider in this minute or in the one after it; 0 outside sessions. The minute
    /// before the open counts: its calls may be in the same window as the first burst.
    fn live_symbols(&self, source: &P::Candles, minute: Minute) -> usize {
        if source.name() != self.place.quotes().name() {
            return 0;
        }
        let symbols = |minute: Minute| match self.context.schedule.session_of(minute) {
            Ok(Some(_)) => self.context.watchlist.at(minute).len(),
            _ => 0,
        };
        symbols(minute).max(symbols(minute + 1))
    }

    /// Waits out a throttle where patience goes that far, and gets a call for afterwards.
    async fn wait_for_reset(&mut self, source: &P::Candles, reset_at: Option<Timestamp>) -> Result<bool> {
        let now = self.place.clock().now();
        let reset_at = reset_at.unwrap_or(now.plus_ms(WINDOW_MS));
        let far = match self.patience {
            Patience::Minute => reset_at >= now.minute().end(),
            Patience::Until(until) => reset_at >= until,
        };
        if far || reset_at.ms_since(now) > WINDOW_MS {
            return Ok(false);
        }
        self.place.clock().sleep_until(reset_at).await;
        self.lease(source).await
    }
}
