//! Words that must not be in the repository: marks of unfinished work, folders and hosts of somebody's machine.
//!
//! They are put together here from pieces, so that this file does not hold them itself.

use crate::tree::Tree;

/// Endings of files that are code.
const CODE: [&str; 8] = [".rs", ".toml", ".sh", ".py", ".sql", ".yml", ".yaml", "tests/run"];

/// Marks of unfinished work.
pub(crate) fn unfinished(tree: &Tree) -> Vec<String> {
    let marks = ["TO_DO", "FIX_ME", "to_do!(", "unimple_mented!(", "#[ig_nore"].map(|mark| mark.replace('_', ""));
    complain(tree.ending(&CODE), |line| marks.iter().find(|mark| line.contains(mark.as_str())).cloned())
}

/// Absolute paths into somebody's home or work folder, and ways to name a registry other than the public one.
pub(crate) fn machines(tree: &Tree) -> Vec<String> {
    let folders = ["home", "root", "Users", "work"].map(|folder| format!("/{folder}/"));
    let registries = ["index-_url", "sparse_+http", "replace-_with", "registry-_mirror", "trusted-_host"];
    let registries = registries.map(|word| word.replace('_', ""));
    complain(tree.files(), |line| {
        let folder = folders.iter().find(|folder| begins_a_path(line, folder));
        folder.or_else(|| registries.iter().find(|word| line.contains(word.as_str()))).cloned()
    })
}

/// Whether the folder stands where an absolute path begins, and not in the middle of a longer one or of an address.
fn begins_a_path(line: &str, folder: &str) -> bool {
    let before = |(at, _): (usize, &str)| line[..at].chars().next_back();
    let inside = |c: char| c.is_alphanumeric() || "._-~})>*/".contains(c);
    line.match_indices(folder).any(|found| before(found).is_none_or(|c| !inside(c)))
}

fn complain<'a>(files: impl Iterator<Item = (&'a str, &'a str)>, find: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in files {
        let found = text.lines().enumerate().filter_map(|(index, line)| Some((index + 1, find(line)?)));
        complaints.extend(found.map(|(line, word)| format!("{path}:{line}: `{word}`")));
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_unfinished_work_are_found_in_code() {
        for mark in ["// TO_DO: later", "to_do!()", "#[ig_nore]", "#[ig_nore = \"slow\"]"] {
            let tree = Tree::of(&[("a/src/a.rs", &mark.replace('_', "")), ("A.md", &mark.replace('_', ""))]);
            assert_eq!(unfinished(&tree).len(), 1, "{mark}");
        }
    }

    #[test]
    fn folders_of_a_machine_are_found_and_addresses_are_not() {
        let found = |line: &str| machines(&Tree::of(&[("a.md", &line.replace('|', "/"))])).len();
        for line in ["see |home|ann|x", "\"|root|.cargo\"", "cd |work|lake", "`|Users|ann`"] {
            assert_eq!(found(line), 1, "{line}");
        }
        for line in ["../shared|work|x", "https:||example.com|home|", "target|work|", "~|work|x"] {
            assert_eq!(found(line), 0, "{line}");
        }
        assert_eq!(machines(&Tree::of(&[("pip.conf", &"index-_url = https://mirror".replace('_', ""))])).len(), 1);
    }
}
