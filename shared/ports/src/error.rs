//! Errors of ports: their kind says what to do next.

use std::error::Error;
use std::fmt;

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Wait, then the same call again.
    Throttled,
    /// Retry later; nothing is known of whether the call took effect.
    Unavailable,
    /// This input will never be taken: drop it and count it.
    Rejected,
    /// Not allowed: stop and page.
    Denied,
    /// What was read is not what was written: set it aside.
    Corrupt,
}

/// A failed call: its kind, what was being done in the imperative, and its cause.
///
/// Display does not repeat the cause; print the chain once, where the error is handled ([`PortError::chain`]).
#[derive(Debug)]
pub struct PortError {
    /// What to do about it.
    pub kind: Kind,
    context: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What a port's call gives.
pub type Result<T> = std::result::Result<T, PortError>;

impl PortError {
    /// A failure without a cause of its own.
    pub fn new(kind: Kind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// A failure with its cause.
    pub fn caused(kind: Kind, context: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, context: context.into(), source: Some(cause.into()) }
    }

    /// The error and its causes on one line.
    pub fn chain(&self) -> String {
        chain(self)
    }

    /// Whether nobody answered: its cause is [`NoAnswer`].
    pub fn is_no_answer(&self) -> bool {
        let mut cause = self.source();
        while let Some(inner) = cause {
            if inner.is::<NoAnswer>() {
                return true;
            }
            cause = inner.source();
        }
        false
    }
}

/// Nobody answered: the service cannot be reached from here now. Says what to look at.
#[derive(Debug)]
pub struct NoAnswer(pub String);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for NoAnswer {}

/// An error and its causes on one line, outermost first.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        line.push_str(": ");
        line.push_str(&inner.to_string());
        cause = inner.source();
    }
    line
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl Error for PortError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_nobody_answered_is_one_however_deep_it_lies() {
        let inner = PortError::caused(Kind::Unavailable, "read `x`", NoAnswer("the network is gone".into()));
        assert!(inner.is_no_answer());
        let outer = PortError::caused(Kind::Unavailable, "reconcile", inner);
        assert!(outer.is_no_answer() && outer.chain() == "reconcile: read `x`: the network is gone");
        assert!(!PortError::caused(Kind::Unavailable, "read `x`", "the disk is full").is_no_answer());
    }
}
