//! Alarms: what a person must act on. Each has a runbook of its name.

use std::fmt;

/// What a person must act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alarm {
    /// Watched symbols that the provider's limit leaves no room for.
    WatchlistTooLarge,
    /// The provider refuses the key: nothing is sampled.
    SourceDenied,
    /// A batch could not be landed for hours and was put aside whole, or lies there and cannot be landed again.
    BatchesParked,
    /// Something in the stream is no row of this project's and was put aside.
    LandingRejects,
    /// Minutes are open that will not heal by themselves: a key is refused, or no plan includes candles.
    GapsOpen,
    /// The lake holds less than it did.
    LedgerDisagrees,
    /// A vendor says the market was closed when trades say otherwise.
    CalendarContradicted,
    /// A watched symbol that nobody knows.
    UnknownSymbol,
    /// A stage has been failing for minutes, or fails in a way that waiting does not mend.
    StageFailing,
}

impl Alarm {
    /// Every alarm.
    pub const ALL: [Self; 9] = [
        Self::WatchlistTooLarge,
        Self::SourceDenied,
        Self::BatchesParked,
        Self::LandingRejects,
        Self::GapsOpen,
        Self::LedgerDisagrees,
        Self::CalendarContradicted,
        Self::UnknownSymbol,
        Self::StageFailing,
    ];

    /// Its name, and its runbook's.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WatchlistTooLarge => "WatchlistTooLarge",
            Self::SourceDenied => "SourceDenied",
            Self::BatchesParked => "BatchesParked",
            Self::LandingRejects => "LandingRejects",
            Self::GapsOpen => "GapsOpen",
            Self::LedgerDisagrees => "LedgerDisagrees",
            Self::CalendarContradicted => "CalendarContradicted",
            Self::UnknownSymbol => "UnknownSymbol",
            Self::StageFailing => "StageFailing",
        }
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
