//! DuckDB, pandas and pyarrow read both tables, and the shipped queries give the local reader's answers, in any zone.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use mendlake_adapters::disk::{DiskLake, Survives};
use mendlake_domain::coverage::Coverage;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::quote::{Basis, StoredRow};
use mendlake_ports::lake::{Lake, Published};
use mendlake_ports::sessions::Sessions;
use serde_json::{Value, json};

use super::sample;

#[tokio::test]
async fn other_tools_read_what_the_local_reader_reads_in_utc() {
    compare("UTC").await;
}

#[tokio::test]
async fn other_tools_read_what_the_local_reader_reads_half_an_hour_off() {
    compare("Asia/Kolkata").await;
}

#[expect(clippy::print_stdout, reason = "what was compared, or that nothing was, is this test's report")]
/// Has `readers.py` compare what it reads in this zone with what is expected; prints NOT RUN where there is no Python.
async fn compare(zone: &str) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join("../build/python/bin/python");
    if !tests.join("../build/python/installed.txt").exists() {
        let why = "build/python is not there, `tests/formats/install.sh` makes it";
        assert!(!python_is_required(), "{why}");
        println!("NOT RUN: other_tools_read_what_the_local_reader_reads ({zone}): {why}");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let lake = DiskLake::create(folder.path().join("lake"), Timestamp::from_epoch_s(1_795_185_000)).expect("a lake");
    let lake = lake.surviving(Survives::ProcessCrash);
    fill(&lake).await;
    let expected = folder.path().join("expected.json");
    std::fs::write(&expected, expected_of(&lake).await.to_string()).expect("written");
    let output = Command::new(python)
        .arg(tests.join("formats/readers.py"))
        .args([lake.root(), &tests.join("../infra/aws/queries"), &expected])
        .env("TZ", zone)
        .output()
        .expect("python runs");
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[expect(
    clippy::disallowed_methods,
    reason = "not configuration: whoever runs the tests says what must not be skipped"
)]
fn python_is_required() -> bool {
    std::env::var_os("MENDLAKE_REQUIRE_PYTHON").is_some_and(|value| value == "1")
}

async fn fill(lake: &DiskLake) {
    for object in sample::objects(7) {
        assert_eq!(lake.publish(&object).await.expect("published"), Published::New);
    }
    for statuses in sample::statuses(8).chunks(200) {
        lake.append(statuses).await.expect("appended");
    }
}

/// The local reader's answers.
async fn expected_of(lake: &DiskLake) -> Value {
    let (from, to) = (sample::minute("2026-11-20T00:00:00Z"), sample::minute("2026-11-22T00:00:00Z"));
    let coverage = lake.coverage(from, to).await.expect("coverage");
    let symbols: BTreeSet<_> = coverage.0.keys().cloned().collect();
    let rows = lake.rows(&symbols, from, to).await.expect("rows");
    assert!(rows.len() > 1000 && coverage.0.values().any(|held| !held.suspect.is_empty()), "a sample worth comparing");
    let instants =
        [from.start().plus_s(14 * 3600 + 45 * 60).plus_ms(1_700), sample::minute("2026-11-21T00:20:00Z").start()];
    let as_of = instants.map(|at| {
        let known = rows.iter().filter(|stored| stored.stored_at <= at).cloned().collect();
        json!({ "at": at.to_string().replace('T', " ").replace('Z', " UTC"), "rows": StoredRow::current(known) })
    });
    let days = ["2026-11-20", "2026-11-23"].map(|day| day.parse().expect("day"));
    json!({
        "rows": rows,
        "current": StoredRow::current(rows.clone()),
        "as_of": as_of,
        "presence": masks(&coverage),
        "sessions": lake.current(days[0], days[1]).await.expect("current"),
    })
}

/// The footers' masks, one entry for each symbol and hour, as `presence_by_hour.sql` has them.
fn masks(coverage: &Coverage) -> Vec<Value> {
    let mut masks = Vec::new();
    for (symbol, held) in &coverage.0 {
        for (hour, present) in held.present().masks() {
            let of = |basis| held.by_basis.get(&basis).map_or(0, |set| set.mask(hour));
            let mut entry = json!({
                "dt": hour.date(),
                "symbol": symbol,
                "hour": hour.minute(0),
                "present": present,
                "suspect": held.suspect.mask(hour),
                "revised": held.revised.mask(hour),
            });
            for basis in Basis::ALL {
                entry[basis.as_str()] = json!(of(basis));
            }
            masks.push(entry);
        }
    }
    masks
}
