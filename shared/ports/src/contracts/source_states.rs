//! The contract of [`SourceStates`].

use super::Fresh;
use crate::source_states::{Health, SourceState, SourceStates};

/// Every check.
pub async fn all(states: &impl SourceStates, fresh: Fresh) {
    nothing_known_is_the_default(states, fresh).await;
    a_write_replaces_the_item(states, fresh).await;
    sources_and_endpoints_are_apart(states, fresh).await;
}

/// Where nothing is known, the default is given.
pub async fn nothing_known_is_the_default(states: &impl SourceStates, fresh: Fresh) {
    let state = states.state(&fresh.source("unknown"), "quote").await.expect("read");
    assert_eq!(state, SourceState::default());
}

/// A write replaces the item whole; the last one wins.
pub async fn a_write_replaces_the_item(states: &impl SourceStates, fresh: Fresh) {
    let source = fresh.source("replaced");
    let written = [full(fresh), SourceState { limit: Some(7), ..SourceState::default() }, SourceState::default()];
    for state in written {
        states.set_state(&source, "candle", &state).await.expect("write");
        assert_eq!(states.state(&source, "candle").await.expect("read"), state);
    }
}

/// Every source and endpoint has an item of its own.
pub async fn sources_and_endpoints_are_apart(states: &impl SourceStates, fresh: Fresh) {
    let (a, b) = (fresh.source("apart-a"), fresh.source("apart-b"));
    for (limit, (source, endpoint)) in (1..).zip([(&a, "quote"), (&a, "candle"), (&b, "quote")]) {
        let state = SourceState { limit: Some(limit), ..full(fresh) };
        states.set_state(source, endpoint, &state).await.expect("write");
    }
    let limit = async |source, endpoint| states.state(source, endpoint).await.expect("read").limit;
    assert_eq!([limit(&a, "quote").await, limit(&a, "candle").await], [Some(1), Some(2)]);
    assert_eq!([limit(&b, "quote").await, limit(&b, "candle").await], [Some(3), None]);
}

/// What was written survives power loss. `power_loss` gives the states as they are found after one.
pub async fn what_was_written_survives_power_loss<S: SourceStates>(
    states: S,
    fresh: Fresh,
    power_loss: impl FnOnce(S) -> S,
) {
    let source = fresh.source("power-loss");
    states.set_state(&source, "quote", &full(fresh)).await.expect("write");
    let states = power_loss(states);
    assert_eq!(states.state(&source, "quote").await.expect("read"), full(fresh));
}

/// A state with something in every field.
fn full(fresh: Fresh) -> SourceState {
    SourceState {
        health: Health::NotEntitled,
        since: Some(fresh.hour(1).start().plus_ms(17)),
        key_version: "v-3".into(),
        plan: Some("a plan, in the vendor's words: \"All-in-One\"".into()),
        benched: [fresh.symbol("BENCHED"), fresh.symbol("BENCHED2")].into(),
        served: [fresh.symbol("SERVED")].into(),
        limit: Some(60),
    }
}
