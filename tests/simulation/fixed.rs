//! Checks that are the same in every run: that the simulation repeats itself, that it notices, and one script with a death
//! at every writing call.

use std::collections::BTreeMap;
use std::sync::Mutex;

use mendlake::finnhub::{Fault, Plan, What, When};
use mendlake_tests::broken::Sabotage;
use mendlake_tests::faults::Death;
use mendlake_tests::script::Script;
use mendlake_tests::trace::Keep;
use mendlake_tests::world::{Run, play};

use crate::seeds::{each, world};

/// A check: what it found, or why it failed.
pub(crate) type Check = fn() -> Result<String, String>;

/// Every fixed check, by the sentence it is.
pub(crate) const CHECKS: [(&str, Check); 11] = [
    ("the_same_seed_gives_the_same_trace_byte_for_byte", the_same_trace),
    ("another_seed_gives_another_trace", another_trace),
    ("half_an_hour_becomes_whole_wherever_a_process_dies", every_crash_point),
    ("law_1_gap_items_that_are_not_stored_are_noticed", || noticed(1)),
    ("law_2_coverage_that_claims_too_much_is_noticed", || noticed(2)),
    ("law_3_prices_that_nobody_served_are_noticed", || noticed(3)),
    ("law_4_later_trades_in_earlier_minutes_are_noticed", || noticed(4)),
    ("law_5_rows_in_the_wrong_order_are_noticed", || noticed(5)),
    ("law_6_objects_that_are_not_published_are_noticed", || noticed(6)),
    ("law_7_a_budget_without_limit_is_noticed", || noticed(7)),
    ("law_8_claims_that_are_not_stored_are_noticed", || noticed(8)),
];

/// Worlds that are run twice.
const REPEATED: u64 = if cfg!(debug_assertions) { 3 } else { 12 };

/// Writing calls between two deaths that are tried: all of them in release, some in debug, where a world takes long.
const EVERY: u64 = if cfg!(debug_assertions) { 101 } else { 1 };

/// Worlds in which a broken protection must be noticed by at least one audit of its own law.
const SABOTAGED: u64 = if cfg!(debug_assertions) { 6 } else { 24 };

fn the_same_trace() -> Result<String, String> {
    for seed in 0..REPEATED {
        let (first, second) = (world(seed, Keep::Hash), world(seed, Keep::Hash));
        if first.trace.hash() != second.trace.hash() || first.calls != second.calls {
            return Err(differing(seed));
        }
    }
    Ok(format!("{REPEATED} seeds twice"))
}

/// The first line in which two runs of a seed differ.
fn differing(seed: u64) -> String {
    let (first, second) = (world(seed, Keep::Lines), world(seed, Keep::Lines));
    let (a, b) = (first.trace.lines(), second.trace.lines());
    match a.iter().zip(b).position(|(a, b)| a != b) {
        Some(at) => format!("seed {seed} differs from itself in line {at}\n  {}\n  {}", a[at], b[at]),
        None => format!("seed {seed} differs from itself: {} lines and {}", a.len(), b.len()),
    }
}

fn another_trace() -> Result<String, String> {
    match world(1, Keep::Hash).trace.hash() == world(2, Keep::Hash).trace.hash() {
        true => Err("seeds 1 and 2 have one trace".into()),
        false => Ok(String::new()),
    }
}

/// Half an hour without a fault, but for what makes healing necessary: once undisturbed, to count its writing calls, then
/// with a death before each and a death after each.
fn every_crash_point() -> Result<String, String> {
    let undisturbed = play(Script::half_hour(), Run::default());
    if let Some(violation) = undisturbed.violation {
        return Err(format!("without a death: {violation}"));
    }
    let writes = undisturbed.writes;
    let failed = Mutex::new(BTreeMap::new());
    each(0..(2 * writes).div_ceil(EVERY), |number| {
        let death = Death { at_write: number * EVERY / 2, after: number * EVERY % 2 == 1 };
        let ended = play(Script::half_hour(), Run { death: Some(death), ..Run::default() });
        let died = ended.counts.contains_key("deaths");
        let why = ended.violation.or_else(|| (!died).then(|| "nobody died".to_owned()));
        if let Some(why) = why {
            failed.lock().expect("no thread panicked").insert((death.at_write, death.after), why);
        }
    });
    let failed = failed.into_inner().expect("no thread panicked");
    let told = |((at_write, after), why): (&(u64, bool), &String)| {
        format!("a death {} writing call {at_write}: {why}", if *after { "after" } else { "before" })
    };
    match failed.is_empty() {
        true => Ok(format!("{} deaths", (2 * writes).div_ceil(EVERY))),
        false => Err(failed.iter().take(20).map(told).collect::<Vec<_>>().join("\n")),
    }
}

/// With the law's protection broken, worlds must fail, and with that law's violation.
fn noticed(law: u8) -> Result<String, String> {
    let (_, sabotage) = Sabotage::ALL.into_iter().find(|(of, _)| *of == law).expect("each law has its sabotage");
    let found = Mutex::new(BTreeMap::<String, usize>::new());
    each(0..SABOTAGED, |seed| {
        let ended = play(provoking(law, seed), Run { sabotage: Some(sabotage), ..Run::default() });
        let what = match ended.violation {
            None => "nothing".to_owned(),
            Some(violation) => violation.split(" (").next().unwrap_or_default().to_owned(),
        };
        *found.lock().expect("no thread panicked").entry(what).or_default() += 1;
    });
    let found = found.into_inner().expect("no thread panicked");
    match found.get(&format!("law {law}")) {
        Some(times) => Ok(format!("in {times} of {SABOTAGED} worlds")),
        None => Err(format!("{sabotage:?} was noticed as {found:?}")),
    }
}

/// A script in which the law is put to the test: for two of them that takes more than chance.
fn provoking(law: u8, seed: u64) -> Script {
    let mut script = Script::of(seed);
    match law {
        5 => {
            // Corrections, each of which must come before the row it corrects.
            script.plan = Plan::Premium;
            let [from, to] = [script.from + 5, script.from + 20].map(|minute| When::Instant(minute.start()));
            script.vendor.faults = vec![Fault::between(What::Frozen, from, to)];
        }
        7 => {
            // Hardly any calls are left for replay, and all of them are Finnhub's.
            script.plan = Plan::Premium;
            script.alpaca = false;
            script.settings.rate_limit = 12;
        }
        _ => {}
    }
    script
}
