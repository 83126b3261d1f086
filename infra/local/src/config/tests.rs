use clap::Parser;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: ConfigArgs,
    #[command(flatten)]
    watch: WatchArgs,
}

struct Given<'a> {
    flags: &'a [&'a str],
    variables: &'a [(&'a str, &'a str)],
    file: &'a str,
}

const NOTHING: Given<'static> = Given { flags: &[], variables: &[], file: "" };

fn resolve(given: &Given<'_>) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().expect("folder");
    if !given.file.is_empty() {
        std::fs::write(folder.path().join(FILE_NAME), given.file).expect("write");
    }
    let cli = Cli::parse_from(["mendlake"].iter().chain(given.flags));
    let variables = given.variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    Config::resolve(&cli.args, &cli.watch, &Environment::of(variables), folder.path())
}

fn refusal(given: &Given<'_>) -> String {
    mendlake_ports::error::chain(&resolve(given).err().expect("refused"))
}

#[test]
fn flags_are_over_the_environment_and_that_is_over_the_file() {
    let file = "lake = \"in-file\"\nsettle_s = 240\nreference = \"IBM\"\n[finnhub]\nrate_limit = 300\n";
    let variables = [("MENDLAKE_LAKE", "in-environment"), ("MENDLAKE_SETTLE_S", "260")];
    let config =
        resolve(&Given { flags: &["--lake", "in-flag"], variables: &variables, file }).expect("a configuration");
    assert_eq!(config.lake, Path::new("in-flag"));
    assert_eq!(config.settings.settle_ms, 260_000);
    assert_eq!((config.settings.reference.as_str(), config.settings.rate_limit), ("IBM", 300));
    let origins: Vec<String> = [Key::Lake, Key::SettleS, Key::FinnhubRateLimit, Key::Calendar]
        .map(|key| config.origin(key).to_string())
        .into();
    assert_eq!(origins, ["flag `--lake`", "environment variable `MENDLAKE_SETTLE_S`", "mendlake.toml:5", "default"]);
}

#[test]
fn a_path_in_the_file_is_relative_to_the_file() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::create_dir(folder.path().join("etc")).expect("folder");
    std::fs::write(folder.path().join("etc/m.toml"), "lake = \"lake\"\n").expect("write");
    let cli = Cli::parse_from(["mendlake", "--config", "etc/m.toml"]);
    let config = Config::resolve(&cli.args, &cli.watch, &Environment::default(), folder.path()).expect("config");
    assert_eq!(config.lake, Path::new("etc/lake"));
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_the_nearest_key() {
    let file = "lake = \"x\"\n\n[finnhub]\nrate_limt = 3\n";
    assert_eq!(
        refusal(&Given { file, ..NOTHING }),
        "unknown key `finnhub.rate_limt` (mendlake.toml:4): did you mean `finnhub.rate_limit`?"
    );
    let variables = [("MENDLAKE_LAEK", "x")];
    let said = refusal(&Given { variables: &variables, ..NOTHING });
    assert!(said.contains("`MENDLAKE_LAEK`") && said.contains("`MENDLAKE_LAKE`?"), "{said}");
    let market = [(MARKET, "/somewhere")];
    assert!(resolve(&Given { variables: &market, ..NOTHING }).is_ok(), "another program part's variable");
}

#[test]
fn an_impossible_value_is_refused_with_its_place() {
    for (file, says) in [
        ("settle_s = 100", "`settle_s` = `100` (mendlake.toml:1): the settle time must be at least"),
        ("landing_window_s = 600", "`landing_window_s` = `600` (mendlake.toml:1)"),
        ("\ncalendar = \"XLON\"", "`calendar` = `XLON` (mendlake.toml:2): not a calendar"),
        ("symbols = [\"aapl\"]", "a symbol is upper case"),
        ("symbols = []", "names no symbol"),
        ("symbols = [1]", "a list of texts"),
        ("settle_s = \"soon\"", "whole number of seconds"),
        ("settle_s = 1.5", "`1.5`"),
        ("[finnhub]\nrate_limit = 0", "above 0"),
        ("lake = \"\"", "it is empty"),
        ("lake = [", "mendlake.toml:1"),
        ("[log]\nformat = \"xml\"", "`text` and `json`"),
        ("log = 3", "unknown key `log`"),
        ("symbols = [\"A\"]\nwatchlist = \"w\"", "leave one of them out"),
    ] {
        let said = refusal(&Given { file, ..NOTHING });
        assert!(said.contains(says), "{file}: {said}");
    }
}

#[test]
fn a_key_is_never_an_argument_and_never_in_a_message() {
    for flags in [vec!["--token", "sesame"], vec!["--token=sesame"], vec!["--api-key", "sesame"], vec!["--token"]] {
        let said = refusal(&Given { flags: &flags, ..NOTHING });
        assert!(said.contains("FINNHUB_TOKEN") && !said.contains("sesame"), "{said}");
    }
}

#[test]
fn a_key_comes_from_a_flags_file_then_the_environment_then_any_other_file() {
    let place = |flags: &[&str], variables: &[(&str, &str)], file| {
        let config = resolve(&Given { flags, variables, file }).expect("config");
        config.finnhub.key.map(|key| key.to_string())
    };
    let token = [("FINNHUB_TOKEN", "sesame")];
    let file = "[finnhub]\nkey_file = \"/k\"";
    assert_eq!(place(&[], &[], ""), None);
    assert_eq!(place(&[], &[("FINNHUB_TOKEN", "")], ""), None, "empty is absent");
    assert_eq!(place(&[], &[], file).as_deref(), Some("the file `/k`"));
    assert_eq!(place(&[], &token, file).as_deref(), Some("`FINNHUB_TOKEN`"));
    assert_eq!(place(&["--finnhub-key-file", "/f"], &token, file).as_deref(), Some("the file `/f`"));
}

#[test]
fn alpaca_is_configured_when_it_has_both_halves_of_a_key() {
    let of =
        |variables: &[(&str, &str)]| resolve(&Given { variables, ..NOTHING }).map(|config| config.alpaca.key.is_some());
    let (id, secret) = ((ALPACA_ID, "i"), (ALPACA_SECRET, "s"));
    assert!(matches!(of(&[]), Ok(false)));
    assert!(matches!(of(&[id, secret]), Ok(true)));
    let said = refusal(&Given { variables: &[secret], ..NOTHING });
    assert_eq!(said, "`APCA_API_SECRET_KEY` is set and `APCA_API_KEY_ID` is not: Alpaca's key has both");
}

#[test]
fn symbols_of_a_higher_layer_replace_a_watchlist_of_a_lower_one() {
    let config = resolve(&Given { flags: &["--symbols", "SPY, IBM,SPY"], file: "watchlist = \"w.txt\"", ..NOTHING })
        .expect("config");
    let watched = config.watched.expect("something is watched");
    let symbols = watched.value.symbols().expect("symbols");
    assert_eq!(symbols.len(), 2);
    assert_eq!(watched.origin.to_string(), "flag `--symbols`");
}

#[test]
fn a_watchlist_file_is_read_and_what_is_wrong_with_it_is_named_by_line() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("w.txt");
    let read = |text: &str| {
        std::fs::write(&path, text).expect("write");
        Watched::File(path.clone()).symbols()
    };
    let symbols = read("# mine\nSPY  # the reference\nIBM,BAC\n\n").expect("symbols");
    assert_eq!(symbols.len(), 3);
    let said = read("SPY\nspy\n").expect_err("refused").to_string();
    assert!(said.contains("w.txt:2") && said.contains("`spy`"), "{said}");
    assert!(read("# nothing\n").expect_err("refused").to_string().contains("names no symbol"));
    assert!(Watched::File(folder.path().join("absent")).symbols().is_err());
}

#[test]
fn a_proxys_password_is_never_shown() {
    let config = resolve(&Given { flags: &["--proxy", "http://me:sesame@proxy :1"], ..NOTHING }).expect("config");
    let shown: Vec<String> = config.values().filter_map(|(_, value, _)| value).collect();
    assert!(shown.iter().any(|value| value == "http://…@proxy :1"), "{shown:?}");
    let refused = config.transport(Key::FinnhubBaseUrl, &config.finnhub).err().expect("refused");
    let said = refused.to_string();
    assert!(said.starts_with("`proxy` = `http://…@proxy :1` (flag `--proxy`)") && !said.contains("sesame"), "{said}");
}

#[test]
fn a_vendors_address_is_judged_with_its_place() {
    let config = resolve(&Given { file: "[finnhub]\nbase_url = \"http://finnhub.io\"", ..NOTHING }).expect("config");
    let refused = config.transport(Key::FinnhubBaseUrl, &config.finnhub).err().expect("refused");
    let said = refused.to_string();
    assert!(said.contains("mendlake.toml:2") && said.contains("https"), "{said}");
}

#[test]
fn a_password_in_a_vendors_address_is_never_shown() {
    let file = "[finnhub]\nbase_url = \"http://me:sesame@finnhub.io\"\n[alpaca]\nbase_url = \"https://me:ses@me@x.io\"";
    let config = resolve(&Given { file, ..NOTHING }).expect("config");
    let shown: Vec<String> = config.values().filter_map(|(_, value, _)| value).collect();
    assert!(shown.iter().any(|value| value == "http://…@finnhub.io"), "{shown:?}");
    assert!(shown.iter().any(|value| value == "https://…@x.io"), "{shown:?}");
    assert!(!shown.iter().any(|value| value.contains("ses")), "{shown:?}");
}

#[test]
fn an_address_of_another_scheme_is_refused_with_its_place_and_without_its_password() {
    for (file, says) in [
        ("[finnhub]\nbase_url = \"ftp://me:sesame@x.io\"", "`finnhub.base_url` = `ftp://…@x.io` (mendlake.toml:2): "),
        ("[alpaca]\nbase_url = \"file:///x\"", "`alpaca.base_url` = `file:///x` (mendlake.toml:2): "),
        ("[alpaca]\nbase_url = \"x.io\"", "`alpaca.base_url` = `x.io` (mendlake.toml:2): "),
        ("proxy = \"socks5://me:sesame@x:1\"", "`proxy` = `socks5://…@x:1` (mendlake.toml:1): "),
    ] {
        let said = refusal(&Given { file, ..NOTHING });
        assert!(said.starts_with(says) && said.contains("`https`") && !said.contains("sesame"), "{file}: {said}");
    }
    for file in ["proxy = \"HTTP://x:1\"", "proxy = \"x:1\"", "[finnhub]\nbase_url = \"HTTPS://x\""] {
        assert!(resolve(&Given { file, ..NOTHING }).is_ok(), "{file}");
    }
}

#[test]
fn a_variable_that_is_no_text_is_refused_rather_than_left_out() {
    let said = refusal(&Given { variables: &[("MENDLAKE_LAKE", "l\u{fffd}ke")], ..NOTHING });
    assert!(said.contains("`lake`") && said.contains("`MENDLAKE_LAKE`") && said.contains("UTF-8"), "{said}");
}
