//! The contract suites of AWS's adapters against the stand-ins. Without them, every suite prints `NOT RUN`.

mod ledger;

use std::process::ExitCode;

use mendlake_aws_tests::StandIns;

/// A suite: its sentence, and what runs it.
type Suite = (&'static str, fn(&StandIns));

const SUITES: &[Suite] = &[
    ("the DynamoDB ledger keeps its contracts on dynoxide", ledger::contracts_on_dynoxide),
    ("the DynamoDB ledger keeps its contracts on ministack", ledger::contracts_on_ministack),
    ("of processes that race for one item of the ledger one wins", ledger::races),
    ("the ledger reads every page", ledger::pages),
    ("the ledger does once what it was told once though an answer was lost", ledger::lost_answers),
    ("the ledger of another stack is refused by name", ledger::another_table),
    ("the ledger's requests follow minutes and failures, not symbols", ledger::requests),
];

#[expect(clippy::print_stdout, reason = "a test's report is for whoever runs it")]
fn main() -> ExitCode {
    let only: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let standins = StandIns::found();
    let (mut passed, mut failed, mut not_run) = (0, 0, 0);
    for (name, suite) in SUITES.iter().filter(|(name, _)| only.is_empty() || only.iter().any(|o| name.contains(o))) {
        match &standins {
            Err(why) => {
                println!("test {name} ... NOT RUN: {why}");
                not_run += 1;
            }
            Ok(standins) => match std::panic::catch_unwind(|| suite(standins)) {
                Ok(()) => {
                    println!("test {name} ... ok");
                    passed += 1;
                }
                Err(_) => {
                    println!("test {name} ... FAILED");
                    failed += 1;
                }
            },
        }
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {verdict}. {passed} passed; {failed} failed; {not_run} ignored; 0 measured; 0 filtered out");
    ExitCode::from(u8::from(failed > 0))
}
