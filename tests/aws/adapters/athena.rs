//! The query for coverage gives what the footers say: run by DuckDB on the files of a lake, and through a stand-in's Athena.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use aws_sdk_athena::types::{ResultConfiguration, WorkGroupConfiguration};
use aws_sdk_s3::Client as S3;
use mendlake_adapters::aws::athena::{AthenaCoverage, coverage_of, text};
use mendlake_adapters::aws::lake::S3Lake;
use mendlake_adapters::disk::{DiskLake, Survives};
use mendlake_aws_tests::{Server, StandIns};
use mendlake_domain::coverage::Coverage;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::{Basis, Day, Price, Row, StoredRow};
use mendlake_ports::Kind;
use mendlake_ports::lake::{Lake, NewObject};
use serde_json::json;

use super::machine::{MachineClock, run};

/// Ranges that begin and end at an hour, within one, at midnight and across it; of a single minute; where nothing is.
const RANGES: [(&str, &str); 7] = [
    ("2024-11-20T00:00:00Z", "2024-11-22T00:00:00Z"),
    ("2024-11-20T14:30:00Z", "2024-11-20T15:30:00Z"),
    ("2024-11-20T15:00:00Z", "2024-11-20T16:00:00Z"),
    ("2024-11-20T23:59:00Z", "2024-11-21T00:01:00Z"),
    ("2024-11-20T00:00:00Z", "2024-11-21T00:00:00Z"),
    ("2024-11-20T14:59:00Z", "2024-11-20T15:00:00Z"),
    ("2024-11-19T00:00:00Z", "2024-11-20T00:00:00Z"),
];

pub(crate) fn duckdb_gives_what_the_footers_say_in_any_zone(standins: &StandIns) {
    let folder = tempfile::tempdir().expect("a folder");
    let now = Timestamp::from_epoch_s(1_795_185_000);
    let lake = DiskLake::create(folder.path().join("lake"), now).expect("a lake").surviving(Survives::ProcessCrash);
    run(async {
        fill(&lake).await;
        for (from, to) in RANGES.map(range) {
            let footers = lake.coverage(from, to).await.expect("coverage");
            for zone in ["UTC", "Asia/Kolkata", "America/New_York"] {
                assert_eq!(by_duckdb(standins, folder.path(), from, to, zone), footers, "{from}..{to} in {zone}");
            }
        }
        let all = lake.coverage(range(RANGES[0]).0, range(RANGES[0]).1).await.expect("coverage");
        let held = &all.0["A"];
        let shown = (held.by_basis.len(), held.suspect.is_empty(), held.revised.is_empty());
        assert_eq!(shown, (4, false, false), "a sample worth comparing");
        assert_eq!(held.present().mask(range(RANGES[2]).0.hour()), (1 << 60) - 1, "a whole hour among it");
    });
}

pub(crate) fn a_stand_ins_athena_gives_what_the_footers_say(standins: &StandIns) {
    let server = standins.ministack();
    run(async {
        let aws = server.aws(1);
        let s3 = S3::new(aws.config());
        s3.create_bucket().bucket("lake").send().await.expect("a bucket");
        let now = Timestamp::from_epoch_s(1_795_190_000);
        let lake = S3Lake::open_or_make(s3, "lake", "", now).await.expect("a lake");
        fill(&lake).await;
        let client = aws_sdk_athena::Client::new(aws.config());
        table(&server, &client).await;
        let first_on = "2000-01-01".parse().expect("a date");
        let athena = AthenaCoverage::new(client.clone(), "reconciler", "lake", first_on);
        for (from, to) in RANGES.map(range) {
            let asked = athena.coverage(&MachineClock, from, to).await.expect("coverage");
            assert_eq!(asked.coverage, lake.coverage(from, to).await.expect("coverage"), "{from}..{to}");
        }
        let (from, to) = range(RANGES[0]);
        let opinion = athena.opinion(&MachineClock, &lake, from, to).await.expect("an opinion");
        assert_eq!((opinion.from, opinion.to, opinion.differ), (from, to, vec![]));
        let empty = DiskLake::create(server.folder().join("other"), now).expect("a lake");
        let opinion = athena.opinion(&MachineClock, &empty, from, to).await.expect("an opinion");
        assert_eq!(opinion.differ, ["A", "BRK.B", "^GSPC"].map(|symbol| symbol.parse().expect("symbol")));
        let nowhere = AthenaCoverage::new(client, "reconciler", "nowhere", first_on);
        let error = nowhere.coverage(&MachineClock, from, to).await.expect_err("no such table");
        assert!(error.chain().contains("quotes") && error.kind == Kind::Unavailable, "{}", error.chain());
    });
}

fn by_duckdb(standins: &StandIns, folder: &Path, from: Minute, to: Minute, zone: &str) -> Coverage {
    let query = folder.join("query.sql");
    std::fs::write(&query, text(from, to)).expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters/rows_of.py");
    let mut python = Command::new(standins.python());
    let output = python.arg(script).args([&folder.join("lake"), &query]).arg(zone).env("TZ", zone).output();
    let output = output.expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Vec<Option<String>>> = serde_json::from_slice(&output.stdout).expect("rows");
    coverage_of(rows.iter().map(|row| row.iter().map(Option::as_deref))).expect("coverage")
}

/// Every basis, suspects at their bound and beyond it, corrections, duplicates, a whole hour, the hour around midnight.
async fn fill(lake: &impl Lake) {
    let from = |text: &str| text.parse::<Minute>().expect("a minute");
    let afternoon: Vec<StoredRow> = (0..120).map(|n| live("A", from("2024-11-20T14:30:00Z") + n)).collect();
    let mut mixed = Vec::new();
    for (n, basis) in Basis::ALL.into_iter().cycle().take(40).enumerate() {
        let mut stored = live(["A", "BRK.B", "^GSPC"][n % 3], from("2024-11-20T23:40:00Z") + n as i64);
        let age_ms = [180_000, 180_001, 4_000_000][n / 3 % 3];
        stored.row.traded_at = (n % 5 != 0).then(|| stored.row.minute.start().plus_ms(-age_ms));
        stored.row.basis = basis;
        stored.row.revision = if n % 7 == 0 { 1_795_190_000 } else { 0 };
        mixed.push(stored);
    }
    let (before, after): (Vec<_>, Vec<_>) =
        mixed.into_iter().partition(|stored| stored.row.minute < from("2024-11-21T00:00:00Z"));
    for (number, rows) in [afternoon[..70].to_vec(), afternoon[50..].to_vec(), before, after].into_iter().enumerate() {
        let [stream_id, shard] = ["4f2c", "000000000000"].map(str::to_owned);
        let dt = rows[0].row.minute.date();
        let object = NewObject { dt, stream_id, shard, first_sequence: number.to_string(), rows };
        lake.publish(&object).await.expect("published");
    }
}

fn live(symbol: &str, minute: Minute) -> StoredRow {
    let row = Row {
        symbol: symbol.parse().expect("symbol"),
        minute,
        price: Price::new(100.25).expect("a price"),
        basis: Basis::Quote,
        source: "finnhub".parse().expect("source"),
        traded_at: Some(minute.start().plus_ms(-700)),
        day: Day::default(),
        observed_at: minute.start().plus_ms(1_600),
        revision: 0,
    };
    StoredRow { row, stored_at: minute.start().plus_ms(1_700) }
}

fn range((from, to): (&str, &str)) -> (Minute, Minute) {
    (from.parse().expect("a minute"), to.parse().expect("a minute"))
}

/// The workgroup, and the table as the template has it.
async fn table(server: &Server, client: &aws_sdk_athena::Client) {
    let results = ResultConfiguration::builder().output_location("s3://lake/athena/reconciler/").build();
    let configuration = WorkGroupConfiguration::builder().result_configuration(results).build();
    let make = client.create_work_group().name("reconciler").configuration(configuration);
    make.send().await.expect("a workgroup");
    glue(server, "CreateDatabase", &json!({ "DatabaseInput": { "Name": "lake" } }));
    let columns = [
        ("symbol", "string"),
        ("minute", "timestamp"),
        ("price", "double"),
        ("basis", "string"),
        ("source", "string"),
        ("traded_at", "timestamp"),
        ("day_open", "double"),
        ("day_high", "double"),
        ("day_low", "double"),
        ("prev_close", "double"),
        ("observed_at", "timestamp"),
        ("stored_at", "timestamp"),
        ("revision", "bigint"),
    ];
    let table = json!({
        "Name": "quotes",
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{ "Name": "dt", "Type": "date" }],
        "Parameters": { "EXTERNAL": "TRUE", "classification": "parquet" },
        "StorageDescriptor": {
            "Location": "s3://lake/quotes/",
            "Columns": columns.map(|(name, of)| json!({ "Name": name, "Type": of })),
        },
    });
    glue(server, "CreateTable", &json!({ "DatabaseName": "lake", "TableInput": table }));
}

/// Asks Glue, for whom there is no client here. The stand-in reads the account from the credentials and checks nothing.
fn glue(server: &Server, operation: &str, body: &serde_json::Value) {
    let body = body.to_string();
    let credentials = "000000000001/20261120/us-east-1/glue/aws4_request";
    let mut connection = TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
    let request = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-Amz-Target: AWSGlue.{operation}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={credentials}, SignedHeaders=host, Signature=0\r\n\
         Content-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).expect("asked");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200"), "{operation}: {answer}");
}
