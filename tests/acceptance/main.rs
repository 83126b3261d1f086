//! Acceptance on a recorded market: whole sessions through the real HTTP clients and the whole pipeline.
//!
//! `MENDLAKE_MARKET` names a folder like the one the simulator reads; without it every case prints `NOT RUN`. Each case
//! prints a report.

mod bad_day;
mod cases;
mod played;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A case: its sentence, and what plays and judges it.
type Case = (&'static str, fn(&Path));

const CASES: [Case; 7] = [
    ("two_bad_days_of_four_liquid_symbols_end_whole_and_true", bad_day::two_days),
    ("a_half_day_is_210_minutes_and_whole", cases::half_day),
    ("four_weeks_of_two_illiquid_symbols_end_whole_and_invent_nothing", cases::illiquid),
    ("a_free_key_heals_everything_with_alpaca", cases::free_key_with_alpaca),
    ("a_free_key_alone_leaves_gaps_open_and_asks_once", cases::free_key_alone),
    ("an_unannounced_close_learned_a_day_later_ends_whole", cases::unannounced_close),
    ("a_market_that_is_no_market_is_refused", cases::no_market),
];

#[expect(clippy::print_stdout, reason = "a test's report is for whoever runs it")]
fn main() -> ExitCode {
    let market = market();
    let only: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let (mut passed, mut failed, mut not_run) = (0, 0, 0);
    for (name, case) in CASES.into_iter().filter(|(name, _)| only.is_empty() || only.iter().any(|o| name.contains(o))) {
        let Some(market) = &market else {
            println!("test {name} ... NOT RUN: MENDLAKE_MARKET is not set");
            not_run += 1;
            continue;
        };
        println!("\n{name}");
        match catch_unwind(AssertUnwindSafe(|| case(market))) {
            Ok(()) => {
                println!("test {name} ... ok");
                passed += 1;
            }
            Err(_) => {
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

#[expect(clippy::disallowed_methods, reason = "a test target has no configuration: this variable is its only one")]
fn market() -> Option<PathBuf> {
    std::env::var_os("MENDLAKE_MARKET").map(PathBuf::from)
}
