//! `mendlake simulate`: both vendors, simulated, for any of their clients.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mendlake_domain::calendar::Calendar;
use mendlake_ports::clock::Clock as _;
use mendlake_ports::error::chain;
use mendlake_ports::secrets::Key;

use super::{Ending, Failure, Outcome};
use crate::clock::{ClockArgs, ScaleError, ScaledClock};
use crate::finnhub::{Account, CANDLE_LATE_S, Exposure, Plan, Script, ScriptError, Server, StartError, Terms, Vendor};
use crate::market::{GeneratedMarket, Market, RecordedError, RecordedMarket, Wanted};

/// Simulate Finnhub and Alpaca over HTTP, on a generated or recorded market.
///
/// Point any client of theirs at it: Finnhub's endpoints are under /api/v1, Alpaca's under /v2/stocks. Both take the key
/// that --key names; Alpaca's id and secret are both that word.
///
/// The simulator keeps the vendors' limits (60 calls a minute for a free key, 30 a second), answers candles to premium keys
/// only, and goes wrong as the faults' file says.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// `generated`, or a folder with recorded bars_*.csv.gz and trades_*.csv.gz.
    #[arg(long, value_name = "generated|DIR", default_value = "generated")]
    pub market: String,

    /// What the generated market and the faults' chances are drawn from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Where to listen; port 0 takes a free one. The line that is printed first says which.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8321")]
    pub listen: SocketAddr,

    /// Listen on an address that other machines can reach.
    #[arg(long)]
    pub expose: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "a doc comment here would replace the subcommand's own help")]
    pub clock: ClockArgs,

    /// Finnhub's key. Alpaca's id and secret are both this word too. Not a secret: the simulator gives nothing away.
    #[arg(long, value_name = "WORD", default_value = "simulated")]
    pub key: String,

    /// What the key may ask for: free gets 403 on candles, and no Alpaca bars of the last 15 minutes.
    #[arg(long, value_enum, default_value_t = Plan::Free)]
    pub plan: Plan,

    /// What goes wrong: a TOML or JSON file with [[fault]] entries.
    #[arg(long, value_name = "FILE", long_help = FAULTS_HELP)]
    pub faults: Option<PathBuf>,

    /// The market's calendar: XNYS, or always for a market that never closes.
    #[arg(long, default_value_t = Calendar::Xnys)]
    pub calendar: Calendar,

    /// How many seconds after its minute Finnhub has a candle.
    #[arg(long, value_name = "SECONDS", default_value_t = CANDLE_LATE_S, value_parser = clap::value_parser!(i64).range(0..=86_400))]
    pub candle_late: i64,
}

/// Lines are short enough for clap not to wrap them.
const FAULTS_HELP: &str = "\
What goes wrong: a TOML file of [[fault]] entries (JSON where its name
ends in .json), such as

  [[fault]]
  what = { down = { status = 502 } }
  from = \"10:30\"
  to = \"10:52\"
  endpoints = [\"quote\"]
  symbols = [\"SPY\"]
  probability = 0.5
  draw_one = true

Times are the market's own, every day, or instants such as
2026-11-20T15:30:00Z. Endpoints are quote, candle, holiday, status,
symbol and bars. All but `what` may be left out. `draw_one` hits one of
the symbols each minute; chance is drawn from the seed. `what` is one of

  { down = { status = 502 } }     reset   key_refused     zeros
  { slow = { seconds = 20 } }     hang    not_entitled    partial_zeros
  { truncated = { bytes = 40 } }          throttled       frozen, stale

  { candles_late = { minutes = 3 } }      no_data
  { wrong_prices = { percent = 5 } }      unequal, off_minute
  { hole = { missing_from = \"11:00\", missing_to = \"11:05\" } }

  unannounced_close   with `from` alone, an instant: nothing trades
                      from then until the day ends

[[holiday]] entries (on, event, hours = \"09:30-13:00\", known_from) are
told by /stock/market-holiday, from the instant `known_from` on.";

/// Why the simulator does not run.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The recorded market cannot be used.
    #[error("load the market")]
    Market(#[from] RecordedError),
    /// The faults cannot be played.
    #[error("read the faults")]
    Script(#[from] ScriptError),
    /// The clock cannot be made.
    #[error("set the clock")]
    Clock(#[from] ScaleError),
    /// The key cannot be one.
    #[error("`--key`: {0}")]
    Key(String),
    /// The address cannot be listened on.
    #[error("start the simulator")]
    Start(#[from] StartError),
    /// The interrupt cannot be waited for.
    #[error("wait for an interrupt")]
    Interrupt(#[source] std::io::Error),
}

impl SimulateError {
    /// What the command ends with: what its values cannot be is the command's fault, a port that is taken is not.
    fn failure(&self) -> Failure {
        let message = chain(self);
        match self {
            Self::Interrupt(_) => Failure::failed(message),
            Self::Start(StartError::Listen { source, .. }) if source.kind() == ErrorKind::AddrInUse => {
                Failure::not_now(message)
            }
            Self::Market(_) | Self::Script(_) | Self::Clock(_) | Self::Key(_) | Self::Start(_) => {
                Failure::usage(message)
            }
        }
    }
}

/// Runs the simulator until it is interrupted.
pub async fn run(args: Args) -> Outcome {
    let (server, line) = start(&args).await.map_err(|error| error.failure())?;
    announce(&line);
    tokio::signal::ctrl_c().await.map_err(|error| SimulateError::Interrupt(error).failure())?;
    server.stop().await;
    Ok(Ending::Done)
}

/// Starts the simulator, and gives the line that says where it is.
async fn start(args: &Args) -> Result<(Server, String), SimulateError> {
    let clock = args.clock.clock()?;
    let vendor = Arc::new(vendor(args)?);
    let exposure = if args.expose { Exposure::Network } else { Exposure::Loopback };
    let server = Server::start(args.listen, exposure, vendor.clone(), clock).await?;
    let line = line(args, &server, &vendor, &clock);
    Ok((server, line))
}

fn vendor(args: &Args) -> Result<Vendor, SimulateError> {
    let script = args.faults.as_deref().map(Script::load).transpose()?.unwrap_or_default();
    let market: Market = match args.market.as_str() {
        "generated" => GeneratedMarket::new(args.seed, args.calendar).into(),
        folder => RecordedMarket::load(Path::new(folder), args.calendar, &Wanted::default())?.into(),
    };
    let key = |text: &str| Key::new(text).map_err(SimulateError::Key);
    let terms = Terms {
        seed: args.seed,
        finnhub: vec![Account::finnhub("simulated", key(&args.key)?, args.plan)],
        alpaca: vec![Account::alpaca("simulated", key(&format!("{0}:{0}", args.key))?, args.plan)],
        candle_late_s: args.candle_late,
        script: script.clone(),
    };
    Ok(Vendor::new(Arc::new(script.closing(market)), terms)?)
}

fn line(args: &Args, server: &Server, vendor: &Vendor, clock: &ScaledClock) -> String {
    let symbols: Vec<String> = vendor.market().symbols().iter().map(ToString::to_string).collect();
    format!(
        "simulating Finnhub and Alpaca on {} ({} market, calendar {}, {:?} plan) at {}, rate {}: {}",
        server.base_url(),
        if args.market == "generated" { format!("generated, seed {}", args.seed) } else { args.market.clone() },
        args.calendar,
        args.plan,
        clock.now(),
        args.clock.rate,
        symbols.join(" "),
    )
}

#[expect(clippy::print_stdout, reason = "the first line tells a caller which port was taken")]
fn announce(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finnhub::What;
    use clap::Parser;

    #[derive(Parser)]
    enum Cli {
        Simulate(Args),
    }

    fn args(words: &[&str]) -> Args {
        let Cli::Simulate(args) = Cli::parse_from(["mendlake", "simulate"].iter().chain(words));
        args
    }

    #[test]
    fn its_help_is_its_own_and_names_every_flag() {
        let help = Cli::try_parse_from(["mendlake", "simulate", "--help"]).err().expect("help").to_string();
        assert!(help.starts_with("Simulate Finnhub and Alpaca over HTTP"), "{help}");
        for flag in ["market", "seed", "listen", "epoch", "epoch-at", "rate", "key", "plan", "faults", "calendar"] {
            assert!(help.contains(&format!("--{flag} ")), "{flag}: {help}");
        }
    }

    #[test]
    fn the_example_in_its_help_is_a_script_and_every_fault_is_named_there() {
        let example = FAULTS_HELP.split("such as\n").nth(1).and_then(|rest| rest.split("Times are").next());
        let example = example.expect("an example");
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("faults.toml");
        std::fs::write(&path, example).expect("write");
        assert_eq!(Script::load(&path).expect("the example is a script").faults.len(), 1);
        let help = Cli::try_parse_from(["mendlake", "simulate", "--help"]).err().expect("help").to_string();
        for line in FAULTS_HELP.lines() {
            assert!(help.contains(line), "wrapped: {line}");
        }
        for name in What::NAMES {
            assert!(FAULTS_HELP.contains(name), "{name}");
        }
    }

    #[tokio::test]
    async fn on_real_data_a_whole_folder_is_served() {
        #[expect(
            clippy::disallowed_methods,
            reason = "the folder of real data is named by the environment, in tests only"
        )]
        let Some(folder) = std::env::var_os("MENDLAKE_MARKET") else {
            println!("NOT RUN: MENDLAKE_MARKET is not set");
            return;
        };
        let folder = folder.into_string().expect("text");
        let (server, line) = start(&args(&["--listen", "127.0.0.1:0", "--market", &folder])).await.expect("a start");
        assert!(line.contains(&folder) && line.contains("SPY"), "{line}");
        server.stop().await;
    }

    #[tokio::test]
    async fn it_says_where_it_listens_and_what_it_knows() {
        let (server, line) = start(&args(&["--listen", "127.0.0.1:0", "--seed", "4"])).await.expect("a start");
        assert!(line.contains(&server.base_url()) && line.contains("seed 4") && line.contains("SPY"), "{line}");
        server.stop().await;
    }

    #[tokio::test]
    async fn what_it_cannot_do_is_said_before_it_listens() {
        for (words, says) in [
            (vec!["--listen", "0.0.0.0:0"], "127.0.0.1"),
            (vec!["--expose", "--listen", "192.0.2.1:0"], "192.0.2.1:0"),
            (vec!["--market", "no/such/folder"], "no/such/folder"),
            (vec!["--faults", "no/such.toml"], "no/such.toml"),
            (vec!["--rate", "0"], "rate"),
            (vec!["--key", "two words"], "--key"),
        ] {
            let error = start(&args(&words)).await.expect_err(says);
            let failure = error.failure();
            assert!(failure.message.contains(says), "{words:?}: {failure:?}");
            assert_eq!(failure.code, 2, "{words:?}: {failure:?}");
        }
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_no_fault_of_the_command() {
        let (server, _) = start(&args(&["--listen", "127.0.0.1:0"])).await.expect("a start");
        let taken = server.base_url().trim_start_matches("http://").to_owned();
        let failure = start(&args(&["--listen", &taken])).await.expect_err("taken").failure();
        assert!(failure.code == 4 && failure.message.contains(&taken), "{failure:?}");
        server.stop().await;
    }
}
