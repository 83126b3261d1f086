//! A heat map for the terminal: symbols down, time of day across, a letter for what each stretch of minutes is.
//!
//! Pure. The letters carry everything; colour repeats it for those who see it.

mod state;

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::NaiveTime;
use mendlake_domain::calendar::Calendar;
use mendlake_domain::minute::Minute;

pub use state::{State, states};

/// Minutes a column may stand for: what divides an hour, so that columns begin where people look for them.
const STEPS: [usize; 11] = [1, 2, 3, 5, 6, 10, 15, 20, 30, 60, 120];

/// Space between two hours' marks, beyond the mark itself.
const MARK_GAP: usize = 1;

/// Symbols by minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeatMap {
    /// The minute of each line's first state.
    pub from: Minute,
    /// Whose wall clock the hours are shown in.
    pub calendar: Calendar,
    /// What a column shows of its minutes.
    pub columns: Columns,
    /// The lines, in the order in which they are shown.
    pub lines: Vec<Line>,
}

/// What a column shows where its minutes differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// What most wants to be seen: not one open minute is missed.
    Worst,
    /// What most of its minutes are: what a day was like, where single minutes are missing everywhere.
    Most,
}

/// One symbol's minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The symbol, or whatever the line is to be called.
    pub name: String,
    /// One state a minute.
    pub states: Vec<State>,
}

/// Draws the map in at most `width` characters a line, narrower only where the names alone fill it. A column stands for as
/// many minutes as it takes to fit.
pub fn render(map: &HeatMap, width: usize, colour: bool) -> String {
    let minutes = map.lines.iter().map(|line| line.states.len()).max().unwrap_or(0);
    let names = map.lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
    let step = step(minutes, width.saturating_sub(names + 1).max(1));
    let mut text = String::new();
    let _ = writeln!(text, "{:names$} {}", "", hours(map, minutes, step).trim_end());
    for line in &map.lines {
        let _ = writeln!(text, "{:names$} {}", line.name, cells(&line.states, step, map.columns, colour));
    }
    text.push_str(&legend(map, step, colour));
    text
}

/// The fewest minutes a column must stand for.
fn step(minutes: usize, columns: usize) -> usize {
    let fits = |step: &usize| minutes.div_ceil(*step) <= columns;
    STEPS.into_iter().find(fits).unwrap_or_else(|| minutes.div_ceil(columns).next_multiple_of(60))
}

/// The hours' marks: `09:30` at the first column, then each full hour of the wall clock that has room.
fn hours(map: &HeatMap, minutes: usize, step: usize) -> String {
    let mut marks = String::new();
    for column in 0..minutes.div_ceil(step) {
        let offset = i64::try_from(column * step).unwrap_or(i64::MAX);
        let clock = wall_clock(map.calendar, map.from + offset);
        let full_hour = clock.format("%M").to_string() == "00";
        let free = marks.len() <= column && (marks.is_empty() || column >= marks.len() + MARK_GAP);
        if column == 0 || (full_hour && free) {
            let _ = write!(marks, "{:>pad$}{}", "", clock.format("%H:%M"), pad = column - marks.len());
        }
    }
    marks
}

/// The time of day of a minute on the calendar's wall clock.
pub fn wall_clock(calendar: Calendar, minute: Minute) -> NaiveTime {
    let midnight = calendar.at_wall_time(calendar.day_of(minute), NaiveTime::MIN);
    // Exact but in the hours in which clocks are put forth or back, when no session is open.
    let seconds = minute.since(midnight).rem_euclid(24 * 60) * 60;
    NaiveTime::from_num_seconds_from_midnight_opt(u32::try_from(seconds).unwrap_or(0), 0).unwrap_or(NaiveTime::MIN)
}

impl Columns {
    fn shown(self, states: &[State]) -> State {
        let mut counts: BTreeMap<State, usize> = BTreeMap::new();
        for state in states {
            *counts.entry(*state).or_default() += 1;
        }
        let shown = match self {
            Self::Worst => counts.into_iter().max(),
            Self::Most => counts.into_iter().max_by_key(|(state, count)| (*count, *state)),
        };
        shown.map_or(State::NotExpected, |(state, _)| state)
    }

    const fn told(self) -> &'static str {
        match self {
            Self::Worst => "the worst of its minutes",
            Self::Most => "what most of its minutes are",
        }
    }
}

fn cells(states: &[State], step: usize, columns: Columns, colour: bool) -> String {
    let mut text = String::new();
    let mut painted = None;
    for chunk in states.chunks(step) {
        let state = columns.shown(chunk);
        if colour && painted != Some(state) {
            let _ = write!(text, "\x1b[0;{}m", state.paint());
            painted = Some(state);
        }
        text.push(state.letter());
    }
    if painted.is_some() {
        text.push_str("\x1b[0m");
    }
    text
}

/// What the letters that are there mean, and how many minutes of each there are.
fn legend(map: &HeatMap, step: usize, colour: bool) -> String {
    let mut counts: BTreeMap<State, usize> = BTreeMap::new();
    for state in map.lines.iter().flat_map(|line| &line.states) {
        *counts.entry(*state).or_default() += 1;
    }
    let entry = |(state, count): (State, usize)| {
        let letter = cells(&[state], 1, map.columns, colour);
        format!("{letter} {} {count}", state.meaning())
    };
    let entries: Vec<String> =
        counts.into_iter().filter(|(state, _)| *state != State::NotExpected).map(entry).collect();
    let of_columns = if step == 1 { "a minute" } else { map.columns.told() };
    format!("{} minute{} a column, {of_columns}\n{}\n", step, if step == 1 { "" } else { "s" }, entries.join("   "))
}

#[cfg(test)]
mod tests {
    use mendlake_domain::quote::Basis;

    use super::*;

    fn map(states: Vec<State>) -> HeatMap {
        HeatMap {
            from: "2026-11-20T14:30:00Z".parse().expect("minute"),
            calendar: Calendar::Xnys,
            columns: Columns::Worst,
            lines: vec![Line { name: "SPY".into(), states }],
        }
    }

    fn day() -> Vec<State> {
        let mut states = vec![State::Quote; 390];
        states[100..122].fill(State::Healed(Basis::Close));
        states[200] = State::Open;
        states
    }

    #[test]
    fn a_day_fits_any_width_and_its_one_open_minute_is_seen_at_each() {
        for width in [20, 40, 80, 120, 400, 1000] {
            let text = render(&map(day()), width, false);
            let lines: Vec<&str> = text.lines().collect();
            assert!(lines[..2].iter().all(|line| line.chars().count() <= width), "{width}: {text}");
            assert_eq!(lines[1].matches('!').count(), 1, "{width}: {text}");
            assert!(lines[0].trim_start().starts_with("09:30"), "{text}");
        }
    }

    #[test]
    fn eighty_columns_show_six_minutes_each_with_new_yorks_hours() {
        let text = render(&map(day()), 80, false);
        let expected = "    09:30          11:00     12:00     13:00     14:00     15:00\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("6 minutes a column"), "{text}");
        assert!(
            text.contains("█ quote 367") && text.contains("▒ healed: close 22") && text.contains("! open 1"),
            "{text}"
        );
    }

    #[test]
    fn a_column_shows_the_worst_of_its_minutes_or_what_most_are() {
        let mut states = vec![State::Quote; 390];
        states[0] = State::Open;
        states[6..10].fill(State::Frozen);
        states[12..15].fill(State::Open);
        let worst = map(states);
        let most = HeatMap { columns: Columns::Most, ..worst.clone() };
        let begins = |map: &HeatMap, cells: &str| {
            let text = render(map, 80, false);
            assert!(text.lines().nth(1).is_some_and(|line| line.starts_with(cells)), "{text}");
            text
        };
        assert!(begins(&worst, "SPY !z!█").contains("6 minutes a column, the worst of its minutes"));
        let text = begins(&most, "SPY █z!█");
        assert!(text.contains("6 minutes a column, what most of its minutes are"), "{text}");
        assert!(text.contains("z frozen quote 4") && text.contains("! open 4"), "all are counted: {text}");
    }

    #[test]
    fn colour_adds_escapes_and_changes_no_letter() {
        let (plain, coloured) = (render(&map(day()), 80, false), render(&map(day()), 80, true));
        let mut stripped = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once('\x1b') {
            stripped.push_str(before);
            rest = after.split_once('m').expect("an escape ends").1;
        }
        stripped.push_str(rest);
        assert_eq!(stripped, plain);
        assert!(coloured.contains("\x1b[0m\n"));
    }

    #[test]
    fn a_map_of_nothing_is_drawn_too() {
        let empty = HeatMap { lines: Vec::new(), ..map(Vec::new()) };
        assert!(render(&empty, 80, false).contains("column"));
    }

    #[test]
    fn a_day_of_the_calendar_always_fits_eighty_columns() {
        let always = HeatMap {
            from: "2026-11-20T00:00:00Z".parse().expect("minute"),
            calendar: Calendar::Always,
            ..map(vec![State::Quote; 1440])
        };
        let text = render(&always, 80, false);
        assert!(text.lines().take(2).all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("20 minutes a column"), "{text}");
    }
}
