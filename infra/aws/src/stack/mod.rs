//! A stack as a person's command line finds it: by its name, from its outputs, with that person's own credentials.
//!
//! IAM actions a person needs, beside those that the adapters name for the lake and the ledger:
//!
//! | action | resource | for |
//! |---|---|---|
//! | `cloudformation:DescribeStacks` | the stack | everything |
//! | `lambda:GetFunctionConfiguration` | the functions | prices of replays, `doctor`, the log group of a function that ended |
//! | `lambda:InvokeFunction` | `reconcile`, `replay` | reconciling and replaying |
//! | `sqs:GetQueueAttributes` | the four queues | `verify`, `doctor` |
//! | `athena:…`, `glue:…` of [`mendlake_adapters::aws::athena`] | the people's workgroup | `verify` |
//! | `lambda:GetAccountSettings`, `kinesis:DescribeLimits`, `kinesis:DescribeStreamSummary`, `dynamodb:DescribeTable` | | `doctor` |

pub mod facts;
pub mod idle;
pub mod invoke;
pub mod outputs;
pub mod quotas;

use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;
use aws_sdk_lambda::config::ProvideCredentials;
use mendlake_adapters::aws::Aws;
use mendlake_adapters::aws::athena::AthenaCoverage;
use mendlake_adapters::aws::error::{code, failed};
use mendlake_adapters::aws::lake::S3Lake;
use mendlake_adapters::aws::ledger::DynamoDbLedger;
use mendlake_adapters::aws::queue::depth;
use mendlake_adapters::http::Transport;
use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result, chain};

use crate::config::{Config, Tables};
use crate::place::{self, AwsPlace, Writes};
use invoke::Functions;
pub use outputs::Outputs;

/// What to do about credentials that are refused.
const OTHERS: &str = "take other credentials, with `AWS_PROFILE` or by signing in again, or have these given the right";

/// What to do where there are none that this program reads.
const NONE: &str = "set `AWS_PROFILE`, or sign in again; those of a profile that signs in by SSO, or asks a process, are set by \
                    `eval \"$(aws configure export-credentials --format env)\"`";

/// A stack of the template, found.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// What CloudFormation says of it, such as `UPDATE_COMPLETE`.
    pub status: String,
    /// What it says where its parts are.
    pub outputs: Outputs,
    /// What it was deployed with, defaults included.
    pub parameters: BTreeMap<String, String>,
    aws: Aws,
}

impl Stack {
    /// Finds a stack by its name, where AWS's own tools would look.
    ///
    /// `Rejected`: no region, no such stack there, one of another template. `Denied`: no credentials, or refused ones.
    pub async fn find(aws: Aws, name: &str) -> Result<Self> {
        let region = region(&aws)?;
        check_credentials(&aws).await?;
        let doing = format!("find the stack `{name}` in {region}");
        let asked = Client::new(aws.config()).describe_stacks().stack_name(name).send().await;
        let described = asked.map_err(|error| match code(&error) {
            // What CloudFormation calls a name that no stack has.
            Some("ValidationError") => no_stack(&doing),
            _ => advised(failed(doing.clone(), error)),
        })?;
        let stack = described.stacks().first().ok_or_else(|| no_stack(&doing))?;
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let outputs = stack.outputs().iter().map(|of| (text(of.output_key()), text(of.output_value()))).collect();
        let parameters = stack.parameters().iter();
        let parameters = parameters.map(|of| (text(of.parameter_key()), text(of.parameter_value()))).collect();
        let status = stack.stack_status().map(|status| status.as_str().to_owned()).unwrap_or_default();
        let outputs = Outputs::read(&outputs).map_err(|why| {
            let what = format!("{doing}: it is {status}, and no stack of mendlake's whole: {why}");
            PortError::new(Kind::Rejected, what)
        })?;
        Ok(Self { name: name.to_owned(), region, status, outputs, parameters, aws })
    }

    /// The lake, to be read. `Rejected` where there is none yet.
    pub async fn lake(&self) -> Result<S3Lake> {
        let advice = format!("the stack's first tick makes it, or `mendlake watch --stack {}`", self.name);
        S3Lake::open_or_say(self.s3(), &self.outputs.bucket, "", &advice).await
    }

    /// The lake, made where there is none yet: by whoever comes first, a function or a person.
    pub async fn lake_or_new(&self, now: Timestamp) -> Result<S3Lake> {
        S3Lake::open_or_make(self.s3(), &self.outputs.bucket, "", now).await
    }

    /// The ledger.
    pub fn ledger<C: Clock>(&self, clock: C) -> Result<DynamoDbLedger<C>> {
        let client = aws_sdk_dynamodb::Client::new(self.aws.config());
        Ok(DynamoDbLedger::new(client, &self.outputs.table, format!("{:016x}", fresh_id()?), clock))
    }

    /// The place as the functions have it, over an open lake: what they are told, with the credentials of whoever asks.
    pub async fn place<C: Clock + Clone, T: Transport + Clone>(
        &self,
        lake: S3Lake,
        clock: C,
        transport: impl Fn(&str) -> Result<T>,
    ) -> Result<AwsPlace<C, T>> {
        let variables = self.functions().environment(&self.outputs.replay).await?;
        let config = Config::read(|name| variables.get(name).cloned());
        let config = config.map_err(|error| {
            PortError::caused(Kind::Rejected, format!("read what `{}` is told", self.outputs.replay), error)
        })?;
        AwsPlace::over(lake, &self.aws, &config, clock, fresh_id()?, Writes::Replay, transport)
    }

    /// The functions.
    pub fn functions(&self) -> Functions {
        Functions::new(&self.aws)
    }

    /// Coverage by SQL, through the tables and the workgroup that people use.
    pub fn athena(&self) -> AthenaCoverage {
        let Outputs { people_workgroup, database, .. } = &self.outputs;
        place::athena(&self.aws, &Tables { database: database.clone(), workgroup: people_workgroup.clone() })
    }

    /// How many dead letters its queues hold.
    pub async fn dead_letters(&self) -> Result<u64> {
        let client = aws_sdk_sqs::Client::new(self.aws.config());
        let mut letters = 0;
        for url in [&self.outputs.live_dead_letters_url, &self.outputs.replay_dead_letters_url] {
            letters += depth(&client, url).await?.total();
        }
        Ok(letters)
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(self.aws.config())
    }
}

fn region(aws: &Aws) -> Result<String> {
    let none = || {
        let what = "find the region: none is configured, set `AWS_REGION` to the stack's, or `region` in your profile";
        PortError::new(Kind::Rejected, what)
    };
    aws.config().region().map(ToString::to_string).ok_or_else(none)
}

/// Says what is wrong with credentials before a call fails of it in another call's words.
async fn check_credentials(aws: &Aws) -> Result<()> {
    let doing = "find credentials of AWS";
    let Some(provider) = aws.config().credentials_provider() else {
        return Err(PortError::new(Kind::Denied, format!("{doing}: there are none; {NONE}")));
    };
    match provider.provide_credentials().await {
        Ok(_) => Ok(()),
        Err(error) => Err(PortError::new(Kind::Denied, format!("{doing}: {}; {NONE}", one_line(&chain(&error))))),
    }
}

fn no_stack(doing: &str) -> PortError {
    let what = format!(
        "{doing}: this account has none of that name there; `aws cloudformation list-stacks` shows them, `AWS_REGION` and \
         `AWS_PROFILE` choose others"
    );
    PortError::new(Kind::Rejected, what)
}

fn advised(error: PortError) -> PortError {
    match error.kind {
        Kind::Denied => PortError::new(Kind::Denied, format!("{}; {OTHERS}", error.chain())),
        _ => error,
    }
}

/// What AWS says on several lines, on one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A name for this process's writes.
fn fresh_id() -> Result<u64> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|error| PortError::new(Kind::Unavailable, format!("mint an id: {error}")))?;
    Ok(u64::from_le_bytes(id))
}
