//! `mendlake doctor`: what is wrong, and what to do about it.

mod checks;
mod machine;
mod vendors;

use serde::Serialize;

use super::output::{print, print_json};
use super::{Ending, Failure, Outcome, begin};
use crate::config::{ConfigArgs, Key, Origin, WatchArgs};

/// Check the configuration, the keys and what their plans include, the clock, the disk, the calendar and the lake, and say
/// what to do about each finding.
///
/// Asks each vendor a call or two. May run beside `mendlake run`, and before there is a lake. Exit code 3 where something
/// is wrong; what is only worth knowing is no finding.
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,

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
    let findings = checks::all(&config).await;
    let told = |(key, value, origin): (Key, Option<String>, &Origin)| {
        (key.to_string(), value.unwrap_or_else(|| "-".into()), origin.to_string())
    };
    let well = findings.iter().all(|finding| finding.grade != Grade::Wrong);
    let examined = Examined { configuration: config.values().map(told).collect(), findings, well };
    if args.json {
        print_json(&examined)?;
    } else {
        print(&text(&examined))?;
    }
    Ok::<_, Failure>(Ending::whole(well))
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
