//! Results on stdout, as text or as JSON.

use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};

use serde::Serialize;

use super::Failure;

/// Prints a result. A reader that went away, as `head` does, is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("print the result: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a result as JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).expect("a result is JSON: its keys are text");
    text.push('\n');
    print(&text)
}

/// Prints why a command failed. A stderr that cannot be written to leaves the exit code to say it.
pub(super) fn complain(message: &str) {
    let _ = writeln!(stderr().lock(), "error: {message}");
}

/// Whether results are looked at by a person.
pub(super) fn on_terminal() -> bool {
    stdout().is_terminal()
}

/// Characters a line where there is no terminal to ask.
const WIDTH: u16 = 100;

/// Characters a line: as wide as the terminal.
pub(super) fn width() -> usize {
    usize::from(terminal_size::terminal_size().map_or(WIDTH, |(width, _)| width.0))
}

/// Columns of text.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        let headings = headings.map(str::to_owned).into();
        Self { rows: vec![headings] }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// The table as text: columns as wide as their widest cell, two spaces between.
    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["SYMBOL", "MIN"]);
        table.row(["SPY".into(), "1".into()]);
        table.row(["BINANCE:BTCUSDT".into(), String::new()]);
        assert_eq!(table.text(), "SYMBOL           MIN\nSPY              1\nBINANCE:BTCUSDT\n");
    }
}
