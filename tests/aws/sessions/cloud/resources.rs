//! What the template makes of queues, stream, bucket, table and secrets, on the stand-ins.

use aws_sdk_sqs::types::QueueAttributeName;
use mendlake::rehearsal::scene::{ALPACA_KEY, FINNHUB_KEY};
use mendlake_adapters::aws::Aws;
use mendlake_aws::config::Config;
use mendlake_aws_tests::table;
use serde_json::json;

const BUCKET: &str = "lake";
const TABLE: &str = "ledger";
const STREAM: &str = "quotes";

/// The one shard.
pub(crate) const SHARD: &str = "shardId-000000000000";

/// Of the stand-in's time, a message that was received stays so: virtual time decides when it comes again.
const INVISIBLE_S: &str = "43200";

/// The template's most receives.
pub(super) const MOST_RECEIVES: u32 = 2;

/// Makes everything; gives what the functions are told.
pub(crate) async fn made(aws: &Aws, vendors: &str) -> Config {
    let s3 = aws_sdk_s3::Client::new(aws.config());
    s3.create_bucket().bucket(BUCKET).send().await.expect("a bucket");
    table::create(&aws_sdk_dynamodb::Client::new(aws.config()), TABLE).await;
    let sqs = aws_sdk_sqs::Client::new(aws.config());
    let (live, replay) = (queue(&sqs, "live").await, queue(&sqs, "replay").await);
    let stream = stream(aws).await;
    let secrets = aws_sdk_secretsmanager::Client::new(aws.config());
    for (name, text) in [("finnhub", FINNHUB_KEY), ("alpaca", ALPACA_KEY)] {
        secrets.create_secret().name(name).secret_string(text).send().await.expect("a secret");
    }
    let told = |name: &str| {
        let value = match name {
            "MENDLAKE_STACK" => "sessions",
            "MENDLAKE_BUCKET" => BUCKET,
            "MENDLAKE_TABLE" => TABLE,
            "MENDLAKE_STREAM_ARN" => &stream,
            "MENDLAKE_LIVE_QUEUE_URL" => &live,
            "MENDLAKE_REPLAY_QUEUE_URL" => &replay,
            "MENDLAKE_FINNHUB_BASE_URL" | "MENDLAKE_ALPACA_BASE_URL" => vendors,
            "MENDLAKE_FINNHUB_SECRET" => "finnhub",
            "MENDLAKE_ALPACA_SECRET" => "alpaca",
            _ => return None,
        };
        Some(value.to_owned())
    };
    Config::read(told).expect("a configuration")
}

/// A queue with its dead letters; gives its URL.
async fn queue(client: &aws_sdk_sqs::Client, name: &str) -> String {
    let dead = client.create_queue().queue_name(format!("{name}-dead-letters")).send().await.expect("a queue");
    let dead = dead.queue_url().expect("its url");
    let asked = client.get_queue_attributes().queue_url(dead).attribute_names(QueueAttributeName::QueueArn);
    let told = asked.send().await.expect("its arn");
    let arn = told.attributes().and_then(|all| all.get(&QueueAttributeName::QueueArn)).expect("its arn");
    let redrive = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": MOST_RECEIVES });
    let made = client
        .create_queue()
        .queue_name(name)
        .attributes(QueueAttributeName::VisibilityTimeout, INVISIBLE_S)
        .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string());
    made.send().await.expect("a queue").queue_url.expect("its url")
}

/// The stream; gives its ARN.
async fn stream(aws: &Aws) -> String {
    let client = aws_sdk_kinesis::Client::new(aws.config());
    client.create_stream().stream_name(STREAM).shard_count(1).send().await.expect("a stream");
    let told = client.describe_stream_summary().stream_name(STREAM).send().await.expect("its summary");
    told.stream_description_summary().expect("a summary").stream_arn().to_owned()
}
