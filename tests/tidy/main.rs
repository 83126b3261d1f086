//! Tidiness of the tree: what style and design demand and no compiler checks. Reads files, builds nothing.
//!
//! Every check is a function from the tree to complaints, so that each is also tried on a small tree that breaks it.

mod docs;
mod layers;
mod locked;
mod prices;
mod runbooks;
mod rust;
mod tree;
mod words;

use tree::Tree;

/// Fails with every complaint at once.
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn layers_keep_their_order() {
    none(layers::order(&Tree::of_this_repository()));
}

#[test]
fn every_dependency_comes_from_the_one_table_and_every_entry_of_it_is_used() {
    none(layers::one_table(&Tree::of_this_repository()));
}

#[test]
fn the_aws_sdk_stays_behind_its_feature() {
    none(layers::aws_behind_its_feature(&Tree::of_this_repository()));
}

#[test]
fn there_is_one_version_of_what_must_not_be_there_twice() {
    none(locked::one_version(&Tree::of_this_repository()));
}

#[test]
fn every_package_comes_from_the_public_registry() {
    none(locked::public_registry(&Tree::of_this_repository()));
}

#[test]
fn there_is_exactly_one_clippy_toml() {
    none(rust::one_clippy_toml(&Tree::of_this_repository()));
}

#[test]
fn source_files_are_short_enough_to_read() {
    none(rust::long_files(&Tree::of_this_repository()));
}

#[test]
fn nothing_is_left_unfinished() {
    none(words::unfinished(&Tree::of_this_repository()));
}

#[test]
fn nothing_names_a_folder_of_somebodys_machine_or_a_registry() {
    none(words::machines(&Tree::of_this_repository()));
}

#[test]
fn every_page_that_error_logs_send_a_person_to_exists() {
    none(runbooks::named_pages_exist(&Tree::of_this_repository()));
}

#[test]
fn every_runbook_has_the_parts_of_its_kind_and_a_line_in_the_index() {
    none(runbooks::parts(&Tree::of_this_repository()));
}

#[test]
fn every_alarms_page_knows_one_machine_and_aws() {
    none(runbooks::places(&Tree::of_this_repository()));
}

#[test]
fn every_alarm_of_the_template_has_a_page_and_every_output_a_page_asks_for_is_there() {
    none(runbooks::template(&Tree::of_this_repository()));
}

#[test]
fn every_page_says_how_to_ask_for_the_stacks_outputs_before_it_asks() {
    none(runbooks::beginnings(&Tree::of_this_repository()));
}

#[test]
fn every_price_says_where_it_is_from() {
    none(prices::dated(&Tree::of_this_repository()));
}

#[test]
fn what_it_costs_is_what_the_prices_make_it() {
    none(prices::sums(&Tree::of_this_repository()));
}

#[test]
fn commands_in_the_documents_exist() {
    none(docs::commands(&Tree::of_this_repository()));
}

#[test]
fn links_between_documents_lead_somewhere() {
    none(docs::links(&Tree::of_this_repository()));
}

#[test]
fn the_code_map_names_every_module() {
    none(docs::code_map(&Tree::of_this_repository()));
}

#[test]
fn readme_and_both_pipelines_run_the_same_test_command() {
    none(docs::one_test_command(&Tree::of_this_repository()));
}
