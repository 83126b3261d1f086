//! What a stack's parts say of themselves, as far as a person may read it cheaply.

use mendlake_adapters::aws::error::failed;
use mendlake_adapters::aws::queue::depth;
use mendlake_ports::error::{Kind, PortError, Result};

use super::Stack;
use super::idle::Shape;

/// How the stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// `ACTIVE` where it takes records.
    pub status: String,
    /// Shards that take records.
    pub shards: u32,
}

/// What the account allows of Kinesis in this region, and what all its streams use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shards {
    /// Open ones.
    pub open: u32,
    /// The quota.
    pub most: u32,
}

impl Stack {
    /// What the idle price depends on, from what the stack was deployed with.
    pub fn shape(&self) -> Result<Shape> {
        let provisioned = self.parameter("StreamMode")? == "PROVISIONED";
        Ok(Shape {
            calendar: self.outputs.settings.calendar,
            keys: 1 + u32::from(self.parameter("UseAlpaca")? == "yes"),
            shards: if provisioned { Some(self.number("Shards")?) } else { None },
        })
    }

    /// A parameter it was deployed with.
    pub fn parameter(&self, name: &str) -> Result<&str> {
        let none = || PortError::new(Kind::Rejected, format!("the stack has no parameter `{name}`: deploy it again"));
        self.parameters.get(name).map(String::as_str).ok_or_else(none)
    }

    /// One that is a whole number.
    pub fn number(&self, name: &str) -> Result<u32> {
        let value = self.parameter(name)?;
        let none = |_| PortError::new(Kind::Rejected, format!("the parameter `{name}` is no whole number: `{value}`"));
        value.parse().map_err(none)
    }

    /// How the stream is.
    pub async fn stream(&self) -> Result<Stream> {
        let doing = format!("look at the stream `{}`", self.outputs.stream);
        let asked = self.kinesis().describe_stream_summary().stream_name(&self.outputs.stream).send().await;
        let told = asked.map_err(|error| failed(doing.clone(), error))?;
        let summary = told.stream_description_summary().ok_or_else(|| PortError::new(Kind::Corrupt, doing))?;
        Ok(Stream {
            status: summary.stream_status().as_str().to_owned(),
            shards: u32::try_from(summary.open_shard_count()).unwrap_or(0),
        })
    }

    /// The account's shards.
    pub async fn shards(&self) -> Result<Shards> {
        let asked = self.kinesis().describe_limits().send().await;
        let told = asked.map_err(|error| failed("read Kinesis' limits of this account", error))?;
        let whole = |n: i32| u32::try_from(n).unwrap_or(0);
        Ok(Shards { open: whole(told.open_shard_count()), most: whole(told.shard_limit()) })
    }

    /// The status of the ledger's table: `ACTIVE` where it can be used.
    pub async fn table(&self) -> Result<String> {
        let client = aws_sdk_dynamodb::Client::new(self.aws.config());
        let asked = client.describe_table().table_name(&self.outputs.table).send().await;
        let told = asked.map_err(|error| failed(format!("look at the table `{}`", self.outputs.table), error))?;
        let status = told.table().and_then(|table| table.table_status());
        Ok(status.map(|status| status.as_str().to_owned()).unwrap_or_default())
    }

    /// How many messages wait: samples, and replay tasks.
    pub async fn waiting(&self) -> Result<[u64; 2]> {
        let client = aws_sdk_sqs::Client::new(self.aws.config());
        let live = depth(&client, &self.outputs.live_queue_url).await?.total();
        Ok([live, depth(&client, &self.outputs.replay_queue_url).await?.total()])
    }

    fn kinesis(&self) -> aws_sdk_kinesis::Client {
        aws_sdk_kinesis::Client::new(self.aws.config())
    }
}
