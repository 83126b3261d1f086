//! Lakes that are newer than the program, damaged, or on a full disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Desk, KEY, Ran, Vendors, until};

/// Twenty minutes before the end of a half day.
const EPOCH: &str = "2026-11-27T17:40:00Z";

/// A desk with a lake into which a daemon has collected the rest of a session, and its vendors.
fn collected() -> (Desk, Vendors) {
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY);
    let vendors = Vendors::start(&desk, EPOCH, 200, &["--plan", "premium"]);
    let mut daemon = desk.start(&vendors.run(&["--symbols", "SPY,IBM"]), "run.log");
    until("a whole session", 60, || desk.run(&["gaps", "--wait", "2026-11-27", "--timeout", "1"]).code == 0);
    assert_eq!(daemon.stop(), 0, "{}", desk.log("run.log"));
    (desk, vendors)
}

fn objects(desk: &Desk) -> Vec<PathBuf> {
    let folder = desk.lake().join("quotes/dt=2026-11-27");
    let entries = fs::read_dir(folder).map(|entries| entries.filter_map(Result::ok).collect::<Vec<_>>());
    let mut paths: Vec<PathBuf> = entries.unwrap_or_default().iter().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn says(ran: &Ran, code: i32, texts: &[&str]) {
    assert_eq!(ran.code, code, "{}{}", ran.out, ran.err);
    for text in texts {
        assert!(ran.out.contains(text) || ran.err.contains(text), "`{text}`: {}{}", ran.out, ran.err);
    }
}

#[test]
fn a_lake_of_a_newer_version_is_refused_with_what_to_do() {
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY);
    fs::create_dir(desk.lake()).expect("folder");
    fs::write(desk.lake().join("mendlake.json"), r#"{"v":2,"created_at":"2030-01-01T00:00:00.000Z"}"#).expect("write");
    for words in
        [vec!["gaps"], vec!["verify"], vec!["run", "--symbols", "SPY", "--finnhub-base-url", "http://127.0.0.1:9"]]
    {
        says(&desk.run(&words), 2, &["version 2", "newer release"]);
    }
    fs::write(desk.lake().join("mendlake.json"), r#"{"v":1,"created_at":"2020-01-01T00:00:00.000Z"}"#).expect("write");
    fs::create_dir_all(desk.lake().join("control/watchlist")).expect("folder");
    fs::write(desk.lake().join("control/watchlist/00000001.json"), r#"{"v":2,"edit":"telepathy"}"#).expect("write");
    says(&desk.run(&["watch"]), 2, &["entry 1", "`watchlist`", "newer release"]);
}

#[test]
fn a_corrupt_object_is_named_and_once_it_is_moved_away_what_it_held_is_fetched_again() {
    let (desk, vendors) = collected();
    let on_clock = |words: &[&str]| desk.run(&vendors.on_clock(words));
    let damaged = objects(&desk)[1].clone();
    let name = damaged.file_name().expect("a name").to_string_lossy().into_owned();
    let mut bytes = fs::read(&damaged).expect("read");
    let middle = bytes.len() / 3;
    bytes[middle] ^= 0xff;
    fs::write(&damaged, &bytes).expect("write");
    let verified = on_clock(&["verify", "--json"]);
    assert_eq!(verified.code, 3, "{}", verified.err);
    assert_eq!(verified.json()["corrupt"].as_array().map(Vec::len), Some(1), "{}", verified.out);
    says(&on_clock(&["verify"]), 3, &[&name, "move each out of the lake", "not sound"]);
    move_away(&damaged, &desk.path().join("damaged"));
    says(&on_clock(&["verify"]), 3, &["law"]);
    let healed = on_clock(&["reconcile", "--json"]);
    assert_eq!((healed.code, &healed.json()["open_gaps"]), (0, &0.into()), "{}{}", healed.out, healed.err);
    says(&on_clock(&["verify"]), 0, &["sound"]);
}

#[test]
fn a_parked_batch_that_cannot_be_read_is_told_and_stays_and_the_others_land() {
    let (desk, vendors) = collected();
    let on_clock = |words: &[&str]| desk.run(&vendors.on_clock(words));
    let parked = desk.lake().join("parked");
    fs::create_dir_all(&parked).expect("folder");
    let [damaged, whole] = ["000000000000001-damaged.json", "000000000000002-whole.json"].map(|name| parked.join(name));
    fs::write(&damaged, r#"{"v":1,"reason":"why","#).expect("write");
    fs::write(&whole, r#"{"v":1,"reason":"why","stream_id":"4f2c","shard":"0","records":[]}"#).expect("write");
    says(&on_clock(&["verify"]), 3, &["2 parked batches", "runbooks/BatchesParked.md", "not sound"]);
    for _ in 0..2 {
        let told = ["000000000000001-damaged.json`", "BatchesParked", "stays where it is", "1 batches are parked"];
        says(&on_clock(&["reconcile"]), 3, &told);
        assert_eq!((damaged.exists(), whole.exists()), (true, false));
    }
    says(&on_clock(&["verify"]), 3, &["1 parked batches", "runbooks/BatchesParked.md", "not sound"]);
    move_away(&damaged, &desk.path().join("damaged"));
    says(&on_clock(&["reconcile"]), 0, &["0 open in the whole lake"]);
    says(&on_clock(&["verify"]), 0, &["sound"]);
}

#[test]
fn a_footer_that_is_corrupt_is_named_whole_with_what_to_do_by_every_command_that_needs_its_date() {
    let (desk, vendors) = collected();
    let on_clock = |words: &[&str]| desk.run(&vendors.on_clock(words));
    let damaged = objects(&desk)[1].clone();
    let bytes = fs::read(&damaged).expect("read");
    fs::write(&damaged, &bytes[..bytes.len() / 2]).expect("write");
    let place = damaged.strip_prefix(desk.lake()).expect("in the lake").display().to_string();
    assert!(place.starts_with("quotes/dt=2026-11-27/"), "{place}");
    let said = [place.as_str(), "`mendlake verify`", "move each out of the lake", "fetches again"];
    let other = ["--from", "2026-11-25T15:00:00Z", "--to", "2026-11-25T15:10:00Z", "--why", "an older session"];
    says(&on_clock(&[&["watch", "backfill", "SPY"][..], &other].concat()), 0, &["10 minutes"]);
    says(&on_clock(&["reconcile"]), 1, &[&said[..], &["reconcile session 2026-11-27, while every other one"]].concat());
    says(&on_clock(&["coverage", "--session", "2026-11-25"]), 0, &["SPY"]);
    says(&on_clock(&["coverage", "--session", "2026-11-27"]), 1, &said);
    let replayed = on_clock(&["replay", "--session", "2026-11-27"]);
    says(&replayed, 3, &[&said[..], &["session 2026-11-27 was left out"]].concat());
    let older = ["--from", "2026-11-24T15:00:00Z", "--to", "2026-11-24T15:10:00Z", "--why", "an older session still"];
    says(&on_clock(&[&["watch", "backfill", "SPY"][..], &older].concat()), 0, &["10 minutes"]);
    let range = ["--from", "2026-11-24T14:30:00Z", "--to", "2026-11-27T18:00:00Z", "--mode", "apply"];
    let replayed = on_clock(&[&["replay"][..], &range].concat());
    says(
        &replayed,
        3,
        &[&said[..], &["session 2026-11-27 was left out", "10 rows from", "in what can be read"]].concat(),
    );
    says(&on_clock(&["verify"]), 3, &[&said[1..3], &["1 of them corrupt", "not sound"]].concat());
    says(&on_clock(&["replay", "--session", "2026-11-25"]), 0, &["0 of 10 expected symbol-minutes missing"]);
    fs::write(&damaged, &bytes).expect("write");
    says(&on_clock(&["reconcile"]), 0, &[" 0 open"]);
    says(&on_clock(&["verify"]), 0, &["sound"]);
}

#[test]
fn damaged_statuses_keep_no_other_session_from_healing() {
    let (desk, vendors) = collected();
    let on_clock = |words: &[&str]| desk.run(&vendors.on_clock(words));
    let statuses = desk.lake().join("sessions/dt=2026-11-25");
    fs::create_dir_all(&statuses).expect("folder");
    fs::write(statuses.join("junk.parquet"), "junk").expect("write");
    move_away(&objects(&desk)[1], &desk.path().join("lost"));
    says(&on_clock(&["reconcile"]), 0, &["rows for", " 0 open"]);
}

#[test]
fn a_marker_or_an_entry_that_is_damaged_is_named_whole_with_what_to_do() {
    let desk = Desk::new();
    fs::create_dir_all(desk.lake().join("control/watchlist")).expect("folder");
    let marker = desk.lake().join("mendlake.json");
    for damaged in ["", "{\"v\":1", "{}"] {
        fs::write(&marker, damaged).expect("write");
        says(&desk.run(&["gaps"]), 1, &["lake/mendlake.json`: no lake's marker", "put back what it was"]);
    }
    fs::write(&marker, r#"{"v":1,"created_at":"2020-01-01T00:00:00.000Z"}"#).expect("write");
    fs::write(desk.lake().join("control/watchlist/00000001.json"), "{\"v\":1,\"ed").expect("write");
    let said = ["entry 1", "lake/control/watchlist/00000001.json`", "put back what it was", "do not delete it"];
    says(&desk.run(&["watch"]), 1, &said);
}

#[test]
fn a_ledger_that_was_lost_or_is_corrupt_is_derived_from_the_lake() {
    let (desk, vendors) = collected();
    let on_clock = |words: &[&str]| desk.run(&vendors.on_clock(words));
    let ledger = desk.lake().join("ledger.sqlite");
    fs::remove_file(&ledger).expect("remove");
    says(&on_clock(&["gaps"]), 2, &["--rebuild-ledger"]);
    says(&on_clock(&["verify"]), 3, &["there is no ledger"]);
    says(&on_clock(&["verify", "--rebuild-ledger"]), 0, &["explained up to", "sound"]);
    let size = fs::metadata(&ledger).expect("a ledger").len();
    let mut bytes = fs::read(&ledger).expect("read");
    bytes[4096..].fill(0x5a);
    fs::write(&ledger, &bytes).expect("write");
    assert!(size > 8192);
    for reader in ["gaps", "verify"] {
        says(&on_clock(&[reader]), 1, &["`mendlake verify --rebuild-ledger`"]);
    }
    says(&on_clock(&["verify", "--rebuild-ledger"]), 0, &["sound"]);
    let aside = fs::read_dir(desk.lake()).expect("read").filter_map(Result::ok);
    let aside = aside.filter(|entry| entry.file_name().to_string_lossy().contains("corrupt-")).count();
    assert!(aside >= 1, "the corrupt one is kept");
    let whole = fs::read(&ledger).expect("read");
    for damaged in [vec![0x5a; whole.len()], whole[..whole.len() / 2].to_vec()] {
        for part in ["-wal", "-shm"] {
            let _ = fs::remove_file(desk.lake().join(format!("ledger.sqlite{part}")));
        }
        fs::write(&ledger, damaged).expect("write");
        for words in [on_clock(&["gaps"]), on_clock(&["verify"]), desk.run(&vendors.run(&["--symbols", "SPY,IBM"]))] {
            says(&words, 1, &["`mendlake verify --rebuild-ledger`"]);
        }
    }
}

#[test]
fn a_file_that_is_no_object_is_found_and_every_other_date_is_audited() {
    let (desk, vendors) = collected();
    let on_clock = |words: &[&str]| desk.run(&vendors.on_clock(words));
    let object = objects(&desk)[0].clone();
    let other = desk.lake().join("quotes/dt=2026-11-25");
    fs::create_dir(&other).expect("folder");
    fs::copy(&object, other.join("copy.parquet")).expect("copy");
    let found = on_clock(&["verify", "--json"]);
    let audit = &found.json()["audit"];
    assert_eq!((found.code, found.json()["corrupt"].clone()), (3, serde_json::json!([])), "{}{}", found.out, found.err);
    assert_eq!(found.json()["foreign"], serde_json::json!(["dt=2026-11-25/copy.parquet"]));
    assert!(audit["expected"] == audit["present"] && audit["present"].as_u64() >= Some(30), "{}", found.out);
    assert_eq!(audit["found"], 1, "its own date cannot be audited: {}", found.out);
    fs::remove_file(other.join("copy.parquet")).expect("remove");
    says(&on_clock(&["verify"]), 0, &["sound"]);
    let renamed = object.with_file_name("part-0.parquet");
    move_away(&object, &renamed);
    let says_so =
        ["dt=2026-11-27/part-0.parquet: no object has such a name, move it away", "cannot be audited", "not sound"];
    says(&on_clock(&["verify"]), 3, &says_so);
    move_away(&renamed, &object);
    says(&on_clock(&["verify"]), 0, &["sound"]);
}

#[test]
fn a_lake_without_its_watchlist_or_its_statuses_is_not_sound() {
    let (desk, vendors) = collected();
    let on_clock = |words: &[&str]| desk.run(&vendors.on_clock(words));
    says(&on_clock(&["verify"]), 0, &["sound"]);
    let (list, aside) = (desk.lake().join("control/watchlist"), desk.path().join("kept.json"));
    let first = "00000001.json";
    move_away(&list.join(first), &aside);
    let lost = ["of `IBM`", "of `SPY`", "no entry of the watchlist names", "restore `control/watchlist`", "not sound"];
    says(&on_clock(&["verify"]), 3, &lost);
    fs::remove_dir(&list).expect("it had one entry");
    says(&on_clock(&["verify"]), 3, &lost);
    let added = on_clock(&["watch", "add", "SPY", "IBM"]);
    assert_eq!(added.code, 0, "{}", added.err);
    says(&on_clock(&["verify"]), 3, &["expected minutes, the watchlist and the overlay 0", "not sound"]);
    fs::remove_file(list.join(first)).expect("remove");
    move_away(&aside, &list.join(first));
    fs::remove_dir_all(desk.lake().join("sessions")).expect("remove");
    let untold = ["2026-11-27 is over and has no status of `IBM` `SPY`", "`mendlake reconcile --window morning`"];
    says(&on_clock(&["verify"]), 3, &untold);
    let reconciled = on_clock(&["reconcile", "--window", "morning"]);
    assert_eq!(reconciled.code, 0, "{}{}", reconciled.out, reconciled.err);
    says(&on_clock(&["verify"]), 0, &["sound"]);
    fs::remove_dir_all(desk.lake().join("sessions")).expect("remove");
    says(&on_clock(&["verify", "--rebuild-ledger"]), 0, &["sound"]);
}

#[test]
fn on_a_full_disk_nothing_is_lost_and_it_says_so() {
    let tiny = "mount -t tmpfs -o size=400k tmpfs full";
    if !can_mount() {
        return;
    }
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY).with("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let vendors = Vendors::start(&desk, EPOCH, 200, &["--plan", "premium"]);
    fs::create_dir(desk.path().join("full")).expect("folder");
    let binary = env!("CARGO_BIN_EXE_mendlake");
    let words = vendors.run(&["--symbols", "SPY,IBM", "--lake", "full/lake"]).join(" ");
    // The daemon runs while the disk fills up and is made roomy again; then the lake is looked at.
    let script = format!(
        "{tiny}; head -c 100k /dev/zero > full/ballast; {binary} {words} 2> run.log & run=$!; \
         i=0; until grep -q 'no space is left\\|disk is full\\|No space' run.log; do sleep 0.2; i=$((i+1)); [ $i -lt 150 ] || break; done; \
         mount -o remount,size=40m full; sleep 4; kill -TERM $run; wait $run; echo ended $?; \
         {binary} verify --lake full/lake",
    );
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", &script])
        .current_dir(desk.path())
        .env_clear()
        .envs(desk.variables.iter().cloned())
        .output()
        .expect("unshare starts");
    let (out, log) = (String::from_utf8_lossy(&output.stdout).into_owned(), desk.log("run.log"));
    assert!(out.contains("ended 0") && out.contains(", 0 of them corrupt") && out.contains("sound"), "{out}\n{log}");
    assert!(log.contains("space") || log.contains("disk is full"), "{log}");
    assert!(!out.contains("law"), "{out}");
}

/// Whether a file system of a test's own can be made here; says so where not.
#[expect(clippy::print_stdout, reason = "what is not run is said")]
fn can_mount() -> bool {
    let probe = Command::new("unshare").args(["-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]).status();
    let can = probe.is_ok_and(|status| status.success());
    if !can {
        println!("NOT RUN: a full disk takes `unshare -rm` and a tmpfs, which this machine does not give");
    }
    can
}

#[test]
fn a_demo_on_a_full_disk_is_given_up_with_its_cause_and_repeats_it_a_few_times() {
    if !can_mount() {
        return;
    }
    let desk = Desk::new().with("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    fs::create_dir(desk.path().join("full")).expect("folder");
    let binary = env!("CARGO_BIN_EXE_mendlake");
    let script = format!("mount -t tmpfs -o size=700k tmpfs full && {binary} demo --out full/lake");
    let mut unshare = Command::new("unshare");
    unshare
        .args(["-rm", "sh", "-c", &script])
        .current_dir(desk.path())
        .env_clear()
        .envs(desk.variables.iter().cloned());
    let output = unshare.output().expect("unshare starts");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    for says in ["full/lake", "--out", "failed for an hour", "full"] {
        assert!(err.contains(says), "{says}: {err}");
    }
    let told = out.matches("is tried again").count();
    assert!((1..=15).contains(&told) && out.contains("times more: "), "{told}: {out}");
    assert!(!out.contains("scheduler dark"), "nobody is blamed: {out}");
}

#[test]
fn a_demo_without_a_folder_of_its_own_says_where_its_lake_is_and_leaves_nothing_where_it_is_refused() {
    let temporary = tempfile::tempdir().expect("a folder");
    let entries = || fs::read_dir(temporary.path()).expect("read").count();
    let desk = Desk::new().with("TMPDIR", &temporary.path().to_string_lossy());
    says(&desk.run(&["demo", "--symbols", "NOPE"]), 2, &["`NOPE`"]);
    assert_eq!(entries(), 0);
    let played = desk.run(&["demo", "--session", "2026-11-27"]);
    let lake = temporary.path().join("mendlake-demo-").to_string_lossy().into_owned();
    says(&played, 0, &["as sampled:", "as healed:", "3 minutes a column, what most of its minutes are", &lake]);
    assert_eq!(entries(), 1);
    let played = desk.run(&["demo", "--session", "2026-11-27", "--json"]);
    assert_eq!((played.code, &played.json()["open_gaps"], entries()), (0, &0.into(), 2), "{}", played.err);
}

/// Moves a file away, as a person would.
fn move_away(from: &Path, to: &Path) {
    fs::copy(from, to).expect("copy");
    fs::remove_file(from).expect("remove");
}
