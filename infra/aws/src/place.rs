//! The place on AWS: SQS, Kinesis, S3 and DynamoDB, the vendors over HTTP.

use std::sync::Arc;

use mendlake_adapters::alpaca::{self, AlpacaClient};
use mendlake_adapters::aws::Aws;
use mendlake_adapters::aws::athena::AthenaCoverage;
use mendlake_adapters::aws::lake::S3Lake;
use mendlake_adapters::aws::ledger::DynamoDbLedger;
use mendlake_adapters::aws::queue::SqsQueue;
use mendlake_adapters::aws::secrets::{SecretPlace, SecretsManager};
use mendlake_adapters::aws::stream::{KinesisStream, WriteShare};
use mendlake_adapters::finnhub::{self, FinnhubClient};
use mendlake_adapters::http::Transport;
use mendlake_adapters::vendor::Candles;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::Result;
use mendlake_ports::place::Place;
use mendlake_ports::secrets::Secrets;

use crate::config::{Config, KeyFrom, Tables, Vendor};

/// Copies of `replay` that may run at once, as the template says: they share half of the stream's write rate.
const REPLAYS: u32 = 2;

/// The first date of the tables, as their projection in the template has it.
const FIRST_ON: chrono::NaiveDate = chrono::NaiveDate::from_ymd_opt(2000, 1, 1).expect("a date");

/// Coverage by SQL from the stack's tables.
pub fn athena(aws: &Aws, tables: &Tables) -> AthenaCoverage {
    AthenaCoverage::new(aws_sdk_athena::Client::new(aws.config()), &tables.workgroup, &tables.database, FIRST_ON)
}

/// Finnhub with keys from Secrets Manager.
pub type Finnhub<C, T> = FinnhubClient<T, Arc<SecretsManager<C>>>;

/// One configured source of candles.
pub type VendorCandles<C, T> = Candles<Finnhub<C, T>, AlpacaClient<T, Arc<SecretsManager<C>>>>;

/// The place on AWS, over any clock and any HTTP to the vendors.
pub struct AwsPlace<C, T> {
    clock: C,
    live: SqsQueue<C>,
    replay: SqsQueue<C>,
    stream: KinesisStream<C>,
    ledger: DynamoDbLedger<C>,
    lake: S3Lake,
    finnhub: Finnhub<C, T>,
    candles: Vec<VendorCandles<C, T>>,
    secrets: Arc<SecretsManager<C>>,
}

/// Whose writes to the stream these are: replay leaves half of its rate to live collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// As fast as they come.
    Live,
    /// At most a share.
    Replay,
}

impl<C: Clock + Clone, T: Transport + Clone> AwsPlace<C, T> {
    /// The place that a configuration names, with its lake made where there is none. `id` tells this process from every
    /// other, `transport` gives HTTP to a vendor's address. `Rejected` where bucket and table are of two stacks.
    pub async fn open(
        aws: &Aws,
        config: &Config,
        clock: C,
        id: u64,
        writes: Writes,
        transport: impl Fn(&str) -> Result<T>,
    ) -> Result<Self> {
        let s3 = aws_sdk_s3::Client::new(aws.config());
        let lake = S3Lake::open_or_make(s3, &config.bucket, "", clock.now()).await?;
        let place = Self::over(lake, aws, config, clock, id, writes, transport)?;
        place.ledger.belongs_to(&place.lake.url(), place.lake.created_at()).await?;
        Ok(place)
    }

    /// The same over a lake that is open already.
    pub fn over(
        lake: S3Lake,
        aws: &Aws,
        config: &Config,
        clock: C,
        id: u64,
        writes: Writes,
        transport: impl Fn(&str) -> Result<T>,
    ) -> Result<Self> {
        let sqs = aws_sdk_sqs::Client::new(aws.config());
        let kinesis = aws_sdk_kinesis::Client::new(aws.config());
        let stream = KinesisStream::new(kinesis, config.stream.clone(), clock.clone(), id);
        let ledger = aws_sdk_dynamodb::Client::new(aws.config());
        let secrets = Arc::new(secrets(aws, config, clock.clone()));
        let finnhub =
            FinnhubClient::new(transport(&config.finnhub.base_url)?, secrets.clone(), config.finnhub.rate_limit);
        let mut candles = vec![Candles::Finnhub(finnhub.clone())];
        if config.alpaca.key.is_some() {
            let transport = transport(&config.alpaca.base_url)?;
            candles.push(Candles::Alpaca(AlpacaClient::new(transport, secrets.clone(), config.alpaca.rate_limit)));
        }
        Ok(Self {
            live: SqsQueue::new(sqs.clone(), &config.live_queue_url, clock.clone()),
            replay: SqsQueue::new(sqs, &config.replay_queue_url, clock.clone()),
            stream: match writes {
                Writes::Live => stream,
                Writes::Replay => stream.paced(WriteShare::new(config.shards, REPLAYS)),
            },
            ledger: DynamoDbLedger::new(ledger, &config.table, format!("{id:016x}"), clock.clone()),
            lake,
            clock,
            finnhub,
            candles,
            secrets,
        })
    }

    /// The vendors' keys.
    pub fn secrets(&self) -> &impl Secrets {
        &self.secrets
    }
}

/// The keys, each where the configuration says.
fn secrets<C: Clock>(aws: &Aws, config: &Config, clock: C) -> SecretsManager<C> {
    let client = aws_sdk_secretsmanager::Client::new(aws.config());
    let place = |name: &str, vendor: &Vendor| {
        let place = match vendor.key.clone()? {
            KeyFrom::Secret(id) => SecretPlace::Kept(id),
            KeyFrom::Environment { variable, text } => SecretPlace::Given { text, from: variable.to_owned() },
        };
        Some((name.to_owned(), place))
    };
    let places = [place(finnhub::client::NAME, &config.finnhub), place(alpaca::client::SECRET_NAME, &config.alpaca)];
    SecretsManager::new(client, clock, places.into_iter().flatten())
}

impl<C: Clock, T: Transport> Place for AwsPlace<C, T> {
    type Clock = C;
    type Queue = SqsQueue<C>;
    type Stream = KinesisStream<C>;
    type Lake = S3Lake;
    type Ledger = DynamoDbLedger<C>;
    type Quotes = Finnhub<C, T>;
    type Candles = VendorCandles<C, T>;
    type Facts = Finnhub<C, T>;

    fn clock(&self) -> &C {
        &self.clock
    }

    fn live_queue(&self) -> &SqsQueue<C> {
        &self.live
    }

    fn replay_queue(&self) -> &SqsQueue<C> {
        &self.replay
    }

    fn stream(&self) -> &KinesisStream<C> {
        &self.stream
    }

    fn lake(&self) -> &S3Lake {
        &self.lake
    }

    fn ledger(&self) -> &DynamoDbLedger<C> {
        &self.ledger
    }

    fn quotes(&self) -> &Finnhub<C, T> {
        &self.finnhub
    }

    fn candles(&self) -> &[VendorCandles<C, T>] {
        &self.candles
    }

    fn facts(&self) -> &Finnhub<C, T> {
        &self.finnhub
    }
}
