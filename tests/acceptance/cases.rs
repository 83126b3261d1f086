//! The other cases.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mendlake::finnhub::{Endpoint, Fault, KnownDay, Plan, Provider, Script, What, When};
use mendlake::market::{RecordedMarket, Wanted};
use mendlake_domain::calendar::Calendar;
use mendlake_domain::gap::OpenReason;
use mendlake_domain::minute::{Minute, Timestamp};
use mendlake_domain::quote::Basis;
use mendlake_domain::symbol::Symbol;

use crate::played::Setting;

/// A fault of quotes that takes half of them, so that there is something to heal.
fn half_of_the_quotes() -> Script {
    let fault = Fault { probability: 0.5, endpoints: vec![Endpoint::Quote], ..Fault::always(What::Reset) };
    Script { faults: vec![fault], holidays: Vec::new() }
}

pub(crate) fn half_day(market: &Path) {
    let ended = Setting::new(market, "GOOG", "2015-12-24", "2015-12-24", half_of_the_quotes()).play();
    ended.report();
    ended.assert_whole(210);
    assert!(ended.assert_true().is_empty());
    assert!(ended.outcome.current.iter().any(|r| r.row.basis == Basis::Close), "something was healed");
}

#[expect(clippy::print_stdout, reason = "a test's report is for whoever runs it")]
pub(crate) fn illiquid(market: &Path) {
    let mut setting = Setting::new(market, "FXY DBB", "2023-10-30", "2023-11-24", half_of_the_quotes());
    setting.rehearsal.to_the_end = true;
    let ended = setting.play();
    ended.report();
    // Nineteen full days and the early close after Thanksgiving; the clocks change on the first Sunday.
    let expected: usize = ended.played.sessions.iter().map(|session| session.len()).sum();
    assert_eq!((ended.played.sessions.len(), expected), (19, 18 * 390 + 210));
    ended.assert_whole(2 * expected);
    assert!(ended.assert_true().is_empty());
    // A healed row's age is that of the newest true candle, and the oldest age told of a session is that of its rows.
    let mut oldest: BTreeMap<(Symbol, chrono::NaiveDate), i64> = BTreeMap::new();
    for stored in &ended.outcome.current {
        let (row, session) = (&stored.row, ended.outcome.session(stored));
        if row.basis == Basis::Close {
            let newest = ended.outcome.market.candles(row.symbol.as_str(), session.open, row.minute);
            assert_eq!(row.traded_at, newest.last().map(|candle| candle.end()), "{row:?}");
        }
        if let Some(traded_at) = row.traded_at {
            let age_s = row.minute.start().ms_since(traded_at) / 1000;
            let of = oldest.entry((row.symbol.clone(), session.on)).or_insert(i64::MIN);
            *of = (*of).max(age_s);
        }
    }
    for status in &ended.outcome.statuses {
        let told = oldest.get(&(status.symbol.clone(), status.on)).copied();
        assert_eq!(status.oldest_price_age_s, told, "{status:?}");
    }
    let longest = ended.outcome.statuses.iter().filter_map(|status| status.longest_quiet_run).max();
    println!("  longest quiet run {longest:?} min, oldest price {:?} s", oldest.values().max());
}

pub(crate) fn free_key_with_alpaca(market: &Path) {
    let mut setting = Setting::new(market, "BAC IBM", "2013-10-08", "2013-10-08", half_of_the_quotes());
    setting.rehearsal.plan = Plan::Free;
    let ended = setting.play();
    ended.report();
    ended.assert_whole(2 * 390);
    assert!(ended.assert_true().is_empty());
    let healed: BTreeSet<&str> =
        ended.outcome.current.iter().filter(|r| r.row.basis == Basis::Close).map(|r| r.row.source.as_str()).collect();
    assert_eq!(healed, BTreeSet::from(["alpaca:sip"]));
}

#[expect(clippy::print_stdout, reason = "a test's report is for whoever runs it")]
pub(crate) fn free_key_alone(market: &Path) {
    let mut setting = Setting::new(market, "BAC IBM", "2013-10-08", "2013-10-08", half_of_the_quotes());
    setting.rehearsal.plan = Plan::Free;
    setting.rehearsal.alpaca = false;
    setting.rehearsal.until = setting.rehearsal.until.plus_s(-24 * 3600);
    let ended = setting.play();
    assert!(!ended.played.whole);
    let last = ended.reports.last().expect("a reconciliation");
    println!("  open {:?}", last.open_by_reason);
    assert!(last.open_gaps > 100, "half of the minutes stay open: {}", last.open_gaps);
    let reasons: Vec<OpenReason> = last.open_by_reason.keys().copied().collect();
    assert_eq!(reasons, [OpenReason::NotEntitled]);
    let refused: Vec<_> = ended.played.vendor.calls().iter().filter(|call| call.status == 403).cloned().collect();
    for call in &refused {
        println!("  403: {} {:?} {:?}", call.at, call.endpoint, call.symbol);
    }
    let asked: BTreeSet<_> = refused.iter().map(|call| call.symbol.clone()).collect();
    // A stranger's refusal is settled by asking for the reference symbol once; then the endpoint is left alone.
    assert!(refused.len() <= 2 && asked.len() == refused.len(), "{refused:?}");
    assert!(refused.iter().all(|call| call.provider == Provider::Finnhub && call.endpoint == Endpoint::Candle));
}

pub(crate) fn unannounced_close(market: &Path) {
    let close: Minute = "2013-10-07T17:00:00Z".parse().expect("a minute");
    let learned: Timestamp = "2013-10-08T11:00:00Z".parse().expect("an instant");
    let mut script = half_of_the_quotes();
    let from = Some(When::Instant(close.start()));
    script.faults.push(Fault { from, ..Fault::always(What::UnannouncedClose) });
    script.holidays.push(KnownDay {
        on: "2013-10-07".parse().expect("a day"),
        event: "Power failure".into(),
        hours: "09:30-13:00".into(),
        known_from: Some(learned),
    });
    let mut setting = Setting::new(market, "SPY BAC IBM AIG", "2013-10-07", "2013-10-07", script);
    setting.rehearsal.to_the_end = true;
    let ended = setting.play();
    ended.report();
    assert_eq!(ended.outcome.open_gaps, 0);
    let open_then = ended.reports.iter().filter(|r| r.at < learned).map(|r| r.open_gaps).max();
    assert!(open_then > Some(0), "before it is learned, the silence is an open gap");
    let after = |r: &&mendlake_domain::quote::StoredRow| r.row.minute >= close;
    // The price AT 13:00 is the last one before it, and a candle tells it; of every later minute nothing does.
    let healed = |r: &&mendlake_domain::quote::StoredRow| r.row.basis != Basis::Quote && r.row.minute > close;
    let healed_after: Vec<_> = ended.outcome.rows.iter().filter(healed).collect();
    assert!(healed_after.is_empty(), "healed rows after the close: {healed_after:?}");
    let live_after = ended.outcome.rows.iter().filter(after).count();
    let outside: u32 = ended.outcome.statuses.iter().map(|status| status.outside).sum();
    assert_eq!(outside as usize, live_after, "the live rows inside what was removed are counted");
    assert!(live_after > 0);
    for status in &ended.outcome.statuses {
        assert_eq!((status.close, status.expected, status.gaps), (close, 210, 0), "{status:?}");
        assert_eq!(status.present_minutes(), 210, "{status:?}");
        assert!(status.is_final, "{status:?}");
    }
}

pub(crate) fn no_market(market: &Path) {
    let empty = tempfile::tempdir().expect("a folder");
    let wanted = Wanted { symbols: None, days: None };
    let error = RecordedMarket::load(empty.path(), Calendar::Xnys, &wanted).expect_err("nothing is there").to_string();
    assert!(error.contains("bars_"), "{error}");
    let nobody = Wanted { symbols: Some(BTreeSet::from(["NOBODY".parse().expect("symbol")])), days: None };
    let error = RecordedMarket::load(market, Calendar::Xnys, &nobody).expect_err("nobody is there").to_string();
    assert!(error.contains("NOBODY"), "{error}");
}
