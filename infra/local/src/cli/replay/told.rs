//! What a replay found and did, as text.

use mendlake_domain::symbol::Symbol;
use mendlake_reconcile::Price;

use super::Replayed;

/// The answer as text.
pub(super) fn text(replayed: &Replayed) -> String {
    let Replayed { symbols, from, to, plan, price, .. } = replayed;
    let (missing, suspects) = (plan.missing, plan.suspects);
    let mut text = format!("{} symbols, {from} to {to}\n", symbols.len());
    text.push_str(&format!(
        "  {missing} of {} expected symbol-minutes missing, {suspects} suspect rows\n",
        plan.expected
    ));
    if !plan.not_expected.is_empty() {
        let names: Vec<&str> = plan.not_expected.iter().map(Symbol::as_str).collect();
        text.push_str(&format!("  nothing is expected of: {}\n", names.join(" ")));
    }
    text.push_str(&format!("  {}\n", cost(price)));
    if let Some(done) = &replayed.done {
        for (basis, count) in &done.healed {
            text.push_str(&format!("  {count} rows from {basis}\n"));
        }
        let counts = [("corrections", done.corrected), ("rows that no candle can decide", done.undecidable.len())];
        for (what, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            text.push_str(&format!("  {count} {what}\n"));
        }
        for (why, count) in &done.given_up {
            text.push_str(&format!("  {count} given up: {}\n", why.as_str()));
        }
        for (why, count) in &done.open {
            text.push_str(&format!("  {count} still open: {}\n", why.as_str()));
        }
        for (class, count) in &done.failed {
            text.push_str(&format!("  {count} calls failed: {class}\n"));
        }
        if done.out_of_time > 0 {
            let left = done.out_of_time;
            text.push_str(&format!("  {left} symbol-sessions were not looked at in time: run this again for them\n"));
        }
    }
    match replayed.still_missing {
        None => text.push_str("nothing was done: `--mode apply` does it\n"),
        Some(0) => text.push_str("nothing is missing any more\n"),
        Some(left) => text.push_str(&format!("{left} symbol-minutes are still missing: `mendlake gaps` says why\n")),
    }
    text
}

fn cost(price: &Price) -> String {
    let Price { calls, source, calls_a_minute, minutes } = price;
    match (source, minutes) {
        _ if *calls == 0 => "no call is needed".to_owned(),
        (None, _) => format!("{calls} calls at least, but no key's plan includes candles: `mendlake doctor` says more"),
        (Some(source), Some(minutes)) => {
            format!("{calls} calls at least to {source}, {minutes} min at the {calls_a_minute} a minute that are free")
        }
        (Some(source), None) => {
            format!("{calls} calls at least to {source}; live collection leaves none before the session ends")
        }
    }
}
