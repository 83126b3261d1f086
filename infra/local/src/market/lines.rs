//! Lines of a gzipped table with a header, read fast, with every error naming file and line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::recorded::RecordedError;

/// The most columns a table of this format has.
const MOST_COLUMNS: usize = 16;

/// A gzipped comma-separated file: fields are never quoted.
pub(super) struct Lines {
    name: String,
    reader: BufReader<MultiGzDecoder<BufReader<File>>>,
    line: Vec<u8>,
    number: u64,
    columns: usize,
}

/// One line's fields, in the file's order.
pub(super) struct Fields<'a> {
    pub(super) line: &'a Lines,
    ends: [usize; MOST_COLUMNS],
}

impl Lines {
    /// Opens a file and reads its header, and gives the place of each of `wanted`. Columns of `ignored` may be there.
    pub(super) fn open<const N: usize>(
        path: &Path,
        wanted: [&'static str; N],
        ignored: &[&str],
    ) -> Result<(Self, [usize; N]), RecordedError> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let file = File::open(path).map_err(|source| RecordedError::Unreadable { path: path.to_owned(), source })?;
        let reader = BufReader::with_capacity(1 << 16, MultiGzDecoder::new(BufReader::new(file)));
        let mut this = Self { name, reader, line: Vec::new(), number: 0, columns: 0 };
        if !this.advance()? {
            return Err(this.broken("the file is empty; a header was expected"));
        }
        let header = String::from_utf8_lossy(&this.line).into_owned();
        let names: Vec<&str> = header.split(',').collect();
        let expected = || [&wanted[..], ignored].concat().join(", ");
        if let Some(unknown) = names.iter().find(|name| !wanted.contains(name) && !ignored.contains(name)) {
            return Err(this.broken(format!("unknown column `{unknown}`; the columns are {}", expected())));
        }
        let mut places = [0; N];
        for (place, column) in places.iter_mut().zip(wanted) {
            let found = names.iter().position(|name| *name == column);
            *place =
                found.ok_or_else(|| this.broken(format!("no column `{column}`; the columns are {}", expected())))?;
        }
        if names.len() > MOST_COLUMNS {
            return Err(this.broken(format!("a column is named twice: {header}")));
        }
        this.columns = names.len();
        Ok((this, places))
    }

    /// The next line's fields, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Fields<'_>>, RecordedError> {
        if !self.advance()? {
            return Ok(None);
        }
        let mut ends = [0; MOST_COLUMNS];
        let mut fields = 0;
        let commas = self.line.iter().enumerate().filter(|(_, byte)| **byte == b',').map(|(at, _)| at);
        for end in commas.chain([self.line.len()]) {
            if fields == self.columns {
                fields += 1;
                break;
            }
            ends[fields] = end;
            fields += 1;
        }
        if fields != self.columns {
            return Err(self.broken(format!("{} columns were expected: `{}`", self.columns, self.text())));
        }
        Ok(Some(Fields { line: self, ends }))
    }

    /// An error about the line last read.
    pub(super) fn broken(&self, why: impl Into<String>) -> RecordedError {
        RecordedError::Broken { file: self.name.clone(), line: self.number, why: why.into() }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.line).chars().take(200).collect()
    }

    fn advance(&mut self) -> Result<bool, RecordedError> {
        self.line.clear();
        self.number += 1;
        let read = self.reader.read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| self.broken(format!("cannot be read, is it a whole gzip file? {error}")))?;
        while self.line.last().is_some_and(|byte| b"\r\n".contains(byte)) {
            self.line.pop();
        }
        Ok(read > 0)
    }
}

impl Fields<'_> {
    /// The bytes of a field.
    pub(super) fn bytes(&self, place: usize) -> &[u8] {
        let begin = if place == 0 { 0 } else { self.ends[place - 1] + 1 };
        &self.line.line[begin..self.ends[place]]
    }

    /// The text of a field.
    pub(super) fn text(&self, place: usize) -> Result<&str, RecordedError> {
        std::str::from_utf8(self.bytes(place)).map_err(|_| self.line.broken("not UTF-8"))
    }

    /// A field as a whole number.
    pub(super) fn whole(&self, place: usize) -> Result<i64, RecordedError> {
        let text = self.text(place)?;
        text.parse().map_err(|_| self.line.broken(format!("not a whole number: `{text}`")))
    }

    /// A field as a number that is not negative.
    pub(super) fn amount(&self, place: usize) -> Result<f64, RecordedError> {
        let text = self.text(place)?;
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
        number.ok_or_else(|| self.line.broken(format!("not a number of 0 or more: `{text}`")))
    }

    /// A field as a price: a number above 0.
    pub(super) fn price(&self, place: usize) -> Result<f64, RecordedError> {
        let price = self.amount(place)?;
        if price > 0.0 { Ok(price) } else { Err(self.line.broken("not a price above 0: `0`")) }
    }
}
