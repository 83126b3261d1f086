//! Names of control entries: `00000001.json`.

/// The name of an entry.
pub fn name(number: usize) -> String {
    format!("{number:08}.json")
}

/// The number of the entry with this name, `None` where no entry has it.
pub fn number(text: &str) -> Option<usize> {
    let number = text.strip_suffix(".json")?.parse().ok()?;
    (number > 0 && name(number) == text).then_some(number)
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
