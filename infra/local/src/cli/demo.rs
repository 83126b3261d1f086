//! `mendlake demo`: a bad day, told as it happens, on a virtual clock.

use std::io::{IsTerminal, Write, stdout};
use std::path::PathBuf;

use chrono::NaiveDate;
use mendlake_domain::symbol::Symbol;
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};

use crate::clock::ScaledClock;
use crate::demo::{Options, Scratch, play, show};
use crate::times;

/// Play a day on which everything goes wrong, and watch the lake become whole.
///
/// One whole session runs in seconds on a virtual clock, through the real pipeline and over real HTTP to a simulated
/// Finnhub: the provider goes down, the scheduler dies, answers are lost, quotes freeze, the lander is killed, candles come
/// late. In the end every row is held against what the market did.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// `generated`, or a folder with recorded bars_*.csv.gz and trades_*.csv.gz.
    #[arg(long, value_name = "generated|DIR", default_value = "generated")]
    pub market: String,

    /// The trading day; the last recorded one, or 2026-11-20 of a generated market, where it is not said.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = times::day)]
    pub session: Option<NaiveDate>,

    /// The symbols to watch, separated by commas; eight of the market's where it is not said.
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',')]
    pub symbols: Vec<Symbol>,

    /// What everything that is left to chance is drawn from: the same seed gives the same day.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,

    /// Where to make the lake: a folder that is empty or is not there yet. Where it is not said, a temporary one, and those
    /// of earlier demos that nobody wrote to for a day are removed.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Print the result as one JSON object, and nothing else.
    #[arg(long)]
    pub json: bool,
}

/// Plays the demo; tells whether the lake is whole, without a wrong price.
pub fn run(args: Args, colour: bool) -> Result<bool> {
    let scratch = if args.out.is_none() { Some(Scratch::new(&std::env::temp_dir())?) } else { None };
    let out = args.out.or_else(|| Some(scratch.as_ref()?.path().to_owned()));
    let mut story: Box<dyn Write + Send> = if args.json { Box::new(std::io::sink()) } else { Box::new(stdout()) };
    if let Some(cleared) =
        scratch.as_ref().map(|scratch| scratch.clear(ScaledClock::machine().now())).filter(|n| *n > 0)
    {
        // A reader that has gone misses it, nothing else.
        let _ = writeln!(
            story,
            "removed {cleared} lakes of demos of a day ago and earlier, in {}\n",
            std::env::temp_dir().display()
        );
    }
    let options = Options {
        market: (args.market != "generated").then(|| PathBuf::from(&args.market)),
        session: args.session,
        symbols: args.symbols,
        seed: args.seed,
        out: out.expect("where none is named, one was made"),
        colour: colour && stdout().is_terminal(),
    };
    let (played, result) = play(&options, story)?;
    let text = if args.json {
        serde_json::to_string_pretty(&result).expect("a result is JSON: its keys are text") + "\n"
    } else {
        show(&result, super::output::width(), options.colour)
    };
    let printed = stdout().lock().write_all(text.as_bytes());
    printed.map_err(|error| PortError::caused(Kind::Unavailable, "print the result", error))?;
    Ok(played.whole && result.wrong_prices == 0 && result.duplicates == 0 && result.open_gaps == 0)
}
