//! What is wrong is said with what to do about it, and exits with the code that says so.

use crate::harness::{Desk, KEY};

/// An address where nobody answers: no test asks a real vendor.
const NOWHERE: &str = "http://127.0.0.1:9";

fn refusal(desk: &Desk, words: &[&str], code: i32, says: &[&str]) {
    let ran = desk.run(words);
    assert_eq!(ran.code, code, "{words:?}: {}{}", ran.out, ran.err);
    for text in says {
        assert!(ran.err.contains(text), "{words:?}: `{text}` is not in: {}", ran.err);
    }
    assert_eq!(ran.out, "", "nothing on stdout: {words:?}");
}

#[test]
fn a_key_as_an_argument_is_refused_and_not_repeated() {
    for words in [["run", "--token", "sesame"], ["run", "--token=sesame", "--json"]] {
        let ran = Desk::new().run(&words[..2]);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("FINNHUB_TOKEN") && ran.err.contains("--finnhub-key-file"), "{}", ran.err);
        assert!(!ran.err.contains("sesame") && !ran.out.contains("sesame"), "{}", ran.err);
    }
}

#[test]
fn a_daemon_without_a_key_or_without_symbols_says_how_to_give_them() {
    refusal(&Desk::new(), &["run", "--symbols", "SPY"], 2, &["FINNHUB_TOKEN", "--finnhub-key-file"]);
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY);
    let words = ["run", "--finnhub-base-url", NOWHERE];
    let says = ["nothing is watched", "--symbols AAPL,MSFT"];
    let ran = desk.run(&words);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(says.iter().all(|text| ran.err.contains(text)), "{}", ran.err);
}

#[test]
fn a_key_that_cannot_be_one_is_refused_before_anything_is_made_and_not_repeated() {
    let words = ["run", "--symbols", "SPY", "--lake", "new", "--finnhub-base-url", NOWHERE];
    for key in ["ses\name", "s\u{e9}same", "ses ame"] {
        let desk = Desk::new().with("FINNHUB_TOKEN", key);
        let ran = desk.run(&words);
        assert_eq!(ran.code, 2, "{key:?}: {}", ran.err);
        assert!(ran.err.contains("`FINNHUB_TOKEN`") && ran.err.contains("printable ASCII"), "{}", ran.err);
        assert!(!ran.err.contains("same") && !ran.err.contains("ses"), "{}", ran.err);
        assert!(!desk.path().join("new").exists(), "{key:?}");
    }
    let desk = Desk::new();
    let ran = desk.run(&[&words[..], &["--finnhub-key-file", "absent.key"]].concat());
    assert!(ran.code == 2 && ran.err.contains("absent.key"), "{}", ran.err);
    let halves = [("APCA_API_KEY_ID", "ses\name"), ("APCA_API_SECRET_KEY", "x")];
    let desk = halves.into_iter().fold(Desk::new().with("FINNHUB_TOKEN", KEY), |desk, (n, v)| desk.with(n, v));
    let ran = desk.run(&words);
    assert!(ran.code == 2 && ran.err.contains("APCA_API_KEY_ID") && !ran.err.contains("ses"), "{}", ran.err);
    assert!(!desk.path().join("new").exists());
}

#[test]
fn a_daemon_that_is_refused_makes_no_folder() {
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY);
    refusal(&desk, &["run", "--lake", "new", "--finnhub-base-url", NOWHERE], 2, &["nothing is watched"]);
    let plain = ["run", "--lake", "new", "--symbols", "SPY", "--finnhub-base-url", "http://finnhub.io"];
    refusal(&desk, &plain, 2, &["`finnhub.base_url`", "`https`"]);
    assert!(!desk.path().join("new").exists());
}

#[test]
fn an_address_shows_no_password_and_has_a_scheme_that_is_known() {
    let desk = Desk::new();
    let ran = desk.run(&["doctor", "--finnhub-base-url", "http://me:sesame@127.0.0.1:9"]);
    assert!(ran.out.contains("http://…@127.0.0.1:9") && !ran.out.contains("sesame"), "{}", ran.out);
    let ran = desk.run(&["doctor", "--json", "--alpaca-base-url", "http://me:sesame@127.0.0.1:9"]);
    assert!(ran.out.contains("http://…@127.0.0.1:9") && !ran.out.contains("sesame"), "{}", ran.out);
    for flag in ["--finnhub-base-url", "--alpaca-base-url", "--proxy"] {
        let ran = desk.run(&["doctor", flag, "ftp://me:sesame@x"]);
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains(&format!("flag `{flag}`")) && ran.err.contains("ftp://…@x"), "{}", ran.err);
        assert!(!ran.err.contains("sesame"), "{}", ran.err);
    }
}

#[test]
fn a_key_file_that_cannot_be_read_is_no_key_that_was_refused() {
    let desk = Desk::new();
    let ran = desk.run(&["doctor", "--finnhub-key-file", "absent.key", "--finnhub-base-url", NOWHERE]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    for says in ["finnhub quotes: not asked", "candles: not asked", "absent.key", "No such file"] {
        assert!(ran.out.contains(says), "{says}: {}", ran.out);
    }
    assert!(!ran.out.contains("refused"), "{}", ran.out);
}

#[test]
fn a_simulator_that_cannot_be_is_a_wrong_command() {
    let desk = Desk::new();
    let simulate = |more: [&str; 2]| desk.run(&["simulate", "--listen", "127.0.0.1:0", more[0], more[1]]);
    for more in [["--rate", "0"], ["--faults", "absent.toml"], ["--market", "absent"], ["--key", "two words"]] {
        let ran = simulate(more);
        assert!(ran.code == 2 && ran.err.starts_with("error: "), "{more:?}: {} {}", ran.code, ran.err);
    }
    refusal(&desk, &["simulate", "--listen", "0.0.0.0:0"], 2, &["0.0.0.0:0", "127.0.0.1"]);
}

#[test]
fn a_day_is_written_with_all_its_digits() {
    let desk = Desk::new();
    let commands: [&[&str]; 7] = [
        &["demo", "--session"],
        &["gaps", "--session"],
        &["gaps", "--wait"],
        &["coverage", "--session"],
        &["replay", "--session"],
        &["calendar", "withdraw", "--why", "?"],
        &["calendar", "close", "--why", "?"],
    ];
    for words in commands {
        refusal(&desk, &[words, &["2026-11-1"]].concat(), 2, &["2026-11-1", "YYYY-MM-DD, such as"]);
    }
}

#[test]
fn what_the_configuration_gets_wrong_is_named_with_its_place() {
    let desk = Desk::new();
    std::fs::write(desk.path().join("mendlake.toml"), "lake = \"x\"\nsymbls = [\"SPY\"]\n").expect("write");
    refusal(&desk, &["gaps"], 2, &["`symbls`", "mendlake.toml:2", "`symbols`?"]);
    let desk = Desk::new().with("MENDLAKE_SETTLE_S", "10");
    refusal(&desk, &["gaps"], 2, &["`settle_s` = `10`", "`MENDLAKE_SETTLE_S`", "240 s"]);
    let desk = Desk::new().with("MENDLAKE_LAKEE", "x");
    refusal(&desk, &["gaps"], 2, &["`MENDLAKE_LAKEE`", "`MENDLAKE_LAKE`?"]);
    refusal(&Desk::new(), &["gaps", "--config", "absent.toml"], 2, &["absent.toml"]);
    refusal(&Desk::new(), &["gaps", "--calendar", "XLON"], 2, &["flag `--calendar`", "`XNYS`"]);
    refusal(&Desk::new(), &["gaps", "--settle"], 2, &["--settle"]);
}

#[test]
fn a_watchlist_that_cannot_be_is_refused_by_name() {
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY);
    let run = |symbols: &str| desk.run(&["run", "--finnhub-base-url", NOWHERE, "--symbols", symbols]);
    let many: Vec<String> = (0..58).map(|n| format!("S{n}")).collect();
    let ran = run(&many.join(","));
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("58 symbols are more than the 57 that 60 calls a minute allow"), "{}", ran.err);
    let ran = run("spy");
    assert!(ran.code == 2 && ran.err.contains("upper case") && ran.err.contains("--symbols"), "{}", ran.err);
    let ran = run(",");
    assert!(ran.code == 2 && ran.err.contains("names no symbol"), "{}", ran.err);
    std::fs::write(desk.path().join("empty.txt"), "# nothing\n").expect("write");
    let ran = desk.run(&["run", "--finnhub-base-url", NOWHERE, "--watchlist", "empty.txt"]);
    assert!(ran.code == 2 && ran.err.contains("empty.txt:1"), "{}", ran.err);
}

#[test]
fn a_folder_that_is_no_lake_is_refused_and_left_as_it_was() {
    let desk = Desk::new().with("FINNHUB_TOKEN", KEY);
    for reader in ["gaps", "coverage", "verify", "watch", "calendar", "reconcile"] {
        refusal(&desk, &[reader, "--lake", "absent"], 2, &["absent", "no such folder"]);
    }
    std::fs::create_dir(desk.path().join("photos")).expect("folder");
    std::fs::write(desk.path().join("photos/cat.jpg"), "cat").expect("write");
    refusal(&desk, &["gaps", "--lake", "photos"], 2, &["photos", "mendlake.json"]);
    let run = ["run", "--lake", "photos", "--symbols", "SPY", "--finnhub-base-url", NOWHERE];
    refusal(&desk, &run, 2, &["photos", "not empty"]);
    let left: Vec<_> = std::fs::read_dir(desk.path().join("photos")).expect("read").collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn help_is_worth_reading() {
    let desk = Desk::new();
    let ran = desk.run(&["--help"]);
    assert_eq!(ran.code, 0);
    for word in [
        "demo",
        "run",
        "gaps",
        "coverage",
        "reconcile",
        "replay",
        "verify",
        "watch",
        "doctor",
        "simulate",
        "Exit codes",
    ] {
        assert!(ran.out.contains(word), "{word}: {}", ran.out);
    }
    for command in
        ["run", "gaps", "coverage", "reconcile", "replay", "verify", "watch", "calendar", "doctor", "demo", "simulate"]
    {
        let ran = desk.run(&[command, "--help"]);
        assert_eq!(ran.code, 0, "{command}: {}", ran.err);
        assert!(ran.out.lines().count() > 10, "{command}: {}", ran.out);
    }
    assert_eq!(desk.run(&["frobnicate"]).code, 2);
}
