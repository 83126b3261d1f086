//! The contract of [`Gaps`].

use chrono::NaiveDate;
use futures_util::future::join_all;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::gap::{Evidence, Gap, OpenReason, Unrecoverable, Upheld};
use mendlake_domain::minute::Minute;
use mendlake_domain::symbol::Symbol;

use super::Fresh;
use crate::gaps::{Gaps, VersionedGap, Write};

/// Every check.
pub async fn all(gaps: &impl Gaps, fresh: Fresh) {
    an_item_is_read_back_whole(gaps, fresh).await;
    an_item_is_stored_only_at_its_version(gaps, fresh).await;
    an_item_that_is_not_there_has_version_0_only(gaps, fresh).await;
    of_several_writers_at_once_one_wins(gaps, fresh).await;
    pending_has_every_item_with_something_left_to_do(gaps, fresh).await;
    of_session_has_every_item_of_the_day(gaps, fresh).await;
    items_are_by_day_and_symbol(gaps, fresh).await;
}

/// A stored item is read back whole.
pub async fn an_item_is_read_back_whole(gaps: &impl Gaps, fresh: Fresh) {
    let gap = full(fresh, fresh.day(), fresh.symbol("WHOLE"));
    let version = stored(gaps.write(&gap, 0).await.expect("write"));
    let read = gaps.gap(gap.on, &gap.symbol).await.expect("read");
    assert_eq!(read, Some(VersionedGap { gap, version }));
}

/// An item is stored if and only if its stored version is the one given; versions rise with every write.
pub async fn an_item_is_stored_only_at_its_version(gaps: &impl Gaps, fresh: Fresh) {
    let mut gap = open(fresh, fresh.day(), fresh.symbol("VERSION"));
    let first = stored(gaps.write(&gap, 0).await.expect("write"));
    assert!(first > 0);
    gap.attempts = 1;
    assert_eq!(gaps.write(&gap, 0).await.expect("write"), Write::Conflict, "there is one already");
    let second = stored(gaps.write(&gap, first).await.expect("write"));
    assert!(second > first);
    gap.attempts = 2;
    for stale in [0, first, second + 1, u64::MAX] {
        assert_eq!(gaps.write(&gap, stale).await.expect("write"), Write::Conflict, "{stale}");
    }
    let read = gaps.gap(gap.on, &gap.symbol).await.expect("read").expect("it is stored");
    assert_eq!((read.version, read.gap.attempts), (second, 1), "a conflict changes nothing");
}

/// An item that is not stored is `None`, and only version 0 stores it.
pub async fn an_item_that_is_not_there_has_version_0_only(gaps: &impl Gaps, fresh: Fresh) {
    let gap = open(fresh, fresh.day(), fresh.symbol("NONE"));
    assert_eq!(gaps.gap(gap.on, &gap.symbol).await.expect("read"), None);
    assert_eq!(gaps.write(&gap, 1).await.expect("write"), Write::Conflict);
    assert_eq!(gaps.gap(gap.on, &gap.symbol).await.expect("read"), None);
    stored(gaps.write(&gap, 0).await.expect("write"));
    let other_day = gap.on.succ_opt().expect("a day later");
    assert_eq!(gaps.gap(other_day, &gap.symbol).await.expect("read"), None);
}

/// Of several writers at one version, one wins, and it is the winner's item that is stored.
pub async fn of_several_writers_at_once_one_wins(gaps: &impl Gaps, fresh: Fresh) {
    let gap = open(fresh, fresh.day(), fresh.symbol("RACE"));
    let mut version = 0;
    for _round in 0..2 {
        let items: Vec<_> = (0..6).map(|attempts| Gap { attempts, ..gap.clone() }).collect();
        let writes = join_all(items.iter().map(|item| gaps.write(item, version))).await;
        let writes = writes.into_iter().map(|w| w.expect("write"));
        let won: Vec<_> = (0..).zip(writes).filter(|(_, w)| *w != Write::Conflict).collect();
        let [(winner, Write::Stored(now))] = won[..] else { panic!("one writer wins: {won:?}") };
        let read = gaps.gap(gap.on, &gap.symbol).await.expect("read").expect("it is stored");
        assert_eq!((read.gap.attempts, read.version), (winner, now));
        version = now;
    }
}

/// `pending` has every item for which [`Gap::is_pending`] holds and no other, as last written.
pub async fn pending_has_every_item_with_something_left_to_do(gaps: &impl Gaps, fresh: Fresh) {
    let item = |name: &str| Gap::new(fresh.day(), fresh.symbol(name), fresh.hour(9).start());
    let minutes = MinuteSet::between(fresh.hour(9), fresh.hour(9) + 7);
    let open = open(fresh, fresh.day(), fresh.symbol("P.OPEN"));
    let suspect = Gap { suspect: minutes.clone(), ..item("P.SUSPECT") };
    let reread = Gap { reread_at: Some(fresh.hour(20).start()), ..item("P.REREAD") };
    let replayed = Gap { replayed_at: Some(fresh.hour(9).start()), ..item("P.REPLAYED") };
    let mut done = item("P.DONE");
    done.give_up(Unrecoverable::NoData, &minutes);
    done.uphold(Upheld::Quiet, &minutes);
    for gap in [&open, &suspect, &reread, &replayed, &done] {
        stored(gaps.write(gap, 0).await.expect("write"));
    }
    assert_eq!(pending(gaps, fresh, "P.").await, [open.clone(), replayed.clone(), reread.clone(), suspect.clone()]);

    rewrite(gaps, &Gap { open: done.open.clone(), ..open }).await;
    rewrite(gaps, &Gap { suspect: MinuteSet::new(), ..suspect }).await;
    let reopened = Gap { suspect: minutes, ..done };
    rewrite(gaps, &reopened).await;
    assert_eq!(pending(gaps, fresh, "P.").await, [reopened, replayed, reread], "two are done, one is open again");
}

/// `of_session` has every item of a trading day, pending or not, and none of another day.
pub async fn of_session_has_every_item_of_the_day(gaps: &impl Gaps, fresh: Fresh) {
    let next = fresh.day().succ_opt().expect("a day later");
    let (a, b) = (fresh.symbol("S.A"), fresh.symbol("S.B"));
    let today = open(fresh, fresh.day(), a.clone());
    let done = Gap::new(fresh.day(), b, fresh.hour(9).start());
    let tomorrow = open(fresh, next, a);
    for gap in [&today, &done, &tomorrow] {
        stored(gaps.write(gap, 0).await.expect("write"));
    }
    let of_session = async |on| mine(fresh, "S.", gaps.of_session(on).await.expect("read"));
    assert_eq!(of_session(fresh.day()).await, [today, done]);
    assert_eq!(of_session(next).await, [tomorrow]);
}

/// Items are given by day, then by symbol.
pub async fn items_are_by_day_and_symbol(gaps: &impl Gaps, fresh: Fresh) {
    let next = fresh.day().succ_opt().expect("a day later");
    let symbols = ["O.Z", "O.A", "O.A0", "O.A.B", "O.10", "O.9"].map(|name| fresh.symbol(name));
    for (on, symbol) in symbols.iter().flat_map(|s| [(next, s), (fresh.day(), s)]) {
        stored(gaps.write(&open(fresh, on, symbol.clone()), 0).await.expect("write"));
    }
    let keys: Vec<_> = pending(gaps, fresh, "O.").await.into_iter().map(|g| (g.on, g.symbol)).collect();
    assert!(keys.len() == 12 && keys.is_sorted(), "{keys:?}");
    let session = mine(fresh, "O.", gaps.of_session(next).await.expect("read"));
    assert!(session.len() == 6 && session.is_sorted_by_key(|g| g.symbol.clone()), "{session:?}");
}

/// What was stored survives power loss with its version. `power_loss` gives the gaps as they are found after one.
pub async fn what_was_stored_survives_power_loss<G: Gaps>(gaps: G, fresh: Fresh, power_loss: impl FnOnce(G) -> G) {
    let gap = full(fresh, fresh.day(), fresh.symbol("POWER"));
    let first = stored(gaps.write(&gap, 0).await.expect("write"));
    let version = stored(gaps.write(&gap, first).await.expect("write"));
    let gaps = power_loss(gaps);
    let read = gaps.gap(gap.on, &gap.symbol).await.expect("read");
    assert_eq!(read, Some(VersionedGap { gap: gap.clone(), version }));
    assert_eq!(pending(&gaps, fresh, "POWER").await, [gap]);
}

async fn pending(gaps: &impl Gaps, fresh: Fresh, name: &str) -> Vec<Gap> {
    mine(fresh, name, gaps.pending().await.expect("read"))
}

fn mine(fresh: Fresh, name: &str, items: Vec<VersionedGap>) -> Vec<Gap> {
    let prefix = fresh.symbol(name);
    items.into_iter().map(|item| item.gap).filter(|gap| gap.symbol.as_str().starts_with(prefix.as_str())).collect()
}

async fn rewrite(gaps: &impl Gaps, gap: &Gap) {
    let read = gaps.gap(gap.on, &gap.symbol).await.expect("read").expect("it is stored");
    stored(gaps.write(gap, read.version).await.expect("write"));
}

fn stored(write: Write) -> u64 {
    match write {
        Write::Stored(version) => version,
        Write::Conflict => panic!("nobody else writes this item"),
    }
}

fn open(fresh: Fresh, on: NaiveDate, symbol: Symbol) -> Gap {
    let mut gap = Gap::new(on, symbol, fresh.hour(9).start());
    gap.set_open(OpenReason::Waiting, &MinuteSet::between(fresh.hour(9), fresh.hour(9) + 3));
    gap
}

/// A gap item with something in every field.
fn full(fresh: Fresh, on: NaiveDate, symbol: Symbol) -> Gap {
    let first: Minute = fresh.hour(13) + 30;
    let minutes = |from, to| MinuteSet::between(first + from, first + to);
    let mut gap = Gap::new(on, symbol, first.start());
    gap.set_open(OpenReason::Waiting, &minutes(0, 5));
    gap.set_open(OpenReason::UnprovenQuiet, &minutes(100, 200));
    gap.give_up(Unrecoverable::PriceBreak, &minutes(5, 7));
    gap.suspect = minutes(10, 12);
    gap.uphold(Upheld::Undecidable, &minutes(20, 22));
    gap.attempts = 4;
    gap.next_attempt_at = first.start().plus_ms(123_456);
    gap.replayed_at = Some(first.start().plus_ms(77));
    gap.reread_at = Some(first.start().plus_ms(99_999_999));
    gap.note_read(Evidence {
        source: fresh.source("reader"),
        read_at: first.start().plus_ms(1),
        complete_to: first + 300,
        candles: minutes(30, 90),
    });
    gap
}
