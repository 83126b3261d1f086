//! What a replay found and did, as text.

use mendlake_domain::quote::SourceName;
use mendlake_domain::symbol::Symbol;
use mendlake_reconcile::{Barred, Price};

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
    let unreadable = replayed.unreadable().map(|(on, why)| format!("  session {on} was left out: {why}\n"));
    text.extend(unreadable);
    if !plan.not_expected.is_empty() {
        let names: Vec<&str> = plan.not_expected.iter().map(Symbol::as_str).collect();
        text.push_str(&format!("  nothing is expected of: {}\n", names.join(" ")));
    }
    text.push_str(&format!("  {}\n", cost(price)));
    if let Some(done) = &replayed.done {
        for (basis, count) in &done.healed {
            text.push_str(&format!("  {count} rows from {basis}\n"));
        }
        let counts = [
            ("corrections", done.corrected),
            ("corrections that a later one goes before", done.outranked),
            ("rows that no candle can decide", done.undecidable.len()),
        ];
        for (what, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            text.push_str(&format!("  {count} {what}\n"));
        }
        for (why, count) in &done.given_up {
            text.push_str(&format!("  {count} given up: {}\n", why.as_str()));
        }
        for (why, count) in &done.open {
            text.push_str(&format!("  {count} still open: {}\n", why.as_str()));
        }
        for (why, count) in &done.not_replaced {
            text.push_str(&format!("  {count} not replaced: {}\n", why.as_str()));
        }
        for (class, count) in &done.failed {
            text.push_str(&format!("  {count} calls failed: {class}\n"));
        }
        if done.out_of_time > 0 {
            let left = done.out_of_time;
            text.push_str(&format!("  {left} symbol-sessions were not looked at in time: run this again for them\n"));
        }
    }
    if !replayed.is_whole() {
        // The price above was that of before, when less may have been known.
        let barred = price.barred.iter().map(|(source, why)| format!("  cannot be asked: {}\n", barred(source, *why)));
        text.extend(barred);
    }
    text.push_str(&ending(replayed));
    text
}

/// What is left of it.
fn ending(replayed: &Replayed) -> String {
    let Replayed { plan, still_missing, not_replaced, .. } = replayed;
    let there = plan.expected - plan.missing;
    let mut text = match not_replaced {
        None => String::new(),
        Some(_) if plan.expected == 0 => {
            return "nothing was replaced: nothing is expected there, or it has not settled yet\n".to_owned();
        }
        Some(0) if there == 0 => String::new(),
        Some(0) => "what was there is replaced\n".to_owned(),
        Some(left) => {
            let why =
                if replayed.done.is_some() { "what is said above" } else { "what the log of `mendlake run` says" };
            format!("{left} of {there} rows are not replaced, for {why}: mend it, then run this again\n")
        }
    };
    text.push_str(&match (still_missing, not_replaced) {
        (None, _) => "nothing was done: `--mode apply` does it\n".to_owned(),
        (Some(0), Some(1..)) => String::new(),
        (Some(0), _) if replayed.unreadable().next().is_some() => {
            "nothing is missing any more in what can be read: mend the rest, then run this again\n".to_owned()
        }
        (Some(0), _) => "nothing is missing any more\n".to_owned(),
        (Some(left), _) => format!("{left} symbol-minutes are still missing: `mendlake gaps` says why\n"),
    });
    text
}

/// A source that may not be asked, and why.
fn barred(source: &SourceName, why: Barred) -> String {
    match why {
        Barred::KeyUnread => format!("{source}, whose key cannot be read from here"),
        Barred::KeyRefused => format!("{source}, which refused the key"),
        Barred::NotInPlan => format!("{source}, since the plan of the key includes no candles"),
    }
}

fn cost(price: &Price) -> String {
    let Price { calls, source, barred: who, calls_a_minute, minutes } = price;
    match (source, minutes) {
        _ if *calls == 0 => "no call is needed".to_owned(),
        (None, _) => {
            let who: Vec<String> = who.iter().map(|(source, why)| barred(source, *why)).collect();
            format!(
                "{calls} calls at least, but nobody can be asked: not {}; `mendlake doctor` says more",
                who.join("; not ")
            )
        }
        (Some(source), Some(minutes)) => {
            format!("{calls} calls at least to {source}, {minutes} min at the {calls_a_minute} a minute that are free")
        }
        (Some(source), None) => {
            format!("{calls} calls at least to {source}; live collection leaves none before the session ends")
        }
    }
}
