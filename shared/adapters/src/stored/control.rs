//! Control logs, whatever holds them: names of entries, `00000001.json`, and which number is next.

use mendlake_ports::control::{Log, RESTORE};
use mendlake_ports::{Kind, PortError, Result};

/// The name of an entry.
pub fn name(number: usize) -> String {
    format!("{number:08}.json")
}

/// The number of the entry with this name, `None` where no entry has it.
pub fn number(text: &str) -> Option<usize> {
    let number = text.strip_suffix(".json")?.parse().ok()?;
    (number > 0 && name(number) == text).then_some(number)
}

/// The number of the newest entry of those with these names, 0 where there is none. `Corrupt` where one before it is
/// missing; `place_of` names it. Names of no entry are ignored.
pub fn newest(
    log: Log,
    names: impl IntoIterator<Item = impl AsRef<str>>,
    place_of: impl Fn(usize) -> String,
) -> Result<usize> {
    let mut newest = 0;
    // In the order of numbers: names are in theirs only up to eight digits.
    let mut numbers: Vec<usize> = names.into_iter().filter_map(|name| number(name.as_ref())).collect();
    numbers.sort_unstable();
    for number in numbers {
        if number != newest + 1 {
            return Err(missing(log, newest + 1, &place_of(newest + 1)));
        }
        newest = number;
    }
    Ok(newest)
}

/// An entry is not there though a later one is.
pub fn missing(log: Log, number: usize, place: &str) -> PortError {
    let what = format!("read control log `{}`: entry {number} is missing, `{place}`; {RESTORE}", log.folder());
    PortError::new(Kind::Corrupt, what)
}

/// `Rejected` where an entry with this number would leave a hole after the newest.
pub fn refuse_hole(log: Log, number: usize, newest: usize) -> Result<()> {
    let next = newest + 1;
    if number == 0 || number > next {
        let what = format!("append entry {number} to control log `{}`: the next one is {next}", log.folder());
        return Err(PortError::new(Kind::Rejected, what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number_and_a_number_one_name() {
        assert_eq!(name(1), "00000001.json");
        for entry in [1, 9, 10, 99_999_999, 100_000_000] {
            assert_eq!(number(&name(entry)), Some(entry));
        }
        for text in ["00000000.json", "1.json", "+0000001.json", "000000001.json", "00000001.json.tmp", "a.json"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
