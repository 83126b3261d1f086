//! Coverage from the columns, by Athena: `AthenaCoverage`, for long ranges and as a second opinion beside the footers.
//!
//! A range costs one query, whatever it holds, and some seconds; bytes scanned are in the answer. A query whose caller is
//! gone runs on until it ends or meets the workgroup's cut-off.
//!
//! IAM actions:
//!
//! | action | resource |
//! |---|---|
//! | `athena:StartQueryExecution`, `GetQueryExecution`, `GetQueryResults`, `StopQueryExecution` | the workgroup |
//! | `glue:GetDatabase`, `glue:GetTable`, `glue:GetPartitions` | the catalog, the database, its table `quotes`: Athena reads them as its caller |
//! | `s3:ListBucket`, `s3:GetObject` | the lake's `quotes/`, as its caller too |
//! | `s3:GetBucketLocation`, `s3:PutObject`, `s3:GetObject` | where the workgroup puts its results |

mod opinion;
mod query;

use std::future::Future;

use aws_sdk_athena::Client;
use aws_sdk_athena::types::{QueryExecution, QueryExecutionContext, QueryExecutionState, QueryExecutionStatus, Row};
use chrono::{Days, NaiveDate};
use mendlake_domain::coverage::Coverage;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_ports::clock::Clock;
use mendlake_ports::{Kind, PortError, Result};

use super::error::failed;
pub use opinion::Opinion;
pub use query::{coverage_of, text};

/// How long a query is waited for. One over a year of 500 symbols takes a minute; queued, it takes longer.
const MOST_WAIT_S: i64 = 300;

/// The first wait before looking again, and the longest. A short query takes about a second.
const FIRST_PAUSE_MS: i64 = 250;
const MOST_PAUSE_MS: i64 = 5_000;

/// Pages of an answer, of a thousand rows each. A year of 500 symbols has 900.
const MOST_PAGES: usize = 10_000;

/// The table's projection ends so many days after today.
const DAYS_AHEAD: u64 = 1;

/// Athena's category of an error that the query itself is to blame for.
const BY_THE_QUERY: i32 = 2;

/// Coverage of the table `quotes`, by SQL.
#[derive(Clone, Debug)]
pub struct AthenaCoverage {
    client: Client,
    workgroup: String,
    database: String,
    first_on: NaiveDate,
    until: Option<Timestamp>,
}

/// What a query answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// What the lake holds of the range, of every symbol: as its footers have it.
    pub coverage: Coverage,
    /// Bytes that Athena read, and charges for.
    pub bytes: u64,
    /// Athena's name of the query; empty where none was needed.
    pub query_id: String,
}

impl AthenaCoverage {
    /// By a workgroup, which says where results go, from the database that has the table. `first_on` is the first date of the
    /// table's projection: before it Athena would answer that there is nothing.
    pub fn new(client: Client, workgroup: &str, database: &str, first_on: NaiveDate) -> Self {
        Self { client, workgroup: workgroup.to_owned(), database: database.to_owned(), first_on, until: None }
    }

    /// The same, for whoever has time until then: a query that is not done is stopped.
    pub fn until(self, until: Timestamp) -> Self {
        Self { until: Some(until), ..self }
    }

    /// What the lake holds of minutes in `[from, to)`, of every symbol.
    ///
    /// `Rejected`: a range outside the table's projection, a query that Athena refuses, or one that the workgroup's cut-off
    /// ends. `Throttled`, `Denied`, `Unavailable` (failed within Athena, cancelled, not done in five minutes): with its reason.
    pub async fn coverage(&self, clock: &impl Clock, from: Minute, to: Minute) -> Result<Scanned> {
        if to <= from {
            return Ok(Scanned::default());
        }
        self.refuse_outside(clock.now(), from, to)?;
        let query_id = self.start(text(from, to)).await?;
        let mut patience = Patience::new(clock.now(), self.until);
        let bytes = self.finished(clock, &mut patience, &query_id).await?;
        let rows = self.results(clock, &mut patience, &query_id).await?;
        let cells = |row: &'_ Row| -> Vec<Option<String>> {
            row.data().iter().map(|datum| datum.var_char_value().map(str::to_owned)).collect()
        };
        let rows: Vec<Vec<Option<String>>> = rows.iter().map(cells).collect();
        let coverage = coverage_of(rows.iter().map(|row| row.iter().map(Option::as_deref)))?;
        Ok(Scanned { coverage, bytes, query_id })
    }

    fn refuse_outside(&self, now: Timestamp, from: Minute, to: Minute) -> Result<()> {
        let last_on = now.date() + Days::new(DAYS_AHEAD);
        if from.date() >= self.first_on && to.plus(-1).date() <= last_on {
            return Ok(());
        }
        let what =
            format!("ask Athena for [{from}, {to}): its table has the dates {} to {last_on} only", self.first_on);
        Err(PortError::new(Kind::Rejected, what))
    }

    async fn start(&self, text: String) -> Result<String> {
        let context = QueryExecutionContext::builder().database(&self.database).build();
        let start = self.client.start_query_execution().query_string(text).query_execution_context(context);
        let doing = || format!("start a query in Athena's workgroup `{}`", self.workgroup);
        let started = start.work_group(&self.workgroup).send().await.map_err(|error| failed(doing(), error))?;
        let no_id = || PortError::new(Kind::Unavailable, format!("{}: the answer names no query", doing()));
        started.query_execution_id.ok_or_else(no_id)
    }

    /// Waits until a query has succeeded; gives the bytes it read.
    async fn finished(&self, clock: &impl Clock, patience: &mut Patience, id: &str) -> Result<u64> {
        loop {
            let look = || self.client.get_query_execution().query_execution_id(id).send();
            let doing = || format!("look after Athena's query `{id}`");
            let looked = patience.ask(clock, async || look().await.map_err(|error| failed(doing(), error))).await;
            let execution = looked?.query_execution.unwrap_or_else(|| QueryExecution::builder().build());
            let status = execution.status();
            match status.and_then(QueryExecutionStatus::state) {
                Some(QueryExecutionState::Succeeded) => {
                    let bytes = execution.statistics().and_then(|statistics| statistics.data_scanned_in_bytes());
                    return Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0));
                }
                Some(QueryExecutionState::Failed) => return Err(unsuccessful("failed", id, status)),
                Some(QueryExecutionState::Cancelled) => return Err(unsuccessful("was cancelled", id, status)),
                // Queued, running, or a state that is not known yet.
                _ => {}
            }
            if !patience.pause(clock).await {
                // What it would still scan is of no use. Where it cannot be stopped, the cut-off does.
                let _ = self.client.stop_query_execution().query_execution_id(id).send().await;
                let what = format!("wait for Athena's query `{id}`: not done in time, ask for fewer days");
                return Err(PortError::new(Kind::Unavailable, what));
            }
        }
    }

    /// The rows of every page.
    async fn results(&self, clock: &impl Clock, patience: &mut Patience, id: &str) -> Result<Vec<Row>> {
        let doing = || format!("read the results of Athena's query `{id}`");
        let (mut rows, mut next) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let read = || self.client.get_query_results().query_execution_id(id).set_next_token(next.clone()).send();
            let page = patience.ask(clock, async || read().await.map_err(|error| failed(doing(), error))).await?;
            rows.extend(page.result_set.and_then(|set| set.rows).unwrap_or_default());
            next = page.next_token;
            if next.is_none() {
                return Ok(rows);
            }
        }
        Err(PortError::new(Kind::Rejected, format!("{}: more than {MOST_PAGES} pages, ask for fewer days", doing())))
    }
}

/// How long is waited still, and for how long next.
#[derive(Debug)]
struct Patience {
    until: Timestamp,
    pause_ms: i64,
}

impl Patience {
    fn new(now: Timestamp, until: Option<Timestamp>) -> Self {
        let most = now.plus_s(MOST_WAIT_S);
        Self { until: until.map_or(most, |until| until.min(most)), pause_ms: FIRST_PAUSE_MS }
    }

    /// Waits; tells whether there is time left.
    async fn pause(&mut self, clock: &impl Clock) -> bool {
        let at = clock.now().plus_ms(self.pause_ms);
        self.pause_ms = (self.pause_ms * 2).min(MOST_PAUSE_MS);
        clock.sleep_until(at.min(self.until)).await;
        clock.now() < self.until
    }

    /// Asks again where Athena is only busy: the query is paid for already.
    async fn ask<T, F>(&mut self, clock: &impl Clock, ask: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        loop {
            match ask().await {
                Err(error) if matches!(error.kind, Kind::Throttled | Kind::Unavailable) => {
                    if !self.pause(clock).await {
                        return Err(error);
                    }
                }
                answered => return answered,
            }
        }
    }
}

/// The error of a query that ended otherwise.
fn unsuccessful(how: &str, id: &str, status: Option<&QueryExecutionStatus>) -> PortError {
    let error = status.and_then(QueryExecutionStatus::athena_error);
    let reason = status.and_then(QueryExecutionStatus::state_change_reason).filter(|reason| !reason.is_empty());
    let reason = reason.or(error.and_then(|error| error.error_message())).unwrap_or("Athena gives no reason");
    let says = |words: &[&str]| words.iter().any(|word| reason.to_ascii_lowercase().contains(word));
    let kind = match error {
        _ if says(&["access denied", "accessdenied", "insufficient permissions", "not authorized"]) => Kind::Denied,
        // The workgroup's cut-off cancels.
        _ if says(&["bytes scanned limit"]) => Kind::Rejected,
        Some(error) if error.retryable() => Kind::Unavailable,
        Some(error) if error.error_category() == Some(BY_THE_QUERY) => Kind::Rejected,
        _ => Kind::Unavailable,
    };
    PortError::new(kind, format!("query the lake: Athena's query `{id}` {how}: {reason}"))
}

#[cfg(test)]
mod tests;
