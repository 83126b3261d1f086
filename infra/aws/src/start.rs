//! A function's life: everything built and checked once, then one event after the other.

use std::io::Write;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use mendlake_adapters::aws::Aws;
use mendlake_adapters::http::reqwest::ReqwestTransport;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::settings::Settings;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};
use mendlake_ports::place::Place;
use serde::Serialize;
use serde_json::Value;

use crate::clock::MachineClock;
use crate::config::Config;
use crate::metrics::{self, Metric};
use crate::place::{AwsPlace, Writes};

/// The place of real use.
pub type RealPlace = AwsPlace<MachineClock, ReqwestTransport>;

/// A function that is ready for events.
pub struct Function {
    /// Where it works.
    pub place: RealPlace,
    /// What it was told.
    pub config: Config,
    /// How it reaches AWS.
    pub aws: Aws,
}

/// Builds a function, and ends the process with a line that says why where it cannot be built: no event is taken then.
pub async fn function(writes: Writes) -> std::result::Result<Function, lambda_runtime::Error> {
    logs();
    let built = build(writes).await;
    built.map_err(|error| {
        tracing::error!(runbook = "StageFailing", "the function does not start: {}", error.chain());
        error.chain().into()
    })
}

async fn build(writes: Writes) -> Result<Function> {
    let refused = |error| PortError::caused(Kind::Rejected, "read the environment", error);
    let config = Config::from_environment().map_err(refused)?;
    let aws = Aws::found().await;
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|error| PortError::new(Kind::Unavailable, format!("mint an id: {error}")))?;
    let http = |url: &str| {
        ReqwestTransport::new(url, None)
            .map_err(|error| PortError::caused(Kind::Rejected, "set up HTTP for a vendor", error))
    };
    let place = AwsPlace::open(&aws, &config, MachineClock, u64::from_le_bytes(id), writes, http).await?;
    Ok(Function { place, config, aws })
}

impl Function {
    /// Parameters of the stages.
    pub fn settings(&self) -> &Settings {
        &self.config.settings
    }

    /// Writes metrics where CloudWatch finds them: a line of its own in the log.
    pub fn emit(&self, metrics: &[Metric]) {
        let line = metrics::line(&self.config.stack, self.place.clock().now(), metrics);
        // A log that cannot be written is no reason to fail what was done.
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    /// Notes a report in the log.
    pub fn note(&self, stage: &'static str, report: &impl Serialize) {
        let report = serde_json::to_string(report).unwrap_or_default();
        tracing::info!(stage, report, "done");
    }
}

/// Hands every event to the handler, with the instant by which the function is stopped, until the process is.
pub async fn serve<T: Serialize>(
    handle: impl AsyncFn(Value, Timestamp) -> Result<T>,
) -> std::result::Result<(), lambda_runtime::Error> {
    let handle = &handle;
    lambda_runtime::run(service_fn(async move |event: LambdaEvent<Value>| {
        let deadline = i64::try_from(event.context.deadline).unwrap_or(i64::MAX);
        match handle(event.payload, Timestamp::from_epoch_ms(deadline)).await {
            Ok(answer) => Ok(serde_json::to_value(answer).unwrap_or_default()),
            Err(error) => Err(failure(&error)),
        }
    }))
    .await
}

/// A failed invocation, as its caller sees it.
fn failure(error: &PortError) -> Diagnostic {
    tracing::warn!(kind = ?error.kind, "failed: {}", error.chain());
    Diagnostic { error_type: format!("{:?}", error.kind), error_message: error.chain() }
}

/// Lines of JSON, as CloudWatch searches them.
fn logs() {
    let level = tracing::Level::INFO;
    // Set already is set: by a test that runs several functions in one process.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(level)
        .with_writer(std::io::stdout)
        .try_init();
}
