//! The bad day on four liquid symbols, twice.

use std::path::Path;

use mendlake::demo::BadDay;
use mendlake::finnhub::Script;
use mendlake_domain::calendar::Calendar;
use mendlake_domain::quote::Basis;

use crate::played::Setting;

/// The most that healed rows may be from what a live sample would have been, on average.
const MOST_BP: f64 = 0.9;

#[expect(clippy::print_stdout, reason = "a test's report is for whoever runs it")]
pub(crate) fn two_days(market: &Path) {
    let days: Vec<BadDay> = ["2013-10-07", "2013-10-08"].into_iter().map(bad).collect();
    let mut script = days[0].script();
    // What has no times of its own is there once for both days.
    script.faults.extend(days[1].script().faults.into_iter().filter(|fault| fault.from.is_some()));
    let mut setting = setting(market, script);
    setting.rehearsal.dark = days.iter().flat_map(BadDay::dark).collect();
    setting.rehearsal.lander_dies = days.iter().flat_map(BadDay::lander_dies).collect();
    let ended = setting.play();
    let mean = ended.report();
    ended.assert_whole(2 * 4 * 390);
    let undecidable = ended.assert_true();
    for stored in &undecidable {
        let row = &stored.row;
        println!("  undecidable: {} {} {} traded at {:?}", row.symbol, row.minute, row.price, row.traded_at);
    }
    let frozen = |r: &&mendlake_domain::quote::StoredRow| {
        days.iter().any(|day| {
            let (from, to) = day.frozen();
            r.row.minute.start() >= from && r.row.minute.start() < to
        })
    };
    // Every live row outside the freeze equals the trade truth: what cannot be decided lies inside it.
    assert!(undecidable.iter().all(frozen), "undecidable outside the freeze");
    let corrected = ended.outcome.current.iter().filter(|r| r.row.revision > 0).count();
    let stay = ended.outcome.current.iter().filter(frozen).filter(|r| r.row.basis == Basis::Quote).count();
    println!("  frozen: {corrected} corrected, {stay} stay, {} of them not what the market did", undecidable.len());
    assert!(corrected > 2 * 4 * 15, "frozen rows are found");
    assert!(mean <= MOST_BP, "healed rows are {mean} bp from live samples");
}

fn bad(on: &str) -> BadDay {
    let on = on.parse().expect("a day");
    BadDay::of(&Calendar::Xnys.session_on(on).expect("in range").expect("a session"))
}

fn setting(market: &Path, script: Script) -> Setting {
    Setting::new(market, "SPY BAC IBM AIG", "2013-10-07", "2013-10-08", script)
}
