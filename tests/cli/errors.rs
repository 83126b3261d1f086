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
