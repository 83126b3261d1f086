//! The documents: their commands exist, their links lead somewhere, the code map has every module.

use std::collections::BTreeSet;

use crate::tree::Tree;

/// The one test command.
const TEST_COMMAND: &str = "bash tests/run";

/// Subcommands that the command line's library makes.
const MADE: [&str; 1] = ["help"];

/// Commands shown in a document's code that are not there: `mendlake <subcommand>`, `bash <file>`, cargo's `--test`.
pub(crate) fn commands(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in tree.ending(&[".md"]) {
        for command in shown(text) {
            let words: Vec<&str> = command.split_whitespace().collect();
            complaints.extend(missing(tree, &words).map(|what| format!("{path}: `{command}`: {what}")));
        }
    }
    complaints
}

fn missing(tree: &Tree, words: &[&str]) -> Option<String> {
    let subcommand = match words {
        ["mendlake", subcommand, ..] => Some(subcommand),
        ["cargo", "run", rest @ ..] => rest.iter().skip_while(|word| **word != "--").nth(1),
        ["bash" | "sh", script, ..] if !script.starts_with('-') && !tree.has(script) => {
            return Some("there is no such script".to_owned());
        }
        ["cargo", "test", rest @ ..] => return missing_test(tree, rest),
        _ => None,
    };
    let name = subcommand.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))?;
    let module = format!("infra/local/src/cli/{}", name.replace('-', "_"));
    let there = tree.has(&format!("{module}.rs")) || tree.has(&module) || MADE.contains(name);
    (!there).then(|| format!("there is no subcommand `{name}`"))
}

/// A test target that no package has.
fn missing_test(tree: &Tree, words: &[&str]) -> Option<String> {
    let wanted = words.iter().skip_while(|word| **word != "--test").nth(1)?;
    let has = |manifest: &toml::Table| {
        let targets = manifest.get("test").and_then(toml::Value::as_array);
        targets.is_some_and(|all| all.iter().any(|t| t.get("name").and_then(toml::Value::as_str) == Some(wanted)))
    };
    let there = tree.packages().iter().any(|(_, manifest)| has(manifest));
    (!there).then(|| format!("no package has a test `{wanted}`"))
}

/// Links to files that are not there. Links to other places and into the same page are not followed.
pub(crate) fn links(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in tree.ending(&[".md"]) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !tree.has(&joined(folder, target)) {
                complaints.push(format!("{path}: `{target}` leads nowhere"));
            }
        }
    }
    complaints
}

/// Modules of any crate that ARCHITECTURE.md does not name in backticks.
pub(crate) fn code_map(tree: &Tree) -> Vec<String> {
    let map = tree.text("ARCHITECTURE.md").unwrap_or_default();
    let mut complaints = Vec::new();
    for (folder, _) in tree.packages().into_iter().filter(|(folder, _)| !folder.starts_with("tests/")) {
        let source = if folder == "tests" { format!("{folder}/") } else { format!("{folder}/src/") };
        for module in modules(tree, &source) {
            if !map.contains(&format!("`{module}`")) {
                complaints.push(format!("ARCHITECTURE.md: the code map has no line for `{module}` of {folder}"));
            }
        }
    }
    complaints
}

/// The names directly below a source folder, test modules left out.
fn modules(tree: &Tree, source: &str) -> BTreeSet<String> {
    let below = tree.ending(&[".rs"]).filter_map(|(path, _)| path.strip_prefix(source));
    let names = below.map(|rest| rest.split('/').next().unwrap_or(rest).trim_end_matches(".rs"));
    let is_none = |name: &str| ["lib", "main", "bin", "case"].contains(&name) || name.ends_with("tests");
    names.filter(|name| !is_none(name)).map(str::to_owned).collect()
}

/// Places that run the tests in another way than README.md says.
pub(crate) fn one_test_command(tree: &Tree) -> Vec<String> {
    let places = ["README.md", "CONTRIBUTING.md", ".ci/run", ".github/workflows/ci.yml"];
    let elsewhere = places.into_iter().filter(|path| !tree.text(path).unwrap_or_default().contains(TEST_COMMAND));
    elsewhere.map(|path| format!("{path}: it does not run `{TEST_COMMAND}`")).collect()
}

/// Commands in a document: the lines of its fenced blocks, and its inline code; comments and prompts taken off.
fn shown(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for (index, part) in text.split("```").enumerate() {
        let pieces: Vec<&str> =
            if index % 2 == 1 { part.lines().skip(1).collect() } else { part.split('`').skip(1).step_by(2).collect() };
        let bare = |piece: &str| piece.split(" #").next().unwrap_or(piece).trim().trim_start_matches("$ ").to_owned();
        commands.extend(pieces.into_iter().map(bare));
    }
    commands
}

fn joined(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_is_not_there_is_found() {
        let found = |command: &str| {
            let text = format!("Try\n```sh\n{command}   # this\n```\nor `{command}`.\n");
            let manifest = "[package]\nname = \"t\"\n[[test]]\nname = \"simulation\"\n";
            let files = [("A.md", text.as_str()), ("infra/local/src/cli/gaps.rs", ""), ("t/Cargo.toml", manifest)];
            commands(&Tree::of(&files)).len()
        };
        for there in
            ["mendlake gaps --json", "cargo run --release -- gaps", "mendlake --help", "cargo test --test simulation"]
        {
            assert_eq!(found(there), 0, "{there}");
        }
        for missing in ["mendlake mend", "cargo run --release -- mend", "bash tests/nothing", "cargo test --test other"]
        {
            assert_eq!(found(missing), 2, "{missing}");
        }
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let found = |text: &str| links(&Tree::of(&[("a/A.md", text), ("b/B.md", "")])).len();
        assert_eq!(found("[b](../b/B.md) [b](../b/B.md#part) [up](../b) [out](https://example.com/x) [in](#part)"), 0);
        assert_eq!(found("[c](../b/C.md)"), 1);
    }

    #[test]
    fn a_module_that_the_map_leaves_out_is_found() {
        let files = [
            ("a/Cargo.toml", "[package]\nname = \"a\"\n"),
            ("a/src/lib.rs", ""),
            ("a/src/plan.rs", ""),
            ("a/src/disk/mod.rs", ""),
            ("a/src/plan_tests.rs", ""),
            ("ARCHITECTURE.md", "| `plan` |"),
        ];
        assert_eq!(code_map(&Tree::of(&files)), ["ARCHITECTURE.md: the code map has no line for `disk` of a"]);
    }

    #[test]
    fn another_test_command_is_found() {
        let files = ["README.md", "CONTRIBUTING.md", ".ci/run"].map(|path| (path, TEST_COMMAND));
        assert_eq!(one_test_command(&Tree::of(&files)).len(), 1);
    }
}
