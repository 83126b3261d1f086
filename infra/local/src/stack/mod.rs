//! A stack on AWS in place of a folder: the flag that names one, and what the commands do with it.
//!
//! Built without feature `aws`, the flag is there all the same and is refused with how to build: whoever follows a runbook
//! is told what is missing, and nothing else is looked at instead.

#[cfg(not(feature = "aws"))]
pub(crate) mod absent;
#[cfg(feature = "aws")]
pub(crate) mod found;

#[cfg(not(feature = "aws"))]
pub use absent::{StackLook, StackPlace, reconcile};
#[cfg(feature = "aws")]
pub use found::{StackLook, StackPlace, reconcile};

use clap::builder::NonEmptyStringValueParser;

/// Names a stack, never an empty one: AWS may take that for all of them, and a script's variable that is not set would choose
/// somebody's lake. What a stack was deployed with cannot be said otherwise beside it.
#[derive(Clone, Default, clap::Args)]
#[command(next_help_heading = "On AWS")]
pub struct StackArgs {
    /// Do it on the lake of this stack on AWS, instead of on one in a folder. Region and credentials are those of AWS's own
    /// tools (AWS_REGION, AWS_PROFILE, …). Needs a binary built with `--features aws`.
    #[arg(long, global = true, value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), conflicts_with_all = [
        "lake", "calendar", "settle_s", "landing_window_s", "reference", "finnhub_base_url", "finnhub_rate_limit",
        "finnhub_key_file", "alpaca_base_url", "alpaca_rate_limit", "alpaca_key_file", "epoch", "rate", "epoch_at",
    ])]
    stack: Option<String>,
}

impl StackArgs {
    /// The stack's name, where one is named.
    pub fn name(&self) -> Option<&str> {
        self.stack.as_deref()
    }
}
