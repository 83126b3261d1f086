//! What happened, line by line: port calls, their answers, clock steps, deaths.

use std::fmt::{self, Write};

use mendlake_domain::minute::Timestamp;

/// How much of the trace is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: the thousand seeds.
    #[default]
    Nothing,
    /// Its hash: whether two runs are the same.
    Hash,
    /// Every line.
    Lines,
}

/// A trace. Lines are written only where they are kept, or their hash is.
#[derive(Clone, Debug)]
pub struct Trace {
    keep: Keep,
    hash: u64,
    lines: Vec<String>,
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

impl Trace {
    /// An empty trace.
    pub fn new(keep: Keep) -> Self {
        Self { keep, hash: FNV_BASIS, lines: Vec::new() }
    }

    /// Adds a line.
    pub fn line(&mut self, at: Timestamp, text: fmt::Arguments<'_>) {
        match self.keep {
            Keep::Nothing => {}
            Keep::Hash => {
                let _: fmt::Result = writeln!(Hashing(&mut self.hash), "{at} {text}");
            }
            Keep::Lines => {
                let line = format!("{at} {text}");
                let _: fmt::Result = writeln!(Hashing(&mut self.hash), "{line}");
                self.lines.push(line);
            }
        }
    }

    /// The hash of every line so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines kept.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

/// FNV-1a, written to.
struct Hashing<'a>(&'a mut u64);

impl Write for Hashing<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        *self.0 = text.bytes().fold(*self.0, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_the_lines_and_nothing_is_written_where_nothing_is_kept() {
        let of = |keep, text: &str| {
            let mut trace = Trace::new(keep);
            trace.line(Timestamp::from_epoch_s(0), format_args!("{text}"));
            trace
        };
        assert_eq!(of(Keep::Hash, "a").hash(), of(Keep::Lines, "a").hash());
        assert_ne!(of(Keep::Hash, "a").hash(), of(Keep::Hash, "b").hash());
        assert_eq!(of(Keep::Nothing, "a").hash(), FNV_BASIS);
        assert_eq!(of(Keep::Lines, "a").lines(), ["1970-01-01T00:00:00.000Z a"]);
    }
}
