//! Kinesis on ministack, in real time.
//!
//! What ministack does otherwise than Kinesis, and what is therefore not shown here:
//! - It enforces no shard's write rate and never half-fails: throttling and its order of outcomes are shown by canned
//!   answers, beside the adapter.
//! - It counts a record's data alone towards the mebibyte, Kinesis the key too: that the adapter refuses what Kinesis would
//!   is shown by its own check.
//! - Its sequence numbers have 30 digits that begin with zeros, those of Kinesis 56.
//! - A page that is empty though records follow does not occur there.
//! - Checkpoints, and what a retention spares, are the event source mapping's: that part of the contract is not run.

use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::types::ShardIteratorType;
use mendlake_adapters::aws::stream::{KinesisStream, StreamArn, WriteShare};
use mendlake_aws_tests::{Server, StandIns};
use mendlake_domain::minute::Timestamp;
use mendlake_ports::clock::Clock;
use mendlake_ports::contracts::{Fresh, stream};
use mendlake_ports::error::{Kind, Result};
use mendlake_ports::stream::{Batch, NewRecord, Stream, StreamConsumer, StreamRecord};

use crate::machine::{MachineClock, run};

pub(crate) fn the_stream_on_kinesis_keeps_its_contract_as_far_as_seconds_show(standins: &StandIns) {
    let server = standins.ministack();
    run(async {
        for (name, shards) in [("one", 1), ("three", 3)] {
            let stream = ReadBack::on(&server, name, shards).await;
            stream::in_seconds(&stream, &MachineClock, Fresh(0)).await;
        }
    });
}

pub(crate) fn more_records_and_bytes_than_a_call_takes_are_all_put_once(standins: &StandIns) {
    let server = standins.ministack();
    run(async {
        let stream = ReadBack::on(&server, "quotes", 2).await;
        let record = |n: usize, bytes: usize| NewRecord { partition_key: format!("k{n:04}"), data: vec![b'x'; bytes] };
        // One call of all of them would be refused whole.
        let mut records: Vec<_> = (0..1_201).map(|n| record(n, 10)).collect();
        records.extend((0..12).map(|n| record(2_000 + n, 1_000_000)));
        let outcomes = stream.append(&records).await.expect("append");
        assert!(outcomes.len() == records.len() && outcomes.iter().all(Result::is_ok));
        let mut read = stream.all().await;
        read.sort_by(|a, b| a.partition_key.cmp(&b.partition_key));
        let told = |key: &str, data: &[u8]| (key.to_owned(), data.len());
        let read: Vec<_> = read.iter().map(|r| told(&r.partition_key, &r.data)).collect();
        assert_eq!(read, records.iter().map(|r| told(&r.partition_key, &r.data)).collect::<Vec<_>>());
    });
}

pub(crate) fn a_paced_stream_takes_the_time_its_share_takes(standins: &StandIns) {
    let server = standins.ministack();
    run(async {
        let stream = ReadBack::on(&server, "quotes", 1).await;
        let records: Vec<_> =
            (0..10).map(|n| NewRecord { partition_key: n.to_string(), data: vec![b'x'; 124_999] }).collect();
        let start = MachineClock.now();
        let outcomes = stream.writing.append(&records).await.expect("append");
        assert!(outcomes.iter().all(Result::is_ok) && MachineClock.now().ms_since(start) < 2_000, "live does not wait");
        let paced = stream.another().paced(WriteShare::new(1, 1));
        let start = MachineClock.now();
        let outcomes = paced.append(&records).await.expect("append");
        let took_ms = MachineClock.now().ms_since(start);
        assert!(outcomes.iter().all(Result::is_ok) && took_ms >= 9 * 250, "1.25 MB in {took_ms} ms");
    });
}

pub(crate) fn the_stream_of_another_account_is_denied_by_name(standins: &StandIns) {
    let server = standins.ministack();
    run(async {
        let arn: StreamArn = "arn:aws:kinesis:us-east-1:000000000007:stream/nowhere".parse().expect("an arn");
        let stream = KinesisStream::new(Client::new(server.aws(1).config()), arn, MachineClock, 1);
        let record = NewRecord { partition_key: "k".into(), data: vec![] };
        let error = stream.append(&[record]).await.expect("each is told").remove(0).expect_err("refused");
        assert!(error.kind == Kind::Denied && error.chain().contains("`nowhere`"), "{}", error.chain());
    });
}

/// The writing end under test, and a reading end that only tests have: a function is handed its batches.
struct ReadBack {
    client: Client,
    arn: StreamArn,
    writing: KinesisStream<MachineClock>,
    /// By shard.
    checkpoints: Mutex<BTreeMap<String, String>>,
}

impl ReadBack {
    async fn on(server: &Server, name: &str, shards: i32) -> Self {
        let client = Client::new(server.aws(1).config());
        client.create_stream().stream_name(name).shard_count(shards).send().await.expect("a stream");
        let told = client.describe_stream_summary().stream_name(name).send().await.expect("its summary");
        let arn = told.stream_description_summary().expect("a summary").stream_arn();
        let arn: StreamArn = arn.parse().expect("the service's own name for it");
        let writing = KinesisStream::new(client.clone(), arn.clone(), MachineClock, 1);
        Self { client, arn, writing, checkpoints: Mutex::default() }
    }

    fn another(&self) -> KinesisStream<MachineClock> {
        KinesisStream::new(self.client.clone(), self.arn.clone(), MachineClock, 2)
    }

    async fn all(&self) -> Vec<StreamRecord> {
        let mut all = Vec::new();
        for shard in self.shards().await.expect("shards") {
            loop {
                let records = self.read(&shard, 1_000).await.expect("read").records;
                let Some(last) = records.last() else { break };
                self.checkpoint(&shard, &last.sequence).await.expect("checkpoint");
                all.extend(records);
            }
        }
        all
    }
}

impl Stream for ReadBack {
    async fn append(&self, records: &[NewRecord]) -> Result<Vec<Result<()>>> {
        self.writing.append(records).await
    }
}

impl StreamConsumer for ReadBack {
    async fn shards(&self) -> Result<Vec<String>> {
        let told = self.client.list_shards().stream_arn(self.arn.as_str()).send().await.expect("list shards");
        Ok(told.shards().iter().map(|shard| shard.shard_id().to_owned()).collect())
    }

    async fn read(&self, shard: &str, max: usize) -> Result<Batch> {
        let checkpoint = self.checkpoints.lock().expect("no test panics inside").get(shard).cloned();
        let from = self.client.get_shard_iterator().stream_arn(self.arn.as_str()).shard_id(shard);
        let from = match checkpoint {
            Some(sequence) => {
                from.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(sequence)
            }
            None => from.shard_iterator_type(ShardIteratorType::TrimHorizon),
        };
        let from = from.send().await.expect("a place in the shard");
        let from = from.shard_iterator().expect("an iterator").to_owned();
        let max = i32::try_from(max).expect("a test reads few");
        let told = self.client.get_records().shard_iterator(from).limit(max).send().await.expect("records");
        let record = |record: &aws_sdk_kinesis::types::Record| StreamRecord {
            sequence: record.sequence_number().to_owned(),
            arrived_at: Timestamp::from_epoch_ms(
                record.approximate_arrival_timestamp().expect("a time").to_millis().expect("of this era"),
            ),
            partition_key: record.partition_key().unwrap_or_default().to_owned(),
            data: record.data().as_ref().to_vec(),
        };
        let records = told.records().iter().map(record).collect();
        Ok(Batch { stream_id: self.arn.id(), shard: shard.to_owned(), records })
    }

    async fn checkpoint(&self, shard: &str, sequence: &str) -> Result<()> {
        self.checkpoints.lock().expect("no test panics inside").insert(shard.to_owned(), sequence.to_owned());
        Ok(())
    }
}
