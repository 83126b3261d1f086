//! `mendlake simulate`: both vendors, simulated, for any of their clients.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mendlake_domain::calendar::Calendar;
use mendlake_ports::clock::Clock as _;
use mendlake_ports::secrets::Key;

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
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,

    /// The market's calendar: XNYS, or always for a market that never closes.
    #[arg(long, default_value_t = Calendar::Xnys)]
    pub calendar: Calendar,

    /// How many seconds after its minute Finnhub has a candle.
    #[arg(long, value_name = "SECONDS", default_value_t = CANDLE_LATE_S, value_parser = clap::value_parser!(i64).range(0..=86_400))]
    pub candle_late: i64,
}

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

/// Runs the simulator until it is interrupted.
pub async fn run(args: Args) -> Result<(), SimulateError> {
    let (server, line) = start(&args).await?;
    announce(&line);
    tokio::signal::ctrl_c().await.map_err(SimulateError::Interrupt)?;
    server.stop().await;
    Ok(())
}

/// Starts the simulator, and gives the line that says where it is.
async fn start(args: &Args) -> Result<(Server, String), SimulateError> {
    let clock = args.clock.clock()?;
    let vendor = Arc::new(vendor(args)?);
    let exposure = if args.expose {
        Exposure::Network
    } else {
        Exposure::Loopback
    };
    let server = Server::start(args.listen, exposure, vendor.clone(), clock).await?;
    let line = line(args, &server, &vendor, &clock);
    Ok((server, line))
}

fn vendor(args: &Args) -> Result<Vendor, SimulateError> {
    let script = args
        .faults
        .as_deref()
        .map(Script::load)
        .transpose()?
        .unwrap_or_default();
    let market: Market = match args.market.as_str() {
        "generated" => GeneratedMarket::new(args.seed, args.calendar).into(),
        folder => RecordedMarket::load(Path::new(folder), args.calendar, &Wanted::default())?.into(),
    };
    let key = |text: &str| Key::new(text).map_err(SimulateError::Key);
    let terms = Terms {
        seed: args.seed,
        finnhub: vec![Account::finnhub("simulated", key(&args.key)?, args.plan)],
        alpaca: vec![Account::alpaca(
            "simulated",
            key(&format!("{0}:{0}", args.key))?,
            args.plan,
        )],
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
        if args.market == "generated" {
            format!("generated, seed {}", args.seed)
        } else {
            args.market.clone()
        },
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
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn args(words: &[&str]) -> Args {
        Cli::parse_from(["simulate"].iter().chain(words)).args
    }

    #[tokio::test]
    async fn it_says_where_it_listens_and_what_it_knows() {
        let (server, line) = start(&args(&["--listen", "127.0.0.1:0", "--seed", "4"]))
            .await
            .expect("a start");
        assert!(
            line.contains(&server.base_url()) && line.contains("seed 4") && line.contains("SPY"),
            "{line}"
        );
        server.stop().await;
    }

    #[tokio::test]
    async fn what_it_cannot_do_is_said_before_it_listens() {
        for (words, says) in [
            (vec!["--listen", "0.0.0.0:0"], "127.0.0.1"),
            (vec!["--market", "no/such/folder"], "no/such/folder"),
            (vec!["--faults", "no/such.toml"], "no/such.toml"),
            (vec!["--rate", "0"], "rate"),
            (vec!["--key", "two words"], "--key"),
        ] {
            let error = start(&args(&words)).await.expect_err(says);
            let chain = mendlake_ports::error::chain(&error);
            assert!(chain.contains(says), "{words:?}: {chain}");
        }
    }
}
