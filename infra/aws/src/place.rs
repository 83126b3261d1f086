//! The place on AWS: SQS, Kinesis, S3 and DynamoDB, the vendors over HTTP.

use mendlake_adapters::alpaca::{self, AlpacaClient};
use mendlake_adapters::aws::Aws;
use mendlake_adapters::aws::lake::S3Lake;
use mendlake_adapters::aws::ledger::DynamoDbLedger;
use mendlake_adapters::aws::queue::SqsQueue;
use mendlake_adapters::aws::stream::KinesisStream;
use mendlake_adapters::finnhub::{self, FinnhubClient};
use mendlake_adapters::http::Transport;
use mendlake_adapters::vendor::Candles;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::Result;
use mendlake_ports::place::Place;

use crate::config::Config;
use crate::keys::Keys;
