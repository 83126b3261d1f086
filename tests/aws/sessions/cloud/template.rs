//! What is played, against the template that is deployed.

use super::function::Stage;
use super::queue_source::{LIVE, QueueSource, REPLAY};
use super::resources::MOST_RECEIVES;
use super::{schedule, stream_source};

const TEMPLATE: &str = include_str!("../../../../infra/aws/template.yaml");

/// Timeouts, schedules, batches and receives are the template's.
pub(crate) fn is_played() {
    for stage in [Stage::Request, Stage::Collect, Stage::Land, Stage::Reconcile, Stage::Replay] {
        says(resource(stage), &format!("Timeout: {}\n", stage.timeout_s()));
    }
    for (stage, cron) in schedule::expressions() {
        says(resource(stage), &format!("cron({cron})"));
    }
    for stage in [Stage::Request, Stage::Reconcile] {
        says(resource(stage), "EventInvokeConfig: { MaximumRetryAttempts: 0");
    }
    for (source, queue) in [(LIVE, "LiveQueue"), (REPLAY, "ReplayQueue")] {
        let QueueSource { stage, batch, most, visibility_s } = source;
        says(resource(stage), &format!("BatchSize: {batch}\n"));
        let most_is_said = ["ScalingConfig: { MaximumConcurrency: !Ref CollectConcurrency }".to_owned()];
        match stage {
            Stage::Collect => {
                most_is_said.iter().for_each(|text| says(resource(stage), text));
                says("CollectConcurrency", &format!("Default: {most}"));
            }
            _ => says(resource(stage), &format!("MaximumConcurrency: {most} ")),
        }
        says(queue, &format!("VisibilityTimeout: {visibility_s}\n"));
        says(queue, &format!("maxReceiveCount: {MOST_RECEIVES} "));
    }
    for text in
        ["BatchSize: {}\n".replace("{}", &stream_source::BATCH.to_string()), "BisectBatchOnFunctionError: true".into()]
    {
        says("Land", &text);
    }
}

const fn resource(stage: Stage) -> &'static str {
    match stage {
        Stage::Request => "Request",
        Stage::Collect => "Collect",
        Stage::Land => "Land",
        Stage::Reconcile => "Reconcile",
        Stage::Replay => "Replay",
    }
}

/// Whether the part of this name says so.
#[track_caller]
fn says(name: &str, text: &str) {
    let begins = TEMPLATE.find(&format!("\n  {name}:\n")).unwrap_or_else(|| panic!("the template has no `{name}`"));
    let mut lines = TEMPLATE[begins + 1..].split_inclusive('\n');
    let first = lines.next().expect("its name");
    let part: String = lines.take_while(|line| line.starts_with("   ") || line.trim().is_empty()).collect();
    assert!(part.contains(text), "`{}` does not say `{text}`:\n{part}", first.trim());
}
