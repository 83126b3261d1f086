//! The stack's functions: invoked as a person invokes them, and what they are told and how they are.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::config::{Builder, StalledStreamProtectionConfig};
use aws_sdk_lambda::primitives::Blob;
use mendlake_adapters::aws::Aws;
use mendlake_adapters::aws::error::failed;
use mendlake_ports::error::{Kind, PortError, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::one_line;

/// How long an invocation is waited for: as long as Lambda lets any function run, and some.
const INVOCATION: Duration = Duration::from_secs(16 * 60);

/// Until a connection stands.
const CONNECT: Duration = Duration::from_secs(5);

/// The functions of a stack.
#[derive(Clone, Debug)]
pub struct Functions {
    /// For quick calls.
    client: Client,
    /// For invocations: they last, and whoever invokes decides whether to do so again.
    invoking: Client,
}

/// How a function is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// `Active` where it can run.
    pub state: String,
    /// `Successful` where its last change is done.
    pub last_update: String,
    /// When it was changed last, as Lambda says it.
    pub modified_at: String,
    /// Why it is not as it should be, where Lambda says.
    pub why: Option<String>,
}

impl Functions {
    pub(super) fn new(aws: &Aws) -> Self {
        let times = TimeoutConfig::builder().connect_timeout(CONNECT);
        let times = times.operation_attempt_timeout(INVOCATION).operation_timeout(INVOCATION).build();
        // A function that works says nothing for minutes, which is no stalled answer.
        let patient = Builder::from(aws.config())
            .timeout_config(times)
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        Self { client: Client::new(aws.config()), invoking: Client::from_conf(patient.build()) }
    }

    /// Invokes a function once, waits for it, and reads its answer.
    ///
    /// What the function itself refuses has the kind and the words of the function. `Unavailable`: it was stopped, it does
    /// not start, or nothing is known of it.
    pub async fn invoke<T: DeserializeOwned>(&self, function: &str, payload: &Value) -> Result<T> {
        let payload = Blob::new(payload.to_string());
        let invoked = self.invoking.invoke().function_name(function).payload(payload).send().await;
        let answer = invoked.map_err(|error| failed(format!("invoke `{function}`"), error))?;
        let body = answer.payload().map(AsRef::as_ref).unwrap_or_default();
        if let Some(error) = answer.function_error() {
            return Err(match told(error, body) {
                Told::Refused(error) => error,
                Told::Ended(why) => ended(function, &why, self.log_group(function).await.ok().flatten().as_deref()),
            });
        }
        serde_json::from_slice(body)
            .map_err(|error| PortError::caused(Kind::Corrupt, format!("read the answer of `{function}`"), error))
    }

    /// Where a function logs, where Lambda says.
    pub async fn log_group(&self, function: &str) -> Result<Option<String>> {
        let asked = self.client.get_function_configuration().function_name(function).send().await;
        let told = asked.map_err(|error| failed(format!("read the configuration of `{function}`"), error))?;
        Ok(told.logging_config().and_then(|logging| logging.log_group()).map(str::to_owned))
    }

    /// What a function's environment tells it.
    pub async fn environment(&self, function: &str) -> Result<BTreeMap<String, String>> {
        let asked = self.client.get_function_configuration().function_name(function).send().await;
        let configuration = asked.map_err(|error| failed(format!("read the configuration of `{function}`"), error))?;
        let variables = configuration.environment().and_then(|environment| environment.variables());
        Ok(variables.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// How a function is.
    pub async fn state(&self, function: &str) -> Result<State> {
        let asked = self.client.get_function_configuration().function_name(function).send().await;
        let told = asked.map_err(|error| failed(format!("read the configuration of `{function}`"), error))?;
        let why = told.state_reason().or(told.last_update_status_reason());
        Ok(State {
            state: told.state().map(|state| state.as_str().to_owned()).unwrap_or_default(),
            last_update: told.last_update_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
            modified_at: told.last_modified().unwrap_or_default().to_owned(),
            why: why.filter(|why| !why.is_empty()).map(str::to_owned),
        })
    }

    /// How many copies of functions may run at once in this account and region, and how many of them no function has
    /// reserved for itself.
    pub async fn concurrency(&self) -> Result<(u32, u32)> {
        let asked = self.client.get_account_settings().send().await;
        let told = asked.map_err(|error| failed("read Lambda's settings of this account", error))?;
        let missing = || PortError::new(Kind::Corrupt, "read Lambda's settings of this account: no limit is told");
        let limit = told.account_limit().ok_or_else(missing)?;
        let whole = |n: i32| u32::try_from(n).unwrap_or(0);
        let all = whole(limit.concurrent_executions());
        Ok((all, limit.unreserved_concurrent_executions().map_or(all, whole)))
    }
}

/// Why an invocation gave no answer.
#[derive(Debug)]
enum Told {
    /// Our own handler says so, and its words say all of it.
    Refused(PortError),
    /// The function was stopped, or does not start: what is known of it.
    Ended(String),
}

/// What the body of a failed invocation says.
fn told(error: &str, body: &[u8]) -> Told {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let field = |name: &str| said.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let message = field("errorMessage").unwrap_or(error);
    match field("errorType").and_then(kind) {
        Some(kind) => Told::Refused(PortError::new(kind, message)),
        None => Told::Ended(one_line(&unpacked(message))),
    }
}

/// What a message says, out of the JSON that it holds: of a function that does not start, some runtimes tell its last lines of
/// log, or the whole answer once more.
fn unpacked(message: &str) -> String {
    let said = |(at, _): (usize, &str)| {
        let value = serde_json::Deserializer::from_str(&message[at..]).into_iter::<Value>().next()?.ok()?;
        ["errorMessage", "message"].iter().find_map(|name| value.get(name)?.as_str().map(str::to_owned))
    };
    message.match_indices('{').filter_map(said).next_back().unwrap_or_else(|| message.to_owned())
}

fn ended(function: &str, why: &str, log: Option<&str>) -> PortError {
    let log = log.map_or("its log says more".to_owned(), |log| format!("its log group is `{log}`"));
    let what = format!("invoke `{function}`: {why}; {log}, and runbooks/StageFailing.md says what to do");
    PortError::new(Kind::Unavailable, what)
}

/// The kind of a failure by the name under which a function gives it.
fn kind(name: &str) -> Option<Kind> {
    let kinds = [Kind::Throttled, Kind::Unavailable, Kind::Rejected, Kind::Denied, Kind::Corrupt];
    kinds.into_iter().find(|kind| format!("{kind:?}") == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told_of(body: &Value) -> Told {
        told("Unhandled", body.to_string().as_bytes())
    }

    #[test]
    fn what_a_function_refuses_is_shown_as_it_says_it() {
        let says = "read the payload: field `from`: it must be before `to`";
        for (name, kind) in [("Rejected", Kind::Rejected), ("Denied", Kind::Denied)] {
            let Told::Refused(error) = told_of(&json!({ "errorType": name, "errorMessage": says })) else {
                panic!("{name} is a handler's own");
            };
            assert_eq!((error.kind, error.chain()), (kind, says.to_owned()));
        }
    }

    #[track_caller]
    fn is_ended(body: &Value, says: &str) {
        let Told::Ended(why) = told_of(body) else { panic!("{body} is no handler's own") };
        assert_eq!(why, says);
    }

    #[test]
    fn a_function_that_was_stopped_or_does_not_start_says_why_in_a_sentence() {
        let of = |message: &str| json!({ "errorType": "Runtime.ExitError", "errorMessage": message });
        is_ended(&of("Task timed out\nafter 150.00 seconds"), "Task timed out after 150.00 seconds");
        is_ended(&Value::Null, "Unhandled");
        let why = "the function does not start: read `s3://lake/mendlake.json`: AccessDenied: no {right}";
        let line = json!({ "level": "ERROR", "message": why, "runbook": "StageFailing" }).to_string();
        is_ended(&of(&line), why);
        let log = format!("exited: {{\"level\":\"INFO\",\"message\":\"begins\"}}\n{line}\nError: \"more {{of it\"");
        is_ended(&of(&log), why);
        is_ended(&of(&json!({ "errorType": "x", "errorMessage": why }).to_string()), why);
        is_ended(&of("cut off: {\"level\":\"ERR"), "cut off: {\"level\":\"ERR");
    }

    #[test]
    fn a_function_that_ended_says_where_to_look() {
        let error = ended("lake-Replay-1", "it was stopped", Some("lake-ReplayLog-7"));
        assert_eq!(error.kind, Kind::Unavailable);
        for part in ["`lake-Replay-1`: it was stopped", "its log group is `lake-ReplayLog-7`", "StageFailing"] {
            assert!(error.chain().contains(part), "{part}: {}", error.chain());
        }
        assert!(ended("f", "why", None).chain().contains("its log says more"));
    }
}
