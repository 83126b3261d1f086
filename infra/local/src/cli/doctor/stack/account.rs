//! What the account allows, against what the stack may use.

use mendlake_aws::stack::Stack;
use mendlake_aws::stack::quotas::{Room, copies, room};
use mendlake_ports::error::Result;

use super::super::Finding;
use super::or_unread;

/// Raises Lambda's concurrency.
const MORE_COPIES: &str = "ask for more: `aws service-quotas request-service-quota-increase --service-code lambda --quota-code \
                           L-B99A9384 --desired-value 100`";

/// What the quotas say, with so many symbols watched.
pub(super) async fn all(stack: &Stack, symbols: usize) -> Vec<Finding> {
    let concurrency = concurrency(stack, symbols).await;
    let shards = shards(stack).await;
    vec![or_unread("concurrency", concurrency), or_unread("shards", shards)]
}

async fn concurrency(stack: &Stack, symbols: usize) -> Result<Finding> {
    let shards = stack.stream().await?.shards;
    let copies = copies(stack.number("CollectConcurrency")?, shards, symbols);
    let (all, unreserved) = stack.functions().concurrency().await?;
    let told = format!(
        "{all} functions of this account may run at once, {unreserved} of them anybody's; this stack uses up to {} with \
         this list, {} with the longest",
        copies.now, copies.most
    );
    Ok(match room(unreserved, copies) {
        Room::Enough => Finding::good("concurrency", told),
        Room::ForNow => Finding::note("concurrency", told, MORE_COPIES),
        Room::TooLittle => Finding::wrong("concurrency", told, MORE_COPIES),
    })
}

async fn shards(stack: &Stack) -> Result<Finding> {
    let shards = stack.shards().await?;
    let told = format!("{} of {} that this account may have are open", shards.open, shards.most);
    Ok(match shards.open >= shards.most {
        false => Finding::good("shards", told),
        true => Finding::note("shards", told, "another stack, or more shards, need a higher quota of Kinesis' first"),
    })
}
