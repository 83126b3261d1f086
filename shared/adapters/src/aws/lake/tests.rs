//! The lake on a bucket in memory: what a service does is tried on a stand-in, what one never does is tried here.

use std::collections::BTreeSet;

use mendlake_domain::coverage::Coverage;
use mendlake_domain::minute::Minute;
use mendlake_ports::contracts;
use mendlake_ports::control::{Control, Log};
use mendlake_ports::lake::{Lake, Published};
use mendlake_ports::sessions::Sessions;
use mendlake_ports::set_aside::SetAside;
use serde_json::Value;

use super::fake::Fake;
use super::*;
use crate::aws::records::tests::event;
use crate::stored::listing::StoredObject;
use crate::stored::quotes::tests::{object, row};
use crate::stored::statuses::tests::status;

const BUCKET: &str = "lake";

fn now() -> Timestamp {
    Timestamp::from_epoch_s(1_795_185_000)
}

async fn lake(prefix: &str) -> (Fake, S3Lake) {
    let fake = Fake::default();
    let lake = S3Lake::open_or_make(fake.client().0, BUCKET, prefix, now()).await.expect("a lake");
    (fake, lake)
}

async fn reopened(fake: &Fake, prefix: &str) -> S3Lake {
    S3Lake::open(fake.client().0, BUCKET, prefix).await.expect("a lake")
}

async fn coverage_of_all(lake: &S3Lake) -> Result<Coverage> {
    lake.coverage(row("A", -3000).row.minute, row("A", 3000).row.minute).await
}

fn symbols() -> BTreeSet<mendlake_domain::symbol::Symbol> {
    BTreeSet::from(["A".parse().expect("symbol")])
}

async fn rows_of_all(lake: &S3Lake) -> Result<Vec<mendlake_domain::quote::StoredRow>> {
    lake.rows(&symbols(), row("A", -3000).row.minute, row("A", 3000).row.minute).await
}

/// Publishes an object of a minute of `A`, each of another batch; gives its key.
async fn publish(lake: &S3Lake, minute: i64) -> String {
    let mut object = object(vec![row("A", minute)]);
    object.first_sequence = minute.to_string();
    assert_eq!(lake.publish(&object).await.expect("published"), Published::New);
    let name = crate::stored::quotes::prepare(&object).expect("prepared").name;
    format!("quotes/dt={}/{name}", object.dt)
}

#[tokio::test]
async fn every_port_keeps_its_contract_with_and_without_a_prefix() {
    for prefix in ["", "lakes/one"] {
        let (fake, lake) = lake(prefix).await;
        let again = reopened(&fake, prefix).await;
        contracts::lake::all(&lake, &again).await;
        contracts::control::all(&lake, &again).await;
        contracts::sessions::all(&lake, &again).await;
        let damage = |name: &str| fake.put(&lake.bucket.key(&format!("parked/{name}.json")), b"{\"v\":1,");
        contracts::set_aside::all(&lake, &again, damage).await;
        let outside = fake.objects().into_keys().find(|key| !key.starts_with(prefix));
        assert_eq!(outside, None, "everything is under the prefix");
    }
}

#[tokio::test]
async fn an_unreadable_object_is_corrupt_and_named() {
    let damages: [fn(Vec<u8>) -> Vec<u8>; 3] =
        [|bytes| bytes[..bytes.len() / 2].to_vec(), |_| Vec::new(), |bytes| vec![0; bytes.len()]];
    for damage in damages {
        let (fake, lake) = lake("").await;
        let fresh = reopened(&fake, "").await;
        let break_it = |dt: NaiveDate| {
            let folder = format!("quotes/dt={dt}/");
            let (key, bytes) = fake.objects().into_iter().find(|(key, _)| key.starts_with(&folder)).expect("one");
            fake.put(&key, &damage(bytes));
            key[folder.len()..].to_owned()
        };
        contracts::lake::an_unreadable_object_is_named(&lake, || fresh, break_it).await;
    }
}

#[tokio::test]
async fn a_foreign_object_is_corrupt_and_named_and_others_are_ignored() {
    let (fake, lake) = lake("").await;
    let key = publish(&lake, 0).await;
    fake.put("quotes/dt=2026-11-20/notes.txt", b"x");
    fake.put("quotes/dt=yesterday/part-0.parquet", b"x");
    fake.put("quotes/dt=2026-11-20/", b"");
    assert_eq!(coverage_of_all(&lake).await.expect("coverage").0.len(), 1);
    let dt = row("A", 0).row.minute.date();
    let objects = lake.objects().await.expect("objects");
    assert_eq!(objects, [StoredObject { dt, name: key.rsplit('/').next().expect("a name").to_owned() }]);
    assert_eq!(lake.verify_object(&objects[0]).await.expect("whole").rows, 1);
    fake.put("quotes/dt=2026-11-20/part-0.parquet", b"x");
    for error in [coverage_of_all(&lake).await.map(drop), lake.objects().await.map(drop)] {
        let error = error.expect_err("foreign");
        assert_eq!(error.kind, Kind::Corrupt);
        let chain = error.chain();
        assert!(chain.contains("`part-0.parquet` in `s3://lake/quotes/dt=2026-11-20`"), "{chain}");
    }
    assert_eq!(lake.listing().await.expect("listed").foreign[0].name, "part-0.parquet");
}

#[tokio::test]
async fn an_object_that_is_gone_when_it_is_read_is_left_out_after_a_second_listing() {
    let (fake, lake) = lake("").await;
    let keys = [publish(&lake, 0).await, publish(&lake, 1).await];
    fake.leave_ghost(&keys[0], 1);
    let one = Coverage::of([&row("A", 1).row]);
    assert_eq!(coverage_of_all(&lake).await.expect("coverage"), one);
    // A footer that is known, and an object that went since.
    let third = publish(&lake, 2).await;
    assert_eq!(coverage_of_all(&lake).await.expect("coverage").present(&"A".parse().expect("symbol")).len(), 2);
    fake.leave_ghost(&third, 1);
    assert_eq!(rows_of_all(&lake).await.expect("rows"), [row("A", 1)]);
    let fourth = publish(&lake, 3).await;
    fake.leave_ghost(&fourth, 100);
    for error in [coverage_of_all(&lake).await.map(drop), rows_of_all(&lake).await.map(drop)] {
        let error = error.expect_err("listed for ever");
        assert_eq!(error.kind, Kind::Unavailable, "never an answer with less than there may be");
        assert!(error.chain().contains(&fourth), "{}", error.chain());
    }
}

#[tokio::test]
async fn a_status_that_is_gone_when_it_is_read_is_left_out_after_a_second_listing() {
    let (fake, lake) = lake("").await;
    let on = status(0).on;
    Sessions::append(&lake, &[status(0)]).await.expect("appended");
    let first = fake.objects().into_keys().find(|key| key.starts_with("sessions/")).expect("an object");
    Sessions::append(&lake, &[status(60)]).await.expect("appended");
    let second = fake.objects().into_keys().find(|key| key.starts_with("sessions/") && *key != first);
    fake.leave_ghost(&second.expect("another"), 1);
    assert_eq!(lake.current(on, on).await.expect("current"), [status(0)]);
    fake.leave_ghost(&first, 100);
    let fresh = reopened(&fake, "").await;
    let error = fresh.current(on, on).await.expect_err("listed for ever");
    assert!(error.kind == Kind::Unavailable && error.chain().contains(&first), "{}", error.chain());
}

#[tokio::test]
async fn a_footer_is_asked_for_once_and_only_dates_of_the_range_are_listed() {
    let (fake, lake) = lake("").await;
    for minute in [0, 1, 1440] {
        publish(&lake, minute).await;
    }
    let (client, log) = fake.client();
    let fresh = S3Lake::open(client, BUCKET, "").await.expect("a lake");
    let (from, to) = (row("A", 0).row.minute, row("A", 60).row.minute);
    let marker = log.asked().len();
    fresh.coverage(from, to).await.expect("coverage");
    let gets = |skip: usize| log.asked().iter().skip(skip).filter(|asked| asked.header("range").is_some()).count();
    assert_eq!((gets(marker), log.asked().len() - marker), (2, 3), "one page of one date, two footers");
    fresh.coverage(from, to).await.expect("coverage");
    assert_eq!(log.asked().len() - marker, 4, "a listing");
    assert!(log.asked()[marker..].iter().all(|asked| !asked.path.contains("2026-11-21")), "{:?}", log.asked());
}

#[tokio::test]
async fn an_enormous_range_asks_for_the_dates_there_are() {
    let (fake, lake) = lake("").await;
    for minute in [0, 1440 * 40, 1440 * 80, 1440 * 120] {
        publish(&lake, minute).await;
    }
    let (client, log) = fake.client();
    let fresh = S3Lake::open(client, BUCKET, "").await.expect("a lake");
    let [least, most] = [i64::MIN, i64::MAX].map(Minute::from_index);
    let covered = fresh.coverage(least, most).await.expect("coverage");
    assert_eq!(covered.present(&"A".parse().expect("symbol")).len(), 4);
    assert!(log.asked().len() < 20, "{}", log.asked().len());
    assert_eq!(fresh.coverage(most, least).await.expect("nothing"), Coverage::default());
    assert_eq!(fresh.oldest_on().await.expect("listed"), Some(row("A", 0).row.minute.date()));
    assert_eq!(fresh.current(NaiveDate::MIN, NaiveDate::MAX).await.expect("current"), []);
}

#[tokio::test]
async fn a_missing_control_entry_is_corrupt_and_named() {
    let (fake, lake) = lake("").await;
    for number in 1..=5 {
        Control::append(&lake, Log::Overlay, number, b"{}").await.expect("appended");
    }
    fake.remove("control/overlay/00000002.json").expect("an entry");
    let error = lake.read(Log::Overlay, 0).await.expect_err("a hole");
    assert_eq!(error.kind, Kind::Corrupt);
    assert!(error.chain().contains("`overlay`: entry 2 is missing"), "{}", error.chain());
}

#[tokio::test]
async fn batches_that_lambda_gave_up_are_parked_too_and_can_be_taken_away() {
    let (fake, lake) = lake("lakes/one").await;
    let event = event(&["shardId-000000000006:4954"]);
    let records: crate::aws::records::Records = serde_json::from_value(event.clone()).expect("an event");
    let batch = records.batch().expect("a batch");
    let key = "aws/lambda/f89f8514-cdd9-4602-9e1f-01a5b77d449b/shardId-000000000006/2026/11/20/\
               2026-11-20T20.30.02-5a6b1c2e-0000-4000-8000-000000000000";
    fake.put(key, &invocation::tests::record(Some(Value::String(event.to_string()))));
    fake.put("aws/lambda/", b"");
    let mut younger = batch.clone();
    younger.records[0].arrived_at = younger.records[0].arrived_at.plus_s(60);
    let mut older = batch.clone();
    older.records[0].arrived_at = older.records[0].arrived_at.plus_s(-60);
    for own in [&younger, &older] {
        lake.park(own, "why").await.expect("parked");
    }
    let mut parked = Vec::new();
    for name in lake.parked().await.expect("parked") {
        parked.push(lake.parked_batch(&name).await.expect("read").expect("there"));
    }
    assert_eq!(parked, [older, younger, batch], "those by Lambda come after the lake's own");
    assert_eq!(lake.parked().await.expect("parked")[2], key);
    for name in [key, "../mendlake", "no-such-batch"] {
        lake.unpark(name).await.expect("unparked");
    }
    assert_eq!(lake.parked().await.expect("parked").len(), 2);
    assert_eq!(lake.parked_batch(key).await.expect("read"), None, "it was taken away");
    reopened(&fake, "lakes/one").await;
}

#[tokio::test]
async fn what_is_no_batch_of_lambdas_is_named_and_batches_come_in_the_order_they_were_given_up() {
    let (fake, lake) = lake("").await;
    let key = |shard: &str, at: &str| format!("aws/lambda/f89f/{shard}/2026/11/20/2026-11-20T{at}-5a6b1c2e");
    let (first, second) = (key("shardId-000000000006", "20.30.02"), key("shardId-000000000001", "20.30.03"));
    let whole = event(&["shardId-000000000006:4954"]).to_string();
    fake.put(&first, &invocation::tests::record(Some(Value::String(whole))));
    for foreign in [&b"half"[..], b"", b"{}", &invocation::tests::record(None)] {
        fake.put(&second, foreign);
        assert_eq!(lake.parked().await.expect("parked"), [first.clone(), second.clone()]);
        let error = lake.parked_batch(&second).await.expect_err("corrupt");
        assert!(error.kind == Kind::Corrupt && error.chain().contains(&second), "{}", error.chain());
        assert!(lake.parked_batch(&first).await.expect("read").is_some());
    }
}

#[tokio::test]
async fn a_bucket_that_is_no_lake_is_refused_and_says_what_to_do() {
    let fake = Fake::default();
    let error = S3Lake::open(fake.client().0, BUCKET, "lakes/one").await.expect_err("no lake");
    assert_eq!(error.kind, Kind::Rejected);
    let chain = error.chain();
    assert!(chain.contains("`s3://lake/lakes/one/`") && chain.contains("make a lake there"), "{chain}");
    let error = S3Lake::open(fake.client().0, "", "").await.expect_err("no name");
    assert!(error.kind == Kind::Rejected && error.chain().contains("name the lake's bucket"), "{}", error.chain());
    fake.put("mendlake.json", br#"{"v":2,"created_at":"2026-11-20T14:30:00.000Z"}"#);
    let error = S3Lake::open_or_make(fake.client().0, BUCKET, "", now()).await.expect_err("newer");
    assert!(error.kind == Kind::Rejected && error.chain().contains("use the newer release"), "{}", error.chain());
}

#[tokio::test]
async fn a_lake_is_made_once_by_whoever_comes_first_and_not_where_one_lost_its_marker() {
    let fake = Fake::default();
    let one = S3Lake::open_or_make(fake.client().0, BUCKET, "", now());
    let other = S3Lake::open_or_make(fake.client().0, BUCKET, "", now().plus_s(1));
    let (one, other) = futures_util::future::join(one, other).await;
    let (one, other) = (one.expect("a lake"), other.expect("a lake"));
    assert_eq!(one.created_at(), other.created_at());
    assert_eq!(one.url(), "s3://lake/");
    publish(&one, 0).await;
    fake.remove("mendlake.json").expect("the marker");
    let error = S3Lake::open_or_make(fake.client().0, BUCKET, "", now()).await.expect_err("no marker");
    assert!(error.kind == Kind::Rejected && error.chain().contains("restore it"), "{}", error.chain());
}

#[tokio::test]
async fn a_lake_is_made_where_only_control_logs_and_what_aws_itself_writes_are() {
    let fake = Fake::default();
    let entry = br#"{"v":1}"#;
    for key in ["control/watchlist/00000001.json", "aws/lambda/lost.json", "athena/people/answer.csv"] {
        fake.put(key, entry);
    }
    let lake = S3Lake::open_or_make(fake.client().0, BUCKET, "", now()).await.expect("a lake");
    assert_eq!(lake.created_at(), now());
    assert_eq!(Control::read(&lake, Log::Watchlist, 0).await.expect("read"), [entry.to_vec()]);
    fake.remove("mendlake.json").expect("the marker");
    fake.put("sessions/dt=2026-11-20/lost.parquet", b"x");
    let error = S3Lake::open_or_make(fake.client().0, BUCKET, "", now()).await.expect_err("no marker");
    assert_eq!(error.kind, Kind::Rejected, "a table without a marker was another lake's");
}

/// Both ways: what one wrote the other reads, under the same names with the same bytes.
#[cfg(feature = "local")]
#[tokio::test]
async fn a_lake_on_disk_and_one_in_s3_are_the_same_files() {
    use mendlake_ports::stream::Batch;

    use crate::disk::DiskLake;

    async fn fill(lake: &(impl Lake + Control + Sessions + SetAside)) {
        lake.publish(&object(vec![row("A", 0), row("B", 1)])).await.expect("published");
        Sessions::append(lake, &[status(0)]).await.expect("appended");
        Control::append(lake, Log::Overlay, 1, b"{\"v\":1}").await.expect("appended");
        let rejected = mendlake_ports::set_aside::Rejected {
            at: now(),
            origin: "stream".into(),
            id: "0/17".into(),
            reason: "why".into(),
            input: b"\xff".to_vec(),
        };
        lake.quarantine(&rejected).await.expect("set aside");
        let batch = Batch { stream_id: "4f2c".into(), shard: "0".into(), records: vec![] };
        lake.park(&batch, "why").await.expect("parked");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let disk = DiskLake::create(folder.path(), now()).expect("a lake");
    fill(&disk).await;
    let (fake, s3) = lake("").await;
    fill(&s3).await;
    let mut files = fake.objects();
    for (key, bytes) in &files {
        let on_disk = std::fs::read(folder.path().join(key)).unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_eq!(&on_disk, bytes, "{key}");
    }
    for folder_of_disk in ["quotes/dt=2026-11-20", "sessions/dt=2026-11-20", "control/overlay", "parked"] {
        let names = std::fs::read_dir(folder.path().join(folder_of_disk)).expect("a folder");
        for name in names {
            let name = name.expect("an entry").file_name().into_string().expect("text");
            files.remove(&format!("{folder_of_disk}/{name}")).expect("in S3 too");
        }
    }
    assert_eq!(files.len(), 2, "the marker and the quarantine: {files:?}");
}
