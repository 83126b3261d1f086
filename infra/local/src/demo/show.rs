//! What a person sees at the end of a demo: the heat maps, what was lost and how it was healed, where the lake is.

use std::collections::BTreeMap;
use std::fmt::Write;

use mendlake_domain::calendar::Session;
use mendlake_domain::coverage::MinuteSet;
use mendlake_domain::minute::Minute;
use mendlake_domain::quote::Basis;
use mendlake_domain::symbol::Symbol;

use super::result::{DemoResult, Picture};

/// Characters of a heat map's row: five minutes each on a full day.
const COLUMNS: i64 = 78;

/// Renders the result of a demo as text.
pub fn show(result: &DemoResult, colour: bool) -> String {
    let mut text = String::new();
    let out = &mut text;
    if let Some(session) = result.picture.session {
        heat_map(out, "as sampled", result, &session, colour, |symbol, minute| before(&result.picture, symbol, minute));
        heat_map(out, "as healed", result, &session, colour, |symbol, minute| after(&result.picture, symbol, minute));
    }
    legend(out, colour);
    losses(out, result);
    counts(out, result);
    text
}

/// How a cell looks: as most of its minutes do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    Sampled,
    Healed,
    Corrected,
    Frozen,
    Missing,
}

impl Cell {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Sampled, "sampled live"),
        (Self::Healed, "healed from candles"),
        (Self::Corrected, "frozen quote, corrected"),
        (Self::Frozen, "frozen quote"),
        (Self::Missing, "missing"),
    ];

    fn paint(self, colour: bool) -> String {
        let (glyph, code) = match self {
            Self::Sampled => ('█', 32),
            Self::Healed => ('▒', 36),
            Self::Corrected => ('▓', 35),
            Self::Frozen => ('z', 33),
            Self::Missing => ('·', 31),
        };
        if colour { format!("\u{1b}[{code}m{glyph}\u{1b}[0m") } else { glyph.to_string() }
    }
}

fn before(picture: &Picture, symbol: &Symbol, minute: Minute) -> Cell {
    let has = |sets: &BTreeMap<Symbol, MinuteSet>| sets.get(symbol).is_some_and(|set| set.contains(minute));
    match (has(&picture.sampled), has(&picture.frozen)) {
        (true, true) => Cell::Frozen,
        (true, false) => Cell::Sampled,
        (false, _) => Cell::Missing,
    }
}

fn after(picture: &Picture, symbol: &Symbol, minute: Minute) -> Cell {
    let bases = picture.current.get(symbol);
    let basis = bases.and_then(|sets| sets.iter().find(|(_, set)| set.contains(minute))).map(|(basis, _)| *basis);
    let corrected = picture.frozen.get(symbol).is_some_and(|set| set.contains(minute));
    match basis {
        None => Cell::Missing,
        Some(_) if corrected => Cell::Corrected,
        Some(Basis::Quote) => Cell::Sampled,
        Some(Basis::Close | Basis::Open | Basis::PreviousClose) => Cell::Healed,
    }
}

fn heat_map(
    out: &mut String,
    title: &str,
    result: &DemoResult,
    session: &Session,
    colour: bool,
    cell: impl Fn(&Symbol, Minute) -> Cell,
) {
    let len = session.close.since(session.open);
    let columns = COLUMNS.min(len);
    let _ = writeln!(out, "\n{title}, one character is {} minutes", (len + columns - 1) / columns);
    for symbol in &result.symbols {
        let _ = write!(out, "  {symbol:<6}");
        for column in 0..columns {
            let (from, to) = (session.open + column * len / columns, session.open + (column + 1) * len / columns);
            let most = most(from.until(to).map(|minute| cell(symbol, minute)));
            out.push_str(&most.paint(colour));
        }
        out.push('\n');
    }
}

/// What most of these are; of several, the worst.
fn most(cells: impl Iterator<Item = Cell>) -> Cell {
    let mut counts: BTreeMap<Cell, usize> = BTreeMap::new();
    for cell in cells {
        *counts.entry(cell).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(cell, count)| (*count, *cell)).map_or(Cell::Sampled, |(cell, _)| cell)
}

fn legend(out: &mut String, colour: bool) {
    let entries: Vec<String> = Cell::ALL.iter().map(|(cell, name)| format!("{} {name}", cell.paint(colour))).collect();
    let _ = writeln!(out, "\n  {}", entries.join("   "));
    let _ = writeln!(out, "  a character shows what most of its minutes are\n");
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
