//! The checks on a stack, each giving findings and none failing.

mod account;
mod keys;

use mendlake_aws::stack::Stack;
use mendlake_aws::stack::idle::Idle;
use mendlake_aws::stack::invoke::State;
use mendlake_ports::clock::Clock;
use mendlake_ports::control;
use mendlake_ports::error::{Kind, Result};

use super::looked::{aside, calendar, reconciled, refused, watchlist};
use super::{Examined, Finding};
use crate::clock::ScaledClock;
use crate::config::without_user;
use crate::look::Look;
use crate::stack::{StackLook, found};

/// Statuses of CloudFormation in which a stack is whole and nothing is under way.
const SETTLED: [&str; 4] = ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"];

/// Examines a stack. An error says that there is none to examine.
pub(super) async fn examine(name: &str) -> Result<Examined> {
    let stack = found::find(name).await?;
    let mut findings = vec![status(&stack)];
    findings.extend(functions(&stack).await);
    findings.extend(parts(&stack).await);
    findings.push(calendar(stack.outputs.settings.calendar, ScaledClock::machine().now()));
    let symbols = match stack.lake().await {
        Ok(lake) => {
            let made = Finding::good("lake", format!("`{}`, made {}", lake.url(), lake.created_at()));
            let made_at = lake.created_at();
            let look = StackLook::over(stack.clone(), lake)?;
            // Where it cannot be read, the finding of its function says so.
            let log = stack.functions().log_group(&stack.outputs.reconcile).await.ok().flatten();
            findings.push(made);
            findings.extend(keys::all(&stack, &look).await);
            findings.extend([watchlist(&look, None).await, reconciled(&look, made_at, log.as_deref()).await]);
            findings.extend(aside(&look).await);
            let list = control::watchlist(look.lake()).await;
            list.map_or(0, |list| list.at(look.clock().now().minute() + 1).len())
        }
        Err(error) => {
            findings.push(Finding::wrong(
                "lake",
                error.chain(),
                "keys, list and ledger are not looked at before there is one",
            ));
            0
        }
    };
    findings.extend(account::all(&stack, symbols).await);
    findings.push(idle(&stack));
    let configuration = stack.parameters.iter();
    let configuration =
        configuration.map(|(name, value)| (name.clone(), shown(value), format!("stack {}", stack.name)));
    Ok(Examined::of(configuration.collect(), findings))
}

/// A parameter as people may see it: an address may hold a password.
fn shown(value: &str) -> String {
    match value {
        "" => "-".to_owned(),
        value if value.contains("://") => without_user(value),
        value => value.to_owned(),
    }
}

fn status(stack: &Stack) -> Finding {
    let told = format!("`{}` in {} is {}", stack.name, stack.region, stack.status);
    let advice = "look at its events: `aws cloudformation describe-stack-events --stack-name NAME`";
    match stack.status.as_str() {
        status if SETTLED.contains(&status) => Finding::good("stack", told),
        status if status.ends_with("_IN_PROGRESS") => Finding::note("stack", told, "it is being changed, look again"),
        _ => Finding::wrong("stack", told, advice),
    }
}

async fn functions(stack: &Stack) -> Vec<Finding> {
    let functions = stack.functions();
    let mut findings = Vec::new();
    for (stage, name) in stack.outputs.functions() {
        findings.push(function(stage, functions.state(name).await));
    }
    findings
}

fn function(stage: &str, state: Result<State>) -> Finding {
    let check = "function";
    let state = match state {
        Ok(state) => state,
        Err(error) => return refused(check, &error),
    };
    let told = format!("`{stage}` is {}, changed {}", state.state.to_lowercase(), state.modified_at);
    let why = state.why.unwrap_or_else(|| "deploy the stack again".to_owned());
    match (state.state.as_str(), state.last_update.as_str()) {
        // Where Lambda says nothing of a last change, there was none after its making.
        ("Active", "Successful" | "") => Finding::good(check, told),
        ("Active" | "Pending", "InProgress" | "") => Finding::note(check, told, "it is being changed, look again"),
        // Put to sleep after weeks without a call: the next one wakes it.
        ("Inactive", _) => Finding::note(check, told, why),
        _ => Finding::wrong(check, told, why),
    }
}

/// The stream, the ledger's table, the queues.
async fn parts(stack: &Stack) -> Vec<Finding> {
    let stream = stack.stream().await.map(|stream| match stream.status.as_str() {
        "ACTIVE" => Finding::good("stream", format!("active, of {} shards", stream.shards)),
        status => Finding::wrong("stream", format!("it is {status}"), "runbooks/StreamLagging.md says what to look at"),
    });
    let table = stack.table().await.map(|status| match status.as_str() {
        "ACTIVE" => Finding::good("table", "active"),
        status => Finding::wrong("table", format!("it is {status}"), "runbooks/restore-the-ledger.md says what to do"),
    });
    let waiting = stack.waiting().await.map(|[live, replay]| {
        Finding::good("queues", format!("{live} samples and {replay} replay tasks wait or are at work"))
    });
    [("stream", stream), ("table", table), ("queues", waiting)].map(|(check, found)| or_unread(check, found)).into()
}

/// What a check gave, or that it could not be made, which is no fault of the stack.
fn or_unread(check: &'static str, found: Result<Finding>) -> Finding {
    found.unwrap_or_else(|error| {
        let advice = if error.kind == Kind::Denied { "look with other credentials" } else { "look again later" };
        Finding::note(check, format!("not looked at: {}", error.chain()), advice)
    })
}

fn idle(stack: &Stack) -> Finding {
    let check = "idle month";
    match stack.shape().and_then(Idle::of) {
        Ok(Idle { list_usd, beyond_free_usd, region, taken_on }) => Finding::good(
            check,
            format!(
                "{list_usd:.2} USD at list price, {beyond_free_usd:.2} beyond what an account has free, by the prices of {region} \
                 of {taken_on}; runbooks/what-it-costs.md counts symbols too"
            ),
        ),
        Err(error) => refused(check, &error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        assert_eq!(shown("https://ann:sesame@vendor:8443"), "https://…@vendor:8443");
        assert_eq!([shown(""), shown("XNYS")], ["-", "XNYS"]);
    }

    #[test]
    fn a_function_that_cannot_run_is_wrong_and_one_that_changes_is_worth_knowing() {
        let grade = |state: &str, last_update: &str| {
            let [state, last_update] = [state, last_update].map(str::to_owned);
            function("land", Ok(State { state, last_update, modified_at: "today".into(), why: None })).grade
        };
        assert_eq!(grade("Active", "Successful"), Grade::Good);
        assert_eq!(grade("Active", "InProgress"), Grade::Note);
        assert_eq!(grade("Inactive", "Successful"), Grade::Note);
        assert_eq!(grade("Active", "Failed"), Grade::Wrong);
        assert_eq!(grade("Failed", "Successful"), Grade::Wrong);
    }
}
