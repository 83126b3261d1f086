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
        let value = told(function, answer.function_error(), body)?;
        serde_json::from_value(value)
            .map_err(|error| PortError::caused(Kind::Corrupt, format!("read the answer of `{function}`"), error))
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

/// What an invocation's answer says: the function's own answer, or why there is none.
fn told(function: &str, error: Option<&str>, body: &[u8]) -> Result<Value> {
    let corrupt = |error| PortError::caused(Kind::Corrupt, format!("read the answer of `{function}`"), error);
    let Some(error) = error else { return serde_json::from_slice(body).map_err(corrupt) };
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let field = |name: &str| said.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let message = field("errorMessage").unwrap_or(error);
    Err(match field("errorType").and_then(kind) {
        // Our own handlers: their words say all of it.
        Some(kind) => PortError::new(kind, message),
        None => {
            let message = one_line(message);
            let what =
                format!("invoke `{function}`: {message}; its log says more, and runbooks/StageFailing.md what to do");
            PortError::new(Kind::Unavailable, what)
        }
    })
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

    fn refused(body: &Value) -> (Kind, String) {
        let error = told("lake-Replay-1", Some("Unhandled"), body.to_string().as_bytes()).expect_err("an error");
        (error.kind, error.chain())
    }

    #[test]
    fn an_answer_is_the_functions_own() {
        assert_eq!(told("f", None, br#"{"open_gaps":3}"#).expect("an answer"), json!({ "open_gaps": 3 }));
        let error = told("f", None, b"<html>").expect_err("no JSON");
        assert!(error.kind == Kind::Corrupt && error.chain().contains("`f`"), "{}", error.chain());
    }

    #[test]
    fn what_a_function_refuses_is_shown_as_it_says_it() {
        let says = "read the payload: field `from`: it must be before `to`";
        assert_eq!(
            refused(&json!({ "errorType": "Rejected", "errorMessage": says })),
            (Kind::Rejected, says.to_owned())
        );
        let (kind, _) = refused(&json!({ "errorType": "Denied", "errorMessage": "no" }));
        assert_eq!(kind, Kind::Denied);
    }

    #[test]
    fn a_function_that_was_stopped_says_where_to_look() {
        let stopped =
            json!({ "errorType": "Sandbox.Timedout", "errorMessage": "Task timed out\nafter 150.00 seconds" });
        let (kind, says) = refused(&stopped);
        assert_eq!(kind, Kind::Unavailable);
        for part in ["`lake-Replay-1`", "timed out after 150.00 seconds", "StageFailing"] {
            assert!(says.contains(part), "{says}");
        }
        let (_, says) = refused(&Value::Null);
        assert!(says.contains("Unhandled"), "{says}");
    }
}
