//! The contract suites of AWS's adapters against the stand-ins. Without them, every suite prints `NOT RUN`.

mod lake;

use std::process::ExitCode;

use mendlake_aws_tests::StandIns;

/// A suite: its sentence, and what runs it.
type Suite = (&'static str, fn(&StandIns));

const SUITES: &[Suite] = &[
    ("lake::every_port_keeps_its_contract", lake::every_port_keeps_its_contract),
    ("lake::an_unreadable_object_is_named", lake::an_unreadable_object_is_named),
    ("lake::a_lake_copied_from_disk_or_to_it_reads_alike", lake::a_lake_copied_from_disk_or_to_it_reads_alike),
    ("lake::a_date_of_more_objects_than_a_page_is_read_whole", lake::a_date_of_more_objects_than_a_page_is_read_whole),
    ("lake::a_missing_bucket_is_refused_by_name", lake::a_missing_bucket_is_refused_by_name),
];

#[expect(clippy::print_stdout, reason = "a test's report is for whoever runs it")]
fn main() -> ExitCode {
    let only: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let standins = StandIns::found();
    let (mut passed, mut failed, mut not_run) = (0, 0, 0);
    for (name, suite) in
        SUITES.iter().copied().filter(|(name, _)| only.is_empty() || only.iter().any(|o| name.contains(o)))
    {
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
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; {not_run} ignored; 0 measured; 0 filtered out"
    );
    ExitCode::from(u8::from(failed > 0))
}
