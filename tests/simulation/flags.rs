//! What the runner is asked for.

use std::fmt;
use std::io::Write;

/// What may be asked for.
pub(crate) const HELP: &str = "\
simulation [--seeds N] [--from S] [--seed S [--trace]] [--list] [NAME]
  --seeds N   how many random worlds are run (release: 1000, debug: 60)
  --from S    the first of them (0)
  --seed S    run this one alone and say what it reached
  --trace     print its script and every port call, answer and clock step
  --list      name the checks
  NAME        run only checks whose name holds this";

/// Random worlds where nothing else is said: a debug build takes twenty times as long for each.
const SEEDS: u64 = if cfg!(debug_assertions) { 60 } else { 1000 };

/// The flags.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Flags {
    /// How many random worlds.
    pub(crate) seeds: u64,
    /// The first.
    pub(crate) from: u64,
    /// This one alone.
    pub(crate) seed: Option<u64>,
    /// With its trace.
    pub(crate) trace: bool,
    /// Only name the checks.
    pub(crate) list: bool,
    name: Option<String>,
}

impl Flags {
    /// Reads them. What cargo hands to every test's main is taken and has no effect.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut flags = Self { seeds: SEEDS, from: 0, seed: None, trace: false, list: false, name: None };
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let text = arguments.next().ok_or_else(|| format!("`{argument}` needs a number"))?;
                text.parse::<u64>().map_err(|_| format!("`{argument}` needs a number, not `{text}`"))
            };
            match argument.as_str() {
                "--seeds" => flags.seeds = number()?,
                "--from" => flags.from = number()?,
                "--seed" => flags.seed = Some(number()?),
                "--trace" => flags.trace = true,
                "--list" => flags.list = true,
                "--nocapture" | "--no-capture" | "--quiet" | "-q" | "--show-output" | "--exact" => {}
                "--test-threads" | "--format" | "--color" => drop(arguments.next()),
                other if other.starts_with("--") => return Err(format!("no such flag: `{other}`")),
                name => flags.name = Some(name.to_owned()),
            }
        }
        Ok(flags)
    }

    /// Whether this check is asked for.
    pub(crate) fn wants(&self, check: &str) -> bool {
        self.name.as_ref().is_none_or(|name| check.contains(name.as_str()))
    }
}

/// Prints a line. Who reads it may have gone: that is no failure of the simulation.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}
