//! The contract of the table `sessions`.
//!
//! Each check has days of its own in 2032, so that they share one table, which must not have seen the suite before.
//! `again` is a second handle to the same table. That statuses survive power loss is tested with each adapter's own
//! crashes.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use mendlake_domain::gap::Unrecoverable;
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::Basis;
use mendlake_domain::status::SessionStatus;

use crate::sessions::Sessions;

/// Every check.
pub async fn all(sessions: &impl Sessions, again: &impl Sessions) {
    the_newest_as_of_is_current(sessions, again).await;
    appending_again_is_harmless(sessions, again).await;
    a_call_takes_statuses_of_any_days(sessions, again).await;
    every_field_comes_back(sessions, again).await;
    what_was_appended_is_in_every_answer(sessions, again).await;
}

/// The current status is the one with the newest `as_of`, whatever the order in which they were appended.
pub async fn the_newest_as_of_is_current(sessions: &impl Sessions, again: &impl Sessions) {
    let on = day(1);
    for (as_of_s, gaps) in [(60, 3), (180, 1), (120, 2)] {
        sessions.append(&[SessionStatus { gaps, ..status("A", on, as_of_s) }]).await.expect("append");
    }
    let current = again.current(on, on).await.expect("current");
    assert_eq!(current, [SessionStatus { gaps: 1, ..status("A", on, 180) }]);
}

/// Appending the same again is harmless: no status changes, and an old one does not become current.
pub async fn appending_again_is_harmless(sessions: &impl Sessions, again: &impl Sessions) {
    let on = day(2);
    let (old, new) = (status("A", on, 60), SessionStatus { gaps: 0, is_final: true, ..status("A", on, 120) });
    sessions.append(&[old.clone(), new.clone()]).await.expect("append");
    again.append(&[new.clone(), old.clone()]).await.expect("append");
    sessions.append(std::slice::from_ref(&old)).await.expect("append");
    sessions.append(&[]).await.expect("append nothing");
    assert_eq!(again.current(on, on).await.expect("current"), [new]);
}

/// One call takes statuses of any days; `current` gives those of `[first, last]`, by day and symbol.
pub async fn a_call_takes_statuses_of_any_days(sessions: &impl Sessions, again: &impl Sessions) {
    let statuses = [("B", 6), ("A", 8), ("A", 6), ("^C", 7), ("A", 7), ("A", 5)].map(|(s, d)| status(s, day(d), 60));
    sessions.append(&statuses).await.expect("append");
    let current = |first, last| async move {
        let current = again.current(day(first), day(last)).await.expect("current");
        current.into_iter().map(|status| (status.on, status.symbol.to_string())).collect::<Vec<_>>()
    };
    let named = |names: &[(u32, &str)]| names.iter().map(|(d, s)| (day(*d), (*s).to_owned())).collect::<Vec<_>>();
    assert_eq!(current(6, 7).await, named(&[(6, "A"), (6, "B"), (7, "A"), (7, "^C")]));
    assert_eq!(current(8, 9).await, named(&[(8, "A")]));
    assert_eq!(current(7, 6).await, []);
}

/// Every field comes back: nulls, maps with every key and with none, numbers at their ends.
pub async fn every_field_comes_back(sessions: &impl Sessions, again: &impl Sessions) {
    let on = day(10);
    let bare = status("BARE", on, 60);
    let full = SessionStatus {
        expected: u32::MAX,
        present: Basis::ALL.into_iter().zip(1..).collect(),
        longest_quiet_run: Some(117),
        gaps: 0,
        unrecoverable: BTreeMap::from([
            (Unrecoverable::NoData, 5),
            (Unrecoverable::PriceBreak, 6),
            (Unrecoverable::UnknownSymbol, 7),
        ]),
        oldest_price_age_s: Some(-1),
        outside: 8,
        is_final: true,
        ..status("FULL", on, 61)
    };
    sessions.append(&[full.clone(), bare.clone()]).await.expect("append");
    assert_eq!(again.current(on, on).await.expect("current"), [bare, full]);
}

/// What was appended is in the next answer, whoever appended it and however often was asked before.
pub async fn what_was_appended_is_in_every_answer(sessions: &impl Sessions, again: &impl Sessions) {
    let on = day(12);
    for as_of_s in 0..4 {
        let status = [status("A", on, as_of_s)];
        let appended = if as_of_s % 2 == 0 { sessions.append(&status).await } else { again.append(&status).await };
        appended.expect("append");
        assert_eq!(sessions.current(on, on).await.expect("current"), status);
        assert_eq!(again.current(on, on).await.expect("current"), status);
    }
}

fn day(of_month: u32) -> NaiveDate {
    format!("2032-01-{of_month:02}").parse().expect("a day")
}

fn status(symbol: &str, on: NaiveDate, as_of_s: i64) -> SessionStatus {
    let open: Minute = format!("{on}T14:30:00Z").parse().expect("a minute");
    SessionStatus {
        on,
        symbol: symbol.parse().expect("symbol"),
        open,
        close: open + 390,
        expected: 390,
        present: BTreeMap::new(),
        longest_quiet_run: None,
        gaps: 390,
        unrecoverable: BTreeMap::new(),
        oldest_price_age_s: None,
        outside: 0,
        is_final: false,
        as_of: open.start().plus_s(as_of_s).plus_ms(7),
    }
}
