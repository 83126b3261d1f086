//! The contract suites of AWS's adapters against the stand-ins. Without them, every suite prints `NOT RUN`.

mod athena;
mod lake;
mod ledger;
mod machine;
mod queue;
mod secrets;
mod stream;

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
    ("athena::duckdb_gives_what_the_footers_say_in_any_zone", athena::duckdb_gives_what_the_footers_say_in_any_zone),
    ("athena::a_stand_ins_athena_gives_what_the_footers_say", athena::a_stand_ins_athena_gives_what_the_footers_say),
    ("ledger::it_keeps_its_contracts_on_dynoxide", ledger::it_keeps_its_contracts_on_dynoxide),
    ("ledger::it_keeps_its_contracts_on_ministack", ledger::it_keeps_its_contracts_on_ministack),
    ("ledger::of_processes_that_race_for_an_item_one_wins", ledger::of_processes_that_race_for_an_item_one_wins),
    ("ledger::every_page_is_read", ledger::every_page_is_read),
    (
        "ledger::what_was_told_once_is_done_once_though_an_answer_was_lost",
        ledger::what_was_told_once_is_done_once_though_an_answer_was_lost,
    ),
    ("ledger::a_table_that_is_no_ledger_is_refused_by_name", ledger::a_table_that_is_no_ledger_is_refused_by_name),
    (
        "ledger::requests_follow_minutes_and_failures_not_symbols",
        ledger::requests_follow_minutes_and_failures_not_symbols,
    ),
    (
        "queue::the_queue_on_sqs_keeps_its_contract_as_far_as_seconds_show",
        queue::the_queue_on_sqs_keeps_its_contract_as_far_as_seconds_show,
    ),
    (
        "queue::more_messages_than_a_call_takes_are_all_sent_once",
        queue::more_messages_than_a_call_takes_are_all_sent_once,
    ),
    (
        "queue::the_depth_tells_the_waiting_the_received_the_delayed_and_the_dead",
        queue::the_depth_tells_the_waiting_the_received_the_delayed_and_the_dead,
    ),
    ("queue::the_queue_of_another_account_is_denied_by_name", queue::the_queue_of_another_account_is_denied_by_name),
    (
        "stream::the_stream_on_kinesis_keeps_its_contract_as_far_as_seconds_show",
        stream::the_stream_on_kinesis_keeps_its_contract_as_far_as_seconds_show,
    ),
    (
        "stream::more_records_and_bytes_than_a_call_takes_are_all_put_once",
        stream::more_records_and_bytes_than_a_call_takes_are_all_put_once,
    ),
    ("stream::a_paced_stream_takes_the_time_its_share_takes", stream::a_paced_stream_takes_the_time_its_share_takes),
    (
        "stream::the_stream_of_another_account_is_denied_by_name",
        stream::the_stream_of_another_account_is_denied_by_name,
    ),
    ("secrets::secrets_manager_keeps_the_contract_of_secrets", secrets::secrets_manager_keeps_the_contract_of_secrets),
    (
        "secrets::a_json_secret_is_read_and_a_deleted_one_is_denied_with_what_to_do",
        secrets::a_json_secret_is_read_and_a_deleted_one_is_denied_with_what_to_do,
    ),
    (
        "secrets::the_version_is_the_stores_own_and_a_rotation_is_seen_by_asking_fresh",
        secrets::the_version_is_the_stores_own_and_a_rotation_is_seen_by_asking_fresh,
    ),
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
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; {not_run} ignored; 0 measured; 0 filtered out"
    );
    ExitCode::from(u8::from(failed > 0))
}
