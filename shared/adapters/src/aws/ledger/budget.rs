//! The ledger's budget items on DynamoDB.

use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::SourceName;
use mendlake_ports::budget::{Budget, Reservation};
use mendlake_ports::clock::Clock;
use mendlake_ports::error::{Kind, PortError, Result};

use super::DynamoDbLedger;
use super::item::{Item, number};
use super::schema::Key;
use super::table::{Expression, Put};

/// How long a minute's budget is remembered: a tick is late after seconds, so a day is long past any duplicate.
const KEPT_MINUTES: i64 = 24 * 60;

/// How often a lease is decided anew after another lease came first. Each loss is another's win of at least one call, and
/// wins end with the share: so many losses in a row take more copies at once than an account runs.
const LEASE_TRIES: usize = 100;

/// What of a minute is leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leased {
    calls: u32,
    /// The smallest share asked with.
    share: u32,
}

impl<C: Clock> Budget for DynamoDbLedger<C> {
    async fn reserve_live(&self, provider: &SourceName, minute: Minute, calls: u32) -> Result<Reservation> {
        let item = Item::new(Key::live(provider, minute)).number("calls", calls).expires(forgotten_at(minute));
        match self.table.put_if(item, Expression::absent(), "reserve live calls").await? {
            Put::Done => Ok(Reservation::Reserved),
            Put::Refused(_) => Ok(Reservation::AlreadyReserved),
        }
    }

    async fn lease_replay(&self, provider: &SourceName, minute: Minute, calls: u32, share: u32) -> Result<u32> {
        const DOING: &str = "lease replay calls";
        let key = Key::replay(provider, minute);
        // Most often the first of its minute; where not, the refusal tells what is leased.
        let mut leased = None;
        for _ in 0..LEASE_TRIES {
            let (lease, after) = Leased::more(leased, calls, share);
            if leased == Some(after) {
                return Ok(0);
            }
            let item = Item::new(key.clone()).number("calls", after.calls).number("share", after.share);
            let item = item.expires(forgotten_at(minute));
            let there = match self.table.put_if(item, Leased::unchanged(leased), DOING).await? {
                Put::Done => return Ok(lease),
                Put::Refused(Some(item)) => Some(item),
                Put::Refused(None) => self.table.get(key.clone(), DOING).await?,
            };
            leased = there.as_ref().map(Leased::read).transpose()?;
        }
        Err(PortError::new(Kind::Throttled, format!("{DOING}: {LEASE_TRIES} others came first")))
    }
}

impl Leased {
    /// How many calls a lease gets, and what is leased then.
    fn more(before: Option<Self>, calls: u32, share: u32) -> (u32, Self) {
        let leased = before.map_or(0, |before| before.calls);
        let share = before.map_or(share, |before| before.share.min(share));
        let lease = calls.min(share.saturating_sub(leased));
        (lease, Self { calls: leased + lease, share })
    }

    /// The condition that nobody leased since. Calls only rise and shares only fall: the same values are the same item.
    fn unchanged(before: Option<Self>) -> Expression {
        let Some(before) = before else { return Expression::absent() };
        let values = [(":calls", number(before.calls)), (":share", number(before.share))];
        Expression::new("#calls = :calls AND #share = :share", values)
    }

    fn read(item: &Item) -> Result<Self> {
        Ok(Self { calls: item.get_number("calls")?, share: item.get_number("share")? })
    }
}

fn forgotten_at(minute: Minute) -> Timestamp {
    minute.plus(KEPT_MINUTES).start()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_what_the_smallest_share_leaves() {
        let leased = |calls, share| Some(Leased { calls, share });
        let cases = [
            (None, 4, 10, 4, 4, 10),
            (leased(8, 10), 4, 10, 2, 10, 10),
            (leased(3, 4), 9, 20, 1, 4, 4),
            (leased(6, 20), 6, 5, 0, 6, 5),
            (None, 0, 2, 0, 0, 2),
        ];
        for (before, calls, share, lease, after, smallest) in cases {
            let told = Leased::more(before, calls, share);
            assert_eq!(told, (lease, Leased { calls: after, share: smallest }), "{before:?} {calls} of {share}");
        }
    }
}
