//! The contract of [`Budget`].

use futures_util::future::join_all;

use super::Fresh;
use crate::budget::{Budget, Reservation};

/// Every check.
pub async fn all(budget: &impl Budget, fresh: Fresh) {
    a_minute_is_reserved_once(budget, fresh).await;
    of_many_reserving_at_once_one_wins(budget, fresh).await;
    leases_never_add_up_to_more_than_the_share(budget, fresh).await;
    of_many_leasing_at_once_none_is_given_too_much(budget, fresh).await;
    the_smallest_share_holds(budget, fresh).await;
    reservations_and_leases_do_not_touch(budget, fresh).await;
}

/// `reserve_live` succeeds once for each provider and minute.
pub async fn a_minute_is_reserved_once(budget: &impl Budget, fresh: Fresh) {
    let (provider, other) = (fresh.source("once"), fresh.source("once-other"));
    let minute = fresh.hour(0);
    let reserve = async |p, m, calls| budget.reserve_live(p, m, calls).await.expect("reserve");
    assert_eq!(reserve(&provider, minute, 8).await, Reservation::Reserved);
    assert_eq!(reserve(&provider, minute, 8).await, Reservation::AlreadyReserved);
    assert_eq!(reserve(&provider, minute, 3).await, Reservation::AlreadyReserved, "whatever the calls");
    assert_eq!(reserve(&provider, minute + 1, 8).await, Reservation::Reserved, "another minute");
    assert_eq!(reserve(&other, minute, 8).await, Reservation::Reserved, "another provider");
    assert_eq!(reserve(&provider, minute, 8).await, Reservation::AlreadyReserved, "still");
}

/// However many try at once, one reserves.
pub async fn of_many_reserving_at_once_one_wins(budget: &impl Budget, fresh: Fresh) {
    let provider = fresh.source("race");
    let tries = join_all((0..8).map(|_| budget.reserve_live(&provider, fresh.hour(0), 5))).await;
    let won = tries.into_iter().map(|t| t.expect("reserve")).filter(|t| *t == Reservation::Reserved).count();
    assert_eq!(won, 1);
}

/// The leases of a minute never add up to more than the share, and none is given back.
pub async fn leases_never_add_up_to_more_than_the_share(budget: &impl Budget, fresh: Fresh) {
    let (provider, minute) = (fresh.source("lease"), fresh.hour(0));
    let lease = async |m, calls, share| budget.lease_replay(&provider, m, calls, share).await.expect("lease");
    assert_eq!(lease(minute, 4, 10).await, 4);
    assert_eq!(lease(minute, 4, 10).await, 4);
    assert_eq!(lease(minute, 4, 10).await, 2, "what is left");
    assert_eq!(lease(minute, 4, 10).await, 0, "nothing is left");
    assert_eq!(lease(minute + 1, 4, 10).await, 4, "another minute has its own");
    assert_eq!(lease(minute + 2, 4, 0).await, 0, "no share");
    assert_eq!(lease(minute + 3, 0, 10).await, 0, "no calls");
}

/// However many try at once, the leases never add up to more than the share.
pub async fn of_many_leasing_at_once_none_is_given_too_much(budget: &impl Budget, fresh: Fresh) {
    let provider = fresh.source("lease-race");
    let tries = join_all((0..8).map(|_| budget.lease_replay(&provider, fresh.hour(0), 3, 10))).await;
    assert_eq!(tries.into_iter().map(|t| t.expect("lease")).sum::<u32>(), 10);
}

/// The smallest share asked with holds for the minute, in whatever order shares were asked with.
pub async fn the_smallest_share_holds(budget: &impl Budget, fresh: Fresh) {
    let (provider, minute) = (fresh.source("smallest"), fresh.hour(0));
    let lease = async |m, calls, share| budget.lease_replay(&provider, m, calls, share).await.expect("lease");
    assert_eq!(lease(minute, 3, 4).await, 3);
    assert_eq!(lease(minute, 9, 20).await, 1, "up to the smaller share that was asked with before");
    assert_eq!(lease(minute + 1, 6, 20).await, 6);
    assert_eq!(lease(minute + 1, 6, 5).await, 0, "more than the smaller share is leased already");
    assert_eq!(lease(minute + 1, 6, 20).await, 0, "and stays so");
    assert_eq!(lease(minute + 2, 0, 2).await, 0);
    assert_eq!(lease(minute + 2, 6, 20).await, 2, "a share counts though nothing was given");
}

/// A reservation is no lease and a lease no reservation.
pub async fn reservations_and_leases_do_not_touch(budget: &impl Budget, fresh: Fresh) {
    let (provider, minute) = (fresh.source("apart"), fresh.hour(0));
    assert_eq!(budget.lease_replay(&provider, minute, 4, 10).await.expect("lease"), 4);
    assert_eq!(budget.reserve_live(&provider, minute, 50).await.expect("reserve"), Reservation::Reserved);
    assert_eq!(budget.lease_replay(&provider, minute, 9, 10).await.expect("lease"), 6);
}

/// What was reserved and leased survives power loss, or calls would be made twice. `power_loss` gives the budget as it
/// is found after one.
pub async fn what_was_given_survives_power_loss<B: Budget>(budget: B, fresh: Fresh, power_loss: impl FnOnce(B) -> B) {
    let (provider, minute) = (fresh.source("power-loss"), fresh.hour(0));
    assert_eq!(budget.reserve_live(&provider, minute, 5).await.expect("reserve"), Reservation::Reserved);
    assert_eq!(budget.lease_replay(&provider, minute, 7, 10).await.expect("lease"), 7);
    let budget = power_loss(budget);
    assert_eq!(budget.reserve_live(&provider, minute, 5).await.expect("reserve"), Reservation::AlreadyReserved);
    assert_eq!(budget.lease_replay(&provider, minute, 7, 10).await.expect("lease"), 3);
}
