//! `mendlake doctor`: what is wrong, and what to do about it.

mod checks;
mod looked;
mod machine;
#[cfg(feature = "aws")]
mod stack;
mod vendors;

use serde::Serialize;

use super::output::{print, print_json};
use super::{Ending, Failure, Outcome, begin};
use crate::config::{Config, ConfigArgs, Key, Origin, WatchArgs};
use crate::stack::StackArgs;

/// Check the configuration, the keys and what their plans include, the clock, the disk, the calendar and the lake, and say
/// what to do about each finding.
///
/// Asks each vendor a call or two. May run beside `mendlake run`, and before there is a lake. Exit code 3 where something
/// is wrong; what is only worth knowing is no finding.
///
/// On a stack, with --stack: the stack and its functions, its keys and what their plans include, its lake and ledger, what the
/// account's quotas leave room for, and what an idle month of it costs.
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    stack: StackArgs,

    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    watch: WatchArgs,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Grade {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// Wrong.
    Wrong,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    grade: Grade,
    found: String,
    /// What to do.
    advice: Option<String>,
}

impl Finding {
    fn good(check: &'static str, found: impl Into<String>) -> Self {
        let (grade, advice) = (Grade::Good, None);
        Self { check, grade, found: found.into(), advice }
    }

    fn note(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        let (grade, advice) = (Grade::Note, Some(advice.into()));
        Self { check, grade, found: found.into(), advice }
    }

    fn wrong(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        let (grade, advice) = (Grade::Wrong, Some(advice.into()));
        Self { check, grade, found: found.into(), advice }
    }
}

/// The answer.
#[derive(Debug, Serialize)]
struct Examined {
    /// The configuration: key, value and origin.
    configuration: Vec<(String, String, String)>,
    findings: Vec<Finding>,
    /// Whether nothing is wrong.
    well: bool,
}

/// Runs the command.
pub async fn run(args: Args) -> Outcome {
    let config = begin(&args.config, &args.watch)?;
    let examined = match args.stack.name() {
        None => here(&config).await,
        Some(name) => stack::examine(name).await?,
    };
    if args.json {
        print_json(&examined)?;
    } else {
        print(&text(&examined))?;
    }
    Ok::<_, Failure>(Ending::whole(examined.well))
}

async fn here(config: &Config) -> Examined {
    let told = |(key, value, origin): (Key, Option<String>, &Origin)| {
        (key.to_string(), value.unwrap_or_else(|| "-".into()), origin.to_string())
    };
    Examined::of(config.values().map(told).collect(), checks::all(config).await)
}

impl Examined {
    fn of(configuration: Vec<(String, String, String)>, findings: Vec<Finding>) -> Self {
        let well = findings.iter().all(|finding| finding.grade != Grade::Wrong);
        Self { configuration, findings, well }
    }
}

#[cfg(not(feature = "aws"))]
mod stack {
    use mendlake_ports::error::Result;

    use super::Examined;

    /// Refuses, with how to build.
    pub(super) async fn examine(name: &str) -> Result<Examined> {
        Err(crate::stack::absent::without(name))
    }
}

fn text(examined: &Examined) -> String {
    let mut table = super::Table::new(["KEY", "VALUE", "FROM"]);
    for (key, value, origin) in &examined.configuration {
        table.row([key.clone(), value.clone(), origin.clone()]);
    }
    let mut text = table.text();
    text.push('\n');
    for Finding { check, grade, found, advice } in &examined.findings {
        let mark = match grade {
            Grade::Good => "ok   ",
            Grade::Note => "note ",
            Grade::Wrong => "WRONG",
        };
        text.push_str(&format!("{mark} {check}: {found}\n"));
        if let Some(advice) = advice {
            text.push_str(&format!("      {advice}\n"));
        }
    }
    text.push_str(if examined.well { "\nall is well\n" } else { "\nsomething is wrong\n" });
    text
}
