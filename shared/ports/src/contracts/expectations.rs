//! The contract of [`Expectations`].

use mendlake_domain::minute::Minute;
use mendlake_domain::symbol::Symbol;

use super::Fresh;
use crate::expectations::{Expectation, Expectations, SYMBOLS_AN_ITEM};

/// Every check. Nobody else records minutes of the run's day.
pub async fn all(expectations: &impl Expectations, fresh: Fresh) {
    expectations_are_read_by_minute(expectations, fresh).await;
    many_symbols_are_read_back_as_one(expectations, fresh).await;
    recording_again_replaces(expectations, fresh).await;
    an_expectation_of_no_symbols_is_not_dark(expectations, fresh).await;
}

/// The expectations of `[from, to)` are given by minute; a dark minute has none.
pub async fn expectations_are_read_by_minute(expectations: &impl Expectations, fresh: Fresh) {
    let hour = fresh.hour(0);
    let recorded = [2, 0, 1, 4, 5].map(|n| expectation(fresh, hour + n, 3));
    for expectation in &recorded {
        expectations.record(expectation).await.expect("record");
    }
    let read = expectations.expectations(hour, hour + 5).await.expect("read");
    let by_minute = [1, 2, 0, 3].map(|index: usize| recorded[index].clone());
    assert_eq!(read, by_minute, "0, 1, 2, not the dark 3, 4, not 5");
    assert_eq!(expectations.expectations(hour + 3, hour + 4).await.expect("read"), []);
    assert_eq!(expectations.expectations(hour + 5, hour + 5).await.expect("read"), []);
    assert_eq!(expectations.expectations(hour + 5, hour).await.expect("read"), [], "a range the wrong way round");
}

/// An expectation of more symbols than an item holds is read back as one, its symbols in order.
pub async fn many_symbols_are_read_back_as_one(expectations: &impl Expectations, fresh: Fresh) {
    let hour = fresh.hour(1);
    let lengths = [1, SYMBOLS_AN_ITEM, SYMBOLS_AN_ITEM + 1, 12 * SYMBOLS_AN_ITEM + 7];
    let recorded: Vec<_> = (0..).zip(lengths).map(|(n, length)| expectation(fresh, hour + n, length)).collect();
    for expectation in &recorded {
        expectations.record(expectation).await.expect("record");
    }
    assert_eq!(expectations.expectations(hour, hour + 60).await.expect("read"), recorded);
}

/// Recording a minute again replaces it whole, whichever of the two is longer.
pub async fn recording_again_replaces(expectations: &impl Expectations, fresh: Fresh) {
    let minute = fresh.hour(2);
    for length in [3, 2 * SYMBOLS_AN_ITEM + 1, SYMBOLS_AN_ITEM, 2] {
        let mut again = expectation(fresh, minute, length);
        again.requested_at = again.requested_at.plus_ms(length as i64);
        expectations.record(&again).await.expect("record");
        assert_eq!(expectations.expectations(minute, minute + 1).await.expect("read"), [again]);
    }
}

/// A minute recorded with no symbols was not dark.
pub async fn an_expectation_of_no_symbols_is_not_dark(expectations: &impl Expectations, fresh: Fresh) {
    let minute = fresh.hour(3);
    let none = expectation(fresh, minute, 0);
    expectations.record(&none).await.expect("record");
    assert_eq!(expectations.expectations(minute, minute + 1).await.expect("read"), [none]);
}

/// What was recorded survives power loss. `power_loss` gives the expectations as they are found after one.
pub async fn what_was_recorded_survives_power_loss<E: Expectations>(
    expectations: E,
    fresh: Fresh,
    power_loss: impl FnOnce(E) -> E,
) {
    let recorded = expectation(fresh, fresh.hour(4), SYMBOLS_AN_ITEM + 3);
    expectations.record(&recorded).await.expect("record");
    let expectations = power_loss(expectations);
    let read = expectations.expectations(recorded.minute, recorded.minute + 1).await.expect("read");
    assert_eq!(read, [recorded]);
}

fn expectation(fresh: Fresh, minute: Minute, symbols: usize) -> Expectation {
    let symbols: Vec<Symbol> = (0..symbols).map(|n| fresh.symbol(&format!("{n:05}"))).collect();
    Expectation { minute, symbols, requested_at: minute.start().plus_ms(-12_345) }
}
