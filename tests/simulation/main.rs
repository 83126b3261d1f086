//! The simulation.
fn main() {
    let mut args = std::env::args().skip(1);
    let mut seeds = 20;
    let mut from = 0;
    let mut trace = false;
    while let Some(a) = args.next() {
        match a.as_str() {
            "--seeds" => seeds = args.next().unwrap().parse().unwrap(),
            "--from" => from = args.next().unwrap().parse().unwrap(),
            "--seed" => {
                from = args.next().unwrap().parse().unwrap();
                seeds = 1;
            }
            "--trace" => trace = true,
            _ => {}
        }
    }
    use mendlake_tests::script::Script;
    use mendlake_tests::trace::Keep;
    use mendlake_tests::world::*;
    let keep = if trace { Keep::Lines } else { Keep::Nothing };
    let mut total = std::collections::BTreeMap::<String, usize>::new();
    let mut calls = 0;
    for seed in from..from + seeds {
        let script = Script::of(seed);
        let part = script.part;
        if trace {
            println!("{script:#?}");
        }
        let e = play(script, Run { keep, ..Run::default() });
        for l in e.trace.lines() {
            println!("{l}");
        }
        for (k, v) in e.counts {
            *total.entry(k).or_default() += v;
        }
        calls += e.calls;
        if let Some(v) = e.violation {
            println!("seed {seed} {part:?}: {v}");
        }
    }
    println!("{total:#?} calls {calls}");
}
