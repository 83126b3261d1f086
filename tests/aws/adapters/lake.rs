//! The lake in a bucket of a stand-in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use mendlake_adapters::aws::lake::S3Lake;
use mendlake_adapters::disk::DiskLake;
use mendlake_aws_tests::{Server, StandIns};
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::{Basis, Day, Price, Row, StoredRow};
use mendlake_ports::contracts;
use mendlake_ports::control::{Control, Log};
use mendlake_ports::lake::{Lake, NewObject};
use mendlake_ports::sessions::Sessions;
use mendlake_ports::set_aside::SetAside;
use mendlake_ports::stream::Batch;

use super::machine::run;

/// More objects than a page of a listing holds.
const MORE_THAN_A_PAGE: i64 = 1_050;

/// What breaks an object.
type Damage = fn(&[u8]) -> Vec<u8>;

pub(crate) fn every_port_keeps_its_contract(standins: &StandIns) {
    let server = standins.ministack();
    run(async {
        let client = bucket(&server).await;
        for prefix in ["", "lakes/one"] {
            let lake = made(&client, prefix).await;
            let again = S3Lake::open(client.clone(), BUCKET, prefix).await.expect("a lake");
            contracts::lake::all(&lake, &again).await;
            contracts::control::all(&lake, &again).await;
            contracts::sessions::all(&lake, &again).await;
            // As below, `damage` is no future.
            let damage = |name: &str| {
                let path = format!("{prefix}/parked/{name}.json");
                let key = path.trim_start_matches('/');
                let broken = async { put(&Client::new(server.aws(1).config()), key, b"half".to_vec()).await };
                std::thread::scope(|scope| scope.spawn(|| run(broken)).join().expect("broken"));
            };
            contracts::set_aside::all(&lake, &again, damage).await;
        }
    });
}

pub(crate) fn an_unreadable_object_is_named(standins: &StandIns) {
    let server = standins.ministack();
    let damages: [Damage; 3] =
        [|bytes| bytes[..bytes.len() / 2].to_vec(), |_| Vec::new(), |bytes| vec![0; bytes.len()]];
    run(async {
        let client = bucket(&server).await;
        for (number, damage) in damages.into_iter().enumerate() {
            let prefix = format!("damaged/{number}");
            let lake = made(&client, &prefix).await;
            let fresh = S3Lake::open(client.clone(), BUCKET, &prefix).await.expect("a lake");
            // The suite's `damage` is no future: another thread, with a client of its own, asks meanwhile.
            let break_it = |dt: chrono::NaiveDate| {
                let folder = format!("{prefix}/quotes/dt={dt}/");
                let broken = async {
                    let client = Client::new(server.aws(1).config());
                    let key = keys(&client, &folder).await.remove(0);
                    let bytes = read(&client, &key).await;
                    put(&client, &key, damage(&bytes)).await;
                    key[folder.len()..].to_owned()
                };
                std::thread::scope(|scope| scope.spawn(|| run(broken)).join().expect("broken"))
            };
            contracts::lake::an_unreadable_object_is_named(&lake, || fresh, break_it).await;
        }
    });
}

pub(crate) fn a_lake_copied_from_disk_or_to_it_reads_alike(standins: &StandIns) {
    let server = standins.ministack();
    run(async {
        let client = bucket(&server).await;
        // From disk: every stored form there is.
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../formats/golden/lake-v1");
        for (path, bytes) in files(&golden) {
            put(&client, &format!("copy/{path}"), bytes).await;
        }
        let disk = DiskLake::open(&golden).expect("a lake");
        let s3 = S3Lake::open(client.clone(), BUCKET, "copy").await.expect("a lake");
        assert_eq!(s3.created_at(), disk.created_at());
        alike(&s3, &disk).await;
        let objects = disk.objects().expect("objects");
        assert_eq!(s3.objects().await.expect("objects"), objects);
        for object in objects {
            let footer = disk.verify_object(&object).expect("whole");
            assert_eq!(s3.verify_object(&object).await.expect("whole"), footer);
        }
        // To disk: the same, written in S3.
        let written = made(&client, "written").await;
        rewrite(&disk, &written).await;
        let folder = tempfile::tempdir().expect("a folder");
        for key in keys(&client, "written/").await {
            let path = folder.path().join(key.strip_prefix("written/").expect("under it"));
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, read(&client, &key).await).expect("written");
        }
        alike(&DiskLake::open(folder.path()).expect("a lake"), &disk).await;
        let names = |root: &Path| files(root).into_keys().collect::<Vec<_>>();
        assert_eq!(names(folder.path()), names(&golden));
    });
}

pub(crate) fn a_date_of_more_objects_than_a_page_is_read_whole(standins: &StandIns) {
    let server = standins.ministack();
    run(async {
        let client = bucket(&server).await;
        let lake = made(&client, "").await;
        let from: Minute = "2026-11-20T00:00:00Z".parse().expect("a minute");
        for minute in 0..MORE_THAN_A_PAGE {
            lake.publish(&object(from + minute)).await.expect("published");
        }
        let fresh = S3Lake::open(client, BUCKET, "").await.expect("a lake");
        let symbol = "A".parse().expect("symbol");
        let covered = fresh.coverage(from, from + 1440).await.expect("coverage").present(&symbol).len();
        assert_eq!(covered as i64, MORE_THAN_A_PAGE);
        let rows = fresh.rows(&[symbol].into(), from + 1_000, from + 1_002).await.expect("rows");
        assert_eq!(rows.len(), 2);
        assert_eq!(fresh.objects().await.expect("objects").len() as i64, MORE_THAN_A_PAGE);
    });
}

pub(crate) fn a_missing_bucket_is_refused_by_name(standins: &StandIns) {
    let server = standins.ministack();
    run(async {
        let client = Client::new(server.aws(1).config());
        let error = S3Lake::open(client, "nobodys-bucket", "").await.expect_err("no bucket");
        assert_eq!(error.kind, mendlake_ports::Kind::Rejected);
        assert!(error.chain().contains("s3://nobodys-bucket/"), "{}", error.chain());
    });
}

/// Both lakes answer alike.
async fn alike<A, B>(one: &A, other: &B)
where
    A: Lake + Control + Sessions + SetAside,
    B: Lake + Control + Sessions + SetAside,
{
    let (from, to) = ("2026-11-19T00:00:00Z", "2026-11-22T00:00:00Z");
    let [from, to]: [Minute; 2] = [from, to].map(|text| text.parse().expect("a minute"));
    let coverage = one.coverage(from, to).await.expect("coverage");
    assert!(!coverage.0.is_empty());
    assert_eq!(coverage, other.coverage(from, to).await.expect("coverage"));
    let symbols = coverage.0.into_keys().collect();
    let rows = one.rows(&symbols, from, to).await.expect("rows");
    assert_eq!(rows, other.rows(&symbols, from, to).await.expect("rows"));
    let current = one.current(from.date(), to.date()).await.expect("current");
    assert_eq!(current, other.current(from.date(), to.date()).await.expect("current"));
    for log in Log::ALL {
        assert_eq!(one.read(log, 0).await.expect("entries"), other.read(log, 0).await.expect("entries"));
    }
    assert_eq!(one.quarantined().await.expect("all"), other.quarantined().await.expect("all"));
    assert_eq!(parked(one).await, parked(other).await);
}

/// Writes what a lake holds into another, through its ports.
async fn rewrite(from: &DiskLake, to: &S3Lake) {
    let object = from.objects().expect("objects").remove(0);
    let day: Minute = format!("{}T00:00:00Z", object.dt).parse().expect("a minute");
    let symbols = from.coverage(day, day + 1440).await.expect("coverage").0.into_keys().collect();
    let rows = from.rows(&symbols, day, day + 1440).await.expect("rows");
    let [stream_id, shard, first_sequence] = ["4f2c9a", "shardId-000000000000", "4965"].map(str::to_owned);
    to.publish(&NewObject { dt: object.dt, stream_id, shard, first_sequence, rows }).await.expect("published");
    Sessions::append(to, &from.current(object.dt, object.dt).await.expect("current")).await.expect("appended");
    for log in Log::ALL {
        for (index, entry) in from.read(log, 0).await.expect("entries").iter().enumerate() {
            Control::append(to, log, index + 1, entry).await.expect("appended");
        }
    }
    for rejected in from.quarantined().await.expect("all") {
        to.quarantine(&rejected).await.expect("set aside");
    }
    for batch in parked(from).await {
        to.park(&batch, "publish an object: no space is left").await.expect("parked");
    }
}

/// Every parked batch.
async fn parked(lake: &impl SetAside) -> Vec<Batch> {
    let mut batches = Vec::new();
    for name in lake.parked().await.expect("names") {
        batches.extend(lake.parked_batch(&name).await.expect("read"));
    }
    batches
}

fn object(minute: Minute) -> NewObject {
    let price = Price::new(100.25).expect("a price");
    let row = Row {
        symbol: "A".parse().expect("symbol"),
        minute,
        price,
        basis: Basis::Quote,
        source: "finnhub".parse().expect("source"),
        traded_at: Some(minute.start()),
        day: Day::default(),
        observed_at: minute.start().plus_ms(1_600),
        revision: 0,
    };
    let rows = vec![StoredRow { row, stored_at: minute.start().plus_ms(1_700) }];
    let [stream_id, shard] = ["4f2c", "0"].map(str::to_owned);
    NewObject { dt: minute.date(), stream_id, shard, first_sequence: minute.index().to_string(), rows }
}

const BUCKET: &str = "lake";

async fn bucket(server: &Server) -> Client {
    let client = Client::new(server.aws(1).config());
    client.create_bucket().bucket(BUCKET).send().await.expect("a bucket");
    client
}

async fn made(client: &Client, prefix: &str) -> S3Lake {
    let now = Timestamp::from_epoch_s(1_795_185_000);
    S3Lake::open_or_make(client.clone(), BUCKET, prefix, now).await.expect("a lake")
}

async fn put(client: &Client, key: &str, bytes: Vec<u8>) {
    client.put_object().bucket(BUCKET).key(key).body(ByteStream::from(bytes)).send().await.expect("put");
}

async fn read(client: &Client, key: &str) -> Vec<u8> {
    let object = client.get_object().bucket(BUCKET).key(key).send().await.expect("an object");
    object.body.collect().await.expect("its body").to_vec()
}

async fn keys(client: &Client, prefix: &str) -> Vec<String> {
    let page = client.list_objects_v2().bucket(BUCKET).prefix(prefix).send().await.expect("listed");
    page.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect()
}

/// Every file under a folder, by its path in it.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).expect("inside").to_string_lossy().into_owned();
                found.insert(name, std::fs::read(path).expect("a file"));
            }
        }
    }
    found
}
