//! The contract of the control logs.
//!
//! The checks append after whatever a log holds, so they may share one lake and run again on it. `again` is a second
//! handle to the same logs. That an entry survives power loss is tested with each adapter's own crashes.

use futures_util::future::join;

use crate::control::{Appended, Control, Log, append};
use crate::error::Kind;

/// Every check.
pub async fn all(control: &impl Control, again: &impl Control) {
    entries_come_back_in_order_as_stored(control, again).await;
    a_number_is_taken_once_and_its_entry_never_changes(control, again).await;
    of_two_at_once_one_is_taken(control, again).await;
    a_number_beyond_the_next_is_rejected(control, again).await;
    reading_after_a_number_gives_what_is_above_it(control, again).await;
    the_logs_do_not_mix(control, again).await;
    every_entry_has_a_place_of_its_own(control, again);
    whoever_appends_has_a_number_of_their_own(control, again).await;
}

/// Entries come back in order, byte for byte.
pub async fn entries_come_back_in_order_as_stored(control: &impl Control, again: &impl Control) {
    let before = newest(control, Log::Watchlist).await;
    let entries = [&br#"{"v":1,"n":0}"#[..], b"{\"v\": 1,\n\"n\":1}\n\n", b"", b"\xff\x00", &[b'x'; 100_000]];
    for (index, entry) in entries.iter().enumerate() {
        let appended = control.append(Log::Watchlist, before + 1 + index, entry).await.expect("append");
        assert_eq!(appended, Appended::Done);
    }
    assert_eq!(again.read(Log::Watchlist, before).await.expect("read"), entries);
}

/// `append` creates the entry if and only if there is none with its number; an appended entry never changes.
pub async fn a_number_is_taken_once_and_its_entry_never_changes(control: &impl Control, again: &impl Control) {
    let number = newest(control, Log::Overlay).await + 1;
    assert_eq!(control.append(Log::Overlay, number, b"first").await.expect("append"), Appended::Done);
    for entry in [&b"second"[..], b"first"] {
        assert_eq!(again.append(Log::Overlay, number, entry).await.expect("append"), Appended::Taken);
    }
    assert_eq!(control.append(Log::Overlay, number + 1, b"third").await.expect("append"), Appended::Done);
    assert_eq!(again.append(Log::Overlay, number, b"fourth").await.expect("append"), Appended::Taken);
    assert_eq!(again.read(Log::Overlay, number - 1).await.expect("read"), [b"first", b"third"]);
}

/// Both handles name one place for an entry, and no other entry has it.
pub fn every_entry_has_a_place_of_its_own(control: &impl Control, again: &impl Control) {
    let entries = Log::ALL.into_iter().flat_map(|log| [1, 2, 123_456_789].map(|number| (log, number)));
    let mut places = std::collections::BTreeSet::new();
    for (log, number) in entries {
        let place = control.place_of(log, number);
        assert_eq!(place, again.place_of(log, number));
        assert!(place.contains(log.folder()) && place.contains(&number.to_string()), "{place}");
        assert!(places.insert(place), "{log:?} {number}");
    }
}

/// Of two at once, one is `Taken`, and the other's entry is the one that is read.
pub async fn of_two_at_once_one_is_taken(control: &impl Control, again: &impl Control) {
    let number = newest(control, Log::Verdicts).await + 1;
    let (one, other) =
        join(control.append(Log::Verdicts, number, b"one"), again.append(Log::Verdicts, number, b"other")).await;
    let winner: &[u8] = match (one.expect("append"), other.expect("append")) {
        (Appended::Done, Appended::Taken) => b"one",
        (Appended::Taken, Appended::Done) => b"other",
        both => panic!("one wins: {both:?}"),
    };
    assert_eq!(control.read(Log::Verdicts, number - 1).await.expect("read"), [winner]);
}

/// Entries are numbered from 1 without holes: a number that would leave one is `Rejected` and leaves nothing.
pub async fn a_number_beyond_the_next_is_rejected(control: &impl Control, again: &impl Control) {
    let before = newest(control, Log::Overlay).await;
    for number in [0, before + 2, before + 1000] {
        let error = control.append(Log::Overlay, number, b"beyond").await.expect_err("beyond");
        assert_eq!(error.kind, Kind::Rejected, "{}", error.chain());
    }
    assert_eq!(newest(again, Log::Overlay).await, before);
    assert_eq!(again.append(Log::Overlay, before + 1, b"next").await.expect("append"), Appended::Done);
}

/// `read` gives every entry after the number; there is nothing after the newest.
pub async fn reading_after_a_number_gives_what_is_above_it(control: &impl Control, again: &impl Control) {
    let before = newest(control, Log::Watchlist).await;
    for index in 1..=12 {
        control.append(Log::Watchlist, before + index, index.to_string().as_bytes()).await.expect("append");
    }
    assert_eq!(again.read(Log::Watchlist, before + 9).await.expect("read"), [&b"10"[..], b"11", b"12"]);
    assert_eq!(again.read(Log::Watchlist, before + 12).await.expect("read").len(), 0);
    assert_eq!(again.read(Log::Watchlist, before + 99).await.expect("read").len(), 0);
    assert_eq!(again.read(Log::Watchlist, 0).await.expect("read").len(), before + 12);
}

/// Each log is its own.
pub async fn the_logs_do_not_mix(control: &impl Control, again: &impl Control) {
    let mut before = Vec::new();
    for log in Log::ALL {
        before.push(newest(control, log).await);
    }
    control.append(Log::Overlay, before[1] + 1, b"overlay").await.expect("append");
    for (log, grown) in Log::ALL.into_iter().zip([before[0], before[1] + 1, before[2]]) {
        assert_eq!(newest(again, log).await, grown, "{log:?}");
    }
}

/// Several who append after the newest, at once, each have a number of their own.
pub async fn whoever_appends_has_a_number_of_their_own(control: &impl Control, again: &impl Control) {
    let before = newest(control, Log::Verdicts).await;
    let pairs = join(append(control, Log::Verdicts, &"one"), append(again, Log::Verdicts, &"other"));
    let ((one, other), third) = join(pairs, append(control, Log::Verdicts, &"third")).await;
    let mut numbers = [one.expect("append"), other.expect("append"), third.expect("append")];
    numbers.sort_unstable();
    assert_eq!(numbers, [before + 1, before + 2, before + 3]);
    let mut entries = again.read(Log::Verdicts, before).await.expect("read");
    entries.sort();
    assert_eq!(entries, [&b"\"one\""[..], b"\"other\"", b"\"third\""]);
}

async fn newest(control: &impl Control, log: Log) -> usize {
    control.read(log, 0).await.expect("read").len()
}
