//! A place the pipeline stands in: every port of it, bundled.

use crate::budget::Budget;
use crate::clock::Clock;
use crate::control::Control;
use crate::expectations::Expectations;
use crate::gaps::Gaps;
use crate::lake::Lake;
use crate::landing::Landing;
use crate::queue::Queue;
use crate::runs::Runs;
use crate::sessions::Sessions;
use crate::set_aside::SetAside;
use crate::source::{CandleSource, MarketFacts, QuoteSource};
use crate::source_states::SourceStates;
use crate::stream::Stream;

/// The ports of one place. A stage that needs one or two takes those; one that needs many takes its place.
pub trait Place: Send + Sync {
    /// Its clock.
    type Clock: Clock;
    /// Its queues.
    type Queue: Queue;
    /// Its stream.
    type Stream: Stream;
    /// Its lake: the tables and what lies beside them.
    type Lake: Lake + Control + Sessions + SetAside;
    /// Its ledger.
    type Ledger: Budget + Expectations + Gaps + SourceStates + Landing + Runs;
    /// Its source of quotes.
    type Quotes: QuoteSource;
    /// Its sources of candles: one type, an enum where there are several vendors.
    type Candles: CandleSource;
    /// What it knows of the market.
    type Facts: MarketFacts;

    /// The clock.
    fn clock(&self) -> &Self::Clock;
    /// The live queue: samples.
    fn live_queue(&self) -> &Self::Queue;
    /// The replay queue: tasks.
    fn replay_queue(&self) -> &Self::Queue;
    /// The stream.
    fn stream(&self) -> &Self::Stream;
    /// The lake.
    fn lake(&self) -> &Self::Lake;
    /// The ledger.
    fn ledger(&self) -> &Self::Ledger;
    /// The source of quotes.
    fn quotes(&self) -> &Self::Quotes;
    /// The sources of candles, in the configured order.
    fn candles(&self) -> &[Self::Candles];
    /// What is known of the market.
    fn facts(&self) -> &Self::Facts;
}
