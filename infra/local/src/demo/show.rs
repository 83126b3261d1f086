//! What a person sees at the end of a demo: the heat maps, what was lost and how it was healed, where the lake is.

use std::fmt::Write;

use mendlake_domain::quote::Basis;

use super::result::DemoResult;
use crate::heat_map::render;

/// Renders the result of a demo as text, heat maps in at most `width` characters a line.
pub fn show(result: &DemoResult, width: usize, colour: bool) -> String {
    let mut text = String::new();
    let out = &mut text;
    let _ = writeln!(out, "\nas sampled:\n{}", render(&result.picture.sampled, width, colour));
    let _ = writeln!(out, "as healed:\n{}", render(&result.picture.healed, width, colour));
    losses(out, result);
    counts(out, result);
    text
}

fn losses(out: &mut String, result: &DemoResult) {
    let lost: usize = result.lost_by.values().sum();
    let _ = writeln!(out, "lost        {lost:>5} symbol-minutes of {}", result.expected);
    for (cause, count) in &result.lost_by {
        let _ = writeln!(out, "            {count:>5} {cause}");
    }
    let healed: usize = result.healed.values().sum();
    let _ = writeln!(out, "healed      {healed:>5}");
    for (basis, count) in &result.healed {
        let _ = writeln!(out, "            {count:>5} from {}", told(*basis));
    }
    let _ = writeln!(out, "corrected   {:>5} frozen quotes", result.corrected);
}

fn told(basis: Basis) -> &'static str {
    match basis {
        Basis::Quote => "a live sample",
        Basis::Close => "the candle that ended last",
        Basis::Open => "the open of the first minute's own candle",
        Basis::PreviousClose => "the close of the session before",
    }
}

fn counts(out: &mut String, result: &DemoResult) {
    let DemoResult { expected, present, live, open_gaps, unrecoverable, duplicates, superseded, .. } = result;
    let _ = writeln!(out, "in the end  {present:>5} of {expected} present, {live} of them live");
    let _ = writeln!(
        out,
        "            {open_gaps:>5} open, {unrecoverable} given up, {duplicates} twice, {superseded} superseded rows kept"
    );
    let (wrong, undecidable) = (result.wrong_prices, result.undecidable);
    let _ = writeln!(
        out,
        "the truth   {wrong:>5} rows differ from what the market did, {undecidable} more that no candle can tell"
    );
    let spread = &result.healed_distance_bp;
    let _ = writeln!(
        out,
        "            healed rows are {:.2} bp from what a live sample would have been (95 of 100 within {:.2}, at most {:.2})",
        spread.mean, spread.p95, spread.max
    );
    let lake = result.lake.display();
    let _ = writeln!(out, "\nthe lake is in {lake}; ask it with DuckDB:");
    let _ = writeln!(
        out,
        "  duckdb -c \"SELECT symbol, basis, count(*) FROM read_parquet('{lake}/quotes/*/*.parquet') GROUP BY ALL ORDER BY ALL\""
    );
}
