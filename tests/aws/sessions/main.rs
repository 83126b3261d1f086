//! Whole sessions on AWS's stand-ins, in virtual time, with a proxy between the SDK and them that fails as it is told to.
//!
//! The functions are the library's own handlers over the AWS adapters; schedules and event sources are played around them.
//! Without stand-ins every case prints `NOT RUN`, and without `MENDLAKE_MARKET` the one on a recorded market does.
//!
//! `cargo test … --test whole_sessions -- calls` is no test: it prints what a session asks of AWS, and what that costs.
//!
//! What is not shown here:
//! - The binaries, their roles and the template's wiring: `deployed` runs those.
//! - Batches that Lambda gives up after six hours, and more than one shard: `event_source` plays the first.
//! - AWS's own limits: the stand-ins have none, and the proxy throttles by chance, not by load.
//!
//! A seed decides which calls fail, by their number. It does not decide everything: the SDK draws its waits between tries
//! itself, and calls that are made at one instant arrive in the order in which sockets happen to be read.

mod bad_day;
mod bench;
mod calls;
mod cloud;
mod faults;
mod judged;
mod play;
mod proxied;
mod proxy;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mendlake_aws_tests::StandIns;

/// Decides what is left to chance where nobody gives another.
const SEED: u64 = 1;

/// What plays and judges a case.
enum Case {
    /// Of nothing but code.
    Pure(fn()),
    /// On stand-ins.
    Standing(fn(&StandIns)),
    /// On stand-ins, with a seed.
    Seeded(fn(&StandIns, u64)),
    /// On stand-ins and a recorded market, with a seed.
    Recorded(fn(&StandIns, u64, &Path)),
}

const CASES: &[(&str, Case)] = &[
    ("what_is_played_is_what_the_template_says", Case::Pure(cloud::template::is_played)),
    ("schedules_fire_on_new_yorks_clock", Case::Pure(cloud::schedule::schedules_fire_on_new_yorks_clock)),
    ("a_bad_day_without_faults_on_the_way_ends_whole_and_true", Case::Standing(bad_day::without_faults)),
    ("a_bad_day_with_everything_failing_on_the_way_ends_whole_and_true", Case::Seeded(bad_day::generated)),
    ("an_event_source_that_goes_on_after_a_failed_batch_is_found", Case::Standing(bad_day::a_lost_batch_is_found)),
    ("two_recorded_bad_days_with_everything_failing_end_whole_and_true", Case::Recorded(bad_day::recorded)),
];

#[expect(clippy::print_stdout, reason = "a test's report is for whoever runs it")]
fn main() -> ExitCode {
    let (only, seed) = arguments();
    if only == ["calls"] {
        calls::print(&StandIns::found().expect("stand-ins"));
        return ExitCode::SUCCESS;
    }
    let (standins, market) = (StandIns::found(), market());
    let (mut passed, mut failed, mut not_run) = (0, 0, 0);
    let cases = CASES.iter().chain(proxied::CASES);
    for (name, case) in cases.filter(|(name, _)| only.is_empty() || only.iter().any(|o| name.contains(o))) {
        println!("\n{name}");
        match played(case, standins.as_ref(), seed, market.as_deref()) {
            Err(why) => {
                println!("test {name} ... NOT RUN: {why}");
                not_run += 1;
            }
            Ok(true) => {
                println!("test {name} ... ok");
                passed += 1;
            }
            Ok(false) => {
                println!("test {name} ... FAILED");
                failed += 1;
            }
        }
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; {not_run} ignored; 0 measured; 0 filtered out"
    );
    ExitCode::from(u8::from(failed > 0))
}

/// Whether the case holds, or why it is not played.
fn played(case: &Case, standins: Result<&StandIns, &String>, seed: u64, market: Option<&Path>) -> Result<bool, String> {
    let no_market = "MENDLAKE_MARKET is not set";
    let standins = || standins.map_err(String::clone);
    let work: Box<dyn FnOnce() + '_> = match case {
        Case::Pure(case) => Box::new(case),
        Case::Standing(case) => {
            let standins = standins()?;
            Box::new(move || case(standins))
        }
        Case::Seeded(case) => {
            let standins = standins()?;
            Box::new(move || case(standins, seed))
        }
        Case::Recorded(case) => {
            let (standins, market) = (standins()?, market.ok_or(no_market)?);
            Box::new(move || case(standins, seed, market))
        }
    };
    Ok(catch_unwind(AssertUnwindSafe(work)).is_ok())
}

/// The cases that are wanted, by a part of their names, and `--seed N`.
fn arguments() -> (Vec<String>, u64) {
    let (mut only, mut seed) = (Vec::new(), SEED);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seed" => seed = arguments.next().and_then(|seed| seed.parse().ok()).expect("--seed is a number"),
            flag if flag.starts_with('-') => {}
            _ => only.push(argument),
        }
    }
    (only, seed)
}

#[expect(clippy::disallowed_methods, reason = "a test target has no configuration: this variable is its only one")]
fn market() -> Option<PathBuf> {
    std::env::var_os("MENDLAKE_MARKET").map(PathBuf::from)
}
