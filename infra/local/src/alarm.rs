//! Alarms: what a person must act on. Each has a runbook of its name.

use std::fmt;

/// What a person must act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alarm {
    /// Watched symbols that the provider's limit leaves no room for.
    RequestLeftOut,
    /// The provider refuses the key: nothing is sampled.
    CollectDenied,
    /// A batch could not be landed for hours and was put aside whole.
    LandParked,
    /// Something in the stream is no row of this project's and was put aside.
    LandQuarantined,
    /// Minutes are open that will not heal by themselves: a key is refused, or no plan includes candles.
    OpenGaps,
    /// The lake holds less than it did.
    ReconcileDisagreement,
    /// A vendor says the market was closed when trades say otherwise.
    ReconcileContradiction,
    /// A watched symbol that nobody knows.
    ReconcileUnknownSymbol,
    /// A stage has been failing for minutes, or fails in a way that waiting does not mend.
    StageFailing,
}

impl Alarm {
    /// Every alarm.
    pub const ALL: [Self; 9] = [
        Self::RequestLeftOut,
        Self::CollectDenied,
        Self::LandParked,
        Self::LandQuarantined,
        Self::OpenGaps,
        Self::ReconcileDisagreement,
        Self::ReconcileContradiction,
        Self::ReconcileUnknownSymbol,
        Self::StageFailing,
    ];

    /// Its name, and its runbook's.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestLeftOut => "RequestLeftOut",
            Self::CollectDenied => "CollectDenied",
            Self::LandParked => "LandParked",
            Self::LandQuarantined => "LandQuarantined",
            Self::OpenGaps => "OpenGaps",
            Self::ReconcileDisagreement => "ReconcileDisagreement",
            Self::ReconcileContradiction => "ReconcileContradiction",
            Self::ReconcileUnknownSymbol => "ReconcileUnknownSymbol",
            Self::StageFailing => "StageFailing",
        }
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
