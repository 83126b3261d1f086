//! The simulation: the whole pipeline in worlds that seeds decide, and the checks that show that it would notice.
//!
//! ```text
//! cargo test --release -p mendlake-tests --test simulation -- --seeds 1000
//! cargo test --release -p mendlake-tests --test simulation -- --seed 17 --trace
//! ```

mod fixed;
mod flags;
mod seeds;

use std::process::ExitCode;

use flags::Flags;

fn main() -> ExitCode {
    let flags = match Flags::read(std::env::args().skip(1)) {
        Ok(flags) => flags,
        Err(why) => {
            flags::say(format_args!("{why}\n\n{}", flags::HELP));
            return ExitCode::from(2);
        }
    };
    if let Some(seed) = flags.seed {
        return seeds::one(seed, flags.trace);
    }
    if flags.list {
        fixed::CHECKS.iter().for_each(|(name, _)| flags::say(format_args!("{name}: test")));
        flags::say(format_args!("{}: test", seeds::NAME));
        return ExitCode::SUCCESS;
    }
    let mut outcomes = Vec::new();
    for (name, check) in fixed::CHECKS {
        if flags.wants(name) {
            outcomes.push(told(name, check()));
        }
    }
    if flags.wants(seeds::NAME) {
        outcomes.push(told(seeds::NAME, seeds::many(flags.from, flags.seeds)));
    }
    summary(&outcomes)
}

/// Prints a check's outcome as cargo's own tests do; tells whether it is good.
fn told(name: &str, outcome: Result<String, String>) -> bool {
    match &outcome {
        Ok(what) if what.is_empty() => flags::say(format_args!("test {name} ... ok")),
        Ok(what) => flags::say(format_args!("test {name} ... ok ({what})")),
        Err(why) => flags::say(format_args!("test {name} ... FAILED\n{why}\n")),
    }
    outcome.is_ok()
}

fn summary(outcomes: &[bool]) -> ExitCode {
    let passed = outcomes.iter().filter(|good| **good).count();
    let failed = outcomes.len() - passed;
    let all = fixed::CHECKS.len() + 1;
    let (result, code) = if failed == 0 { ("ok", ExitCode::SUCCESS) } else { ("FAILED", ExitCode::FAILURE) };
    flags::say(format_args!(
        "\ntest result: {result}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {} filtered out",
        all - outcomes.len()
    ));
    code
}
