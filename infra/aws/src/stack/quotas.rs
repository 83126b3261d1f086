//! What the account allows, against what a stack may use of it.

use mendlake_domain::task::SYMBOLS_A_SAMPLE;

/// Copies of `reconcile` that may run at once: the five-minute run beside the hourly one.
const RECONCILES: u32 = 2;

/// Copies of `replay`, as the template limits them.
const REPLAYS: u32 = 2;

/// Ticks of `request` never overlap for long.
const REQUESTS: u32 = 1;

/// Copies of functions that may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    /// So many at most, with the longest list.
    pub most: u32,
    /// So many with the list as it is.
    pub now: u32,
}

/// What a stack's functions may use, by its parameters and its list: `collect` runs once for each message of a minute, as
/// far as `CollectConcurrency` lets it, and `land` once for each shard.
pub fn copies(collect_concurrency: u32, shards: u32, symbols: usize) -> Copies {
    let others = REQUESTS + RECONCILES + REPLAYS + shards;
    let messages = u32::try_from(symbols.div_ceil(SYMBOLS_A_SAMPLE)).unwrap_or(u32::MAX);
    Copies { most: others + collect_concurrency, now: others + messages.min(collect_concurrency) }
}

/// How a quota stands to what is used of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Enough for everything.
    Enough,
    /// Enough for now.
    ForNow,
    /// Too little.
    TooLittle,
}

/// Whether an account's copies are enough for a stack alone.
pub fn room(allowed: u32, copies: Copies) -> Room {
    match allowed {
        allowed if allowed < copies.now => Room::TooLittle,
        allowed if allowed < copies.most => Room::ForNow,
        _ => Room::Enough,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_account_has_room_for_a_short_list_and_not_for_the_longest() {
        // Ten is what a new account has.
        assert_eq!(copies(8, 1, 57), Copies { most: 14, now: 9 });
        assert_eq!(room(10, copies(8, 1, 57)), Room::ForNow);
        assert_eq!(room(10, copies(8, 1, 200)), Room::TooLittle);
        assert_eq!(room(1_000, copies(8, 1, 200)), Room::Enough);
    }

    #[test]
    fn more_messages_than_copies_wait() {
        assert_eq!(copies(2, 1, 200).now, copies(2, 1, 200).most);
        assert_eq!(copies(8, 1, 0).now, 6);
    }
}
