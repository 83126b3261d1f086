//! Random worlds: many on every core, or one with everything it did.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use mendlake_tests::script::Script;
use mendlake_tests::trace::Keep;
use mendlake_tests::world::{Ended, Run, play};

use crate::flags::say;

/// The check's name.
pub(crate) const NAME: &str = "the_lake_becomes_whole_whatever_the_seed";

/// The most worlds at once.
const MOST_THREADS: usize = 16;

/// The most failing seeds that are told one by one.
const MOST_TOLD: usize = 20;

/// Runs the worlds of `[from, from + seeds)`, one on each core at a time.
pub(crate) fn many(from: u64, seeds: u64) -> Result<String, String> {
    let failed = Mutex::new(BTreeMap::new());
    let counts = Mutex::new(BTreeMap::<String, usize>::new());
    each(from..from + seeds, |seed| {
        let ended = world(seed, Keep::Nothing);
        let mut total = counts.lock().expect("no thread panicked");
        for (what, n) in ended.counts {
            *total.entry(what).or_default() += n;
        }
        if let Some(violation) = ended.violation {
            failed.lock().expect("no thread panicked").insert(seed, violation);
        }
    });
    let (failed, counts) = (failed.into_inner().expect("no panic"), counts.into_inner().expect("no panic"));
    if failed.is_empty() {
        return reached(&counts).map(|()| format!("{seeds} seeds"));
    }
    let told: Vec<String> =
        failed.iter().take(MOST_TOLD).map(|(seed, why)| format!("seed {seed}: {why}\n  {}", again(*seed))).collect();
    Err(format!("{} of {seeds} seeds failed\n{}", failed.len(), told.join("\n")))
}

/// Does something for every number, on every core.
pub(crate) fn each(numbers: std::ops::Range<u64>, work: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(numbers.start);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= numbers.end {
                        return;
                    }
                    work(number);
                }
            });
        }
    });
}

/// Runs one world and prints what it did.
pub(crate) fn one(seed: u64, trace: bool) -> ExitCode {
    let keep = if trace { Keep::Lines } else { Keep::Hash };
    let script = Script::of(seed);
    if trace {
        say(format_args!("{script:#?}"));
    } else {
        say(format_args!("seed {seed}: {:?} of {}, {} .. {}", script.part, script.session.on, script.from, script.to));
    }
    let ended = play(script, Run { keep, ..Run::default() });
    ended.trace.lines().iter().for_each(|line| say(format_args!("{line}")));
    for (what, n) in &ended.counts {
        say(format_args!("{n:>6} {what}"));
    }
    say(format_args!(
        "{:>6} port calls, {} of them writing; trace {:016x}",
        ended.calls,
        ended.writes,
        ended.trace.hash()
    ));
    match ended.violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            say(format_args!("{violation}\n{}", again(seed)));
            ExitCode::FAILURE
        }
    }
}

/// The world of a seed.
pub(crate) fn world(seed: u64, keep: Keep) -> Ended {
    play(Script::of(seed), Run { keep, ..Run::default() })
}

fn again(seed: u64) -> String {
    let release = if cfg!(debug_assertions) { "" } else { "--release " };
    format!("cargo test {release}-p mendlake-tests --test simulation -- --seed {seed} --trace")
}

/// What the random worlds must have seen, or they prove little: every basis, corrections, verdicts, deaths. Only asked of
/// a run that is long enough.
fn reached(counts: &BTreeMap<String, usize>) -> Result<(), String> {
    let worlds = counts.get("worlds").copied().unwrap_or(0);
    let musts = [
        "in the end quote",
        "in the end close",
        "in the end open",
        "in the end previous_close",
        "in the end close, corrected",
        "in the end no_data",
        "in the end price_break",
        "in the end not entitled",
        "deaths",
        "level audits",
    ];
    let missing: Vec<&str> = musts.into_iter().filter(|what| !counts.contains_key(*what)).collect();
    if worlds < 500 || missing.is_empty() {
        return Ok(());
    }
    Err(format!("{worlds} worlds never reached: {}", missing.join(", ")))
}
