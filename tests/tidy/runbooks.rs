//! Runbooks: the pages that alarms and error logs send a person to.

use std::collections::BTreeSet;

use crate::rust;
use crate::tree::Tree;

/// The parts of a page, in their order.
const PARTS: [&str; 4] = ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation"];

const INDEX: &str = "runbooks/README.md";

/// Error logs that send nobody to a page, and pages named anywhere that are not there.
///
/// `error!` means that a person must act: its call names the page as `runbook = "GapsOpen"`, or takes the name from a
/// value called `runbook`; then the names stand elsewhere as `runbooks/GapsOpen.md` or beside the word `runbook`.
pub(crate) fn named_pages_exist(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in rust::product(tree) {
        for (line, call) in error_calls(&text) {
            if !call.contains("runbook") {
                complaints
                    .push(format!("{path}:{line}: `error!` without a `runbook`: say `warn!` where nobody must act"));
            }
        }
    }
    for (path, text) in
        tree.ending(&[".rs", ".md", ".yaml", ".toml"]).filter(|(path, _)| !path.starts_with("tests/tidy/"))
    {
        for page in pages_named(text).into_iter().filter(|page| !tree.has(&format!("runbooks/{page}.md"))) {
            complaints.push(format!("{path}: there is no runbooks/{page}.md"));
        }
    }
    complaints
}

/// Pages without one of the four parts, or that the index does not name.
pub(crate) fn parts(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    let index = tree.text(INDEX).unwrap_or_default();
    for (path, text) in tree.files().filter(|(path, _)| path.starts_with("runbooks/") && *path != INDEX) {
        let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("## ")).collect();
        if headings != PARTS {
            complaints.push(format!("{path}: its headings are to be {PARTS:?}, not {headings:?}"));
        }
        let file = path.trim_start_matches("runbooks/");
        if !text.starts_with(&format!("# {}\n", file.trim_end_matches(".md"))) {
            complaints.push(format!("{path}: it begins with its alarm's name"));
        }
        if !index.contains(&format!("({file})")) {
            complaints.push(format!("{INDEX}: it does not lead to {file}"));
        }
    }
    complaints
}

/// Calls of `error!` with their line numbers, up to the closing bracket.
fn error_calls(text: &str) -> Vec<(usize, &str)> {
    let calls = text.match_indices("error!(").filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        let line = text[..*at].rsplit('\n').next().unwrap_or_default();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_') && !line.trim_start().starts_with("//")
    });
    calls.map(|(at, _)| (text[..at].matches('\n').count() + 1, up_to_bracket(&text[at..]))).collect()
}

fn up_to_bracket(call: &str) -> &str {
    let mut depth = 0_i32;
    for (at, c) in call.char_indices() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if c == ')' && depth == 0 {
            return &call[..=at];
        }
    }
    call
}

/// Names in `runbooks/<Name>.md` and in `runbook = "<Name>"`.
fn pages_named(text: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (before, after) in [("runbooks/", ".md"), ("runbook = \"", "\"")] {
        for (at, _) in text.match_indices(before) {
            let rest = &text[at + before.len()..];
            let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
            if name.starts_with(|c: char| c.is_ascii_uppercase()) && rest[name.len()..].starts_with(after) {
                named.insert(name);
            }
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_without_a_page_is_found_and_so_is_a_page_that_is_not_there() {
        let found = |code: &str| named_pages_exist(&Tree::of(&[("a/src/a.rs", code), ("runbooks/GapsOpen.md", "")]));
        assert_eq!(found("fn f() {\n    tracing::error!(runbook = \"GapsOpen\", gaps = g(1), \"gaps\");\n}"), [""; 0]);
        assert_eq!(found("fn f() {\n    error!(\"no page (\");\n}").len(), 1);
        assert_eq!(
            found("error!(runbook = \"Nothing\", \"no page\");"),
            ["a/src/a.rs: there is no runbooks/Nothing.md"]
        );
        assert_eq!(found("// see runbooks/Nowhere.md\n").len(), 1);
        assert_eq!(found("/// `error!(` in a comment\n"), [""; 0]);
    }

    #[test]
    fn a_page_without_its_parts_or_its_line_in_the_index_is_found() {
        let page = format!("# GapsOpen\n\n{}\n", PARTS.join("\n"));
        let index = "[GapsOpen](GapsOpen.md)";
        assert_eq!(parts(&Tree::of(&[(INDEX, index), ("runbooks/GapsOpen.md", &page)])), [""; 0]);
        assert_eq!(parts(&Tree::of(&[(INDEX, ""), ("runbooks/GapsOpen.md", &page)])).len(), 1);
        assert_eq!(parts(&Tree::of(&[(INDEX, index), ("runbooks/GapsOpen.md", "# GapsOpen\n## Meaning\n")])).len(), 1);
    }
}
