//! Whole days on a generated market, each with one thing that goes wrong.

use std::sync::Arc;

use futures_util::FutureExt;
use mendlake_domain::calendar::Calendar;
use mendlake_domain::minute::Timestamp;
use mendlake_domain::quote::Basis;
use mendlake_domain::settings::Settings;
use mendlake_ports::lake::Lake;
use mendlake_ports::place::Place;

use super::Rehearsal;
use crate::engine::{Event, Observer};
use crate::finnhub::{Fault, Plan, Script, What, When};
use crate::market::GeneratedMarket;

struct NobodyLooks;

impl Observer for NobodyLooks {
    fn observe(&self, _at: Timestamp, _event: &Event) {}
}

#[test]
fn a_key_refused_by_mistake_is_tried_again_within_the_hour_and_the_day_ends_whole() {
    let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
    let (refused_from, refused_to) = (at("2026-11-20T16:00:00Z"), at("2026-11-20T16:10:00Z"));
    let refused = Fault::between(What::KeyRefused, When::Instant(refused_from), When::Instant(refused_to));
    let folder = tempfile::tempdir().expect("a folder");
    let day = "2026-11-20".parse().expect("a day");
    let rehearsal = Rehearsal {
        market: Arc::new(GeneratedMarket::new(3, Calendar::Xnys).into()),
        symbols: ["AAPL", "SPY"].map(|symbol| symbol.parse().expect("symbol")).to_vec(),
        first: day,
        last: day,
        seed: 3,
        script: Script { faults: vec![refused], ..Script::default() },
        plan: Plan::Premium,
        alpaca: false,
        dark: Vec::new(),
        lander_dies: Vec::new(),
        settings: Settings::default(),
        until: at("2026-11-22T17:00:00Z"),
        to_the_end: false,
        folder: folder.path().join("lake"),
    };
    let watched = rehearsal.symbols.iter().cloned().collect();
    let played = rehearsal.play(NobodyLooks).map_err(|error| error.chain()).expect("played");
    assert!(played.whole, "everything heals, though the key never changed");
    let calls = played.vendor.calls();
    let refusals = calls.iter().filter(|call| call.status == 401).count();
    assert!((1..20).contains(&refusals), "asked for and left alone: {refusals}");
    let session = played.sessions[0];
    let rows = played.engine.place().lake().rows(&watched, session.open, session.close);
    let rows = rows.now_or_never().expect("every adapter works inline").expect("rows");
    let live_again = rows
        .iter()
        .filter(|stored| stored.row.basis == Basis::Quote && stored.row.minute.start() > refused_from.plus_s(65 * 60));
    assert_eq!(live_again.count(), 2 * 234, "sampled to the close");
}
