//! Rust source files: how long they are without their tests, and that one clippy.toml rules them all.

use std::collections::BTreeSet;

use crate::tree::Tree;

/// The most lines of a source file, its tests not counted. The house style aims for 250.
const MOST_LINES: usize = 400;

/// Files that are longer, and why that is right.
const LONG: [(&str, &str); 2] = [
    (
        "shared/adapters/src/faulty.rs",
        "one wrapper, an `impl` for each of the sixteen ports: every method is three lines, and a second file would only hide half",
    ),
    (
        "reconcile/src/reconcile.rs",
        "one run from its window to its report: a third of it is the report, whose fields and their comments are its documentation",
    ),
];

/// A nested clippy.toml replaces the one at the top instead of adding to it.
pub(crate) fn one_clippy_toml(tree: &Tree) -> Vec<String> {
    let found: Vec<&str> = tree.ending(&["clippy.toml"]).map(|(path, _)| path).collect();
    if found == ["clippy.toml"] {
        Vec::new()
    } else {
        vec![format!("exactly one clippy.toml, at the top, not {found:?}")]
    }
}

/// Source files that are too long to keep in one's head, and exceptions for files that are gone.
pub(crate) fn long_files(tree: &Tree) -> Vec<String> {
    let tests = test_modules(tree);
    let mut complaints = Vec::new();
    for (path, text) in sources(tree).filter(|(path, _)| !tests.contains(path)) {
        let lines = lines_without_tests(text);
        if lines > MOST_LINES && LONG.iter().all(|(long, _)| *long != path) {
            complaints.push(format!("{path}: {lines} lines without tests, {MOST_LINES} are the most: divide it"));
        }
    }
    let gone = LONG.iter().filter(|(path, _)| !tree.has(path));
    complaints.extend(gone.map(|(path, _)| format!("tests/tidy/rust.rs: `{path}` is an exception and is not there")));
    complaints
}

/// Rust files that ship; the crates under `tests/` do not.
pub(crate) fn sources(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.ending(&[".rs"]).filter(|(path, _)| !path.starts_with("tests/"))
}

/// Source files, their test modules left out, with the text before their tests.
pub(crate) fn product(tree: &Tree) -> Vec<(&str, String)> {
    let tests = test_modules(tree);
    let product = sources(tree).filter(|(path, _)| !tests.contains(path));
    product
        .map(|(path, text)| (path, text.lines().take(lines_without_tests(text)).collect::<Vec<_>>().join("\n")))
        .collect()
}

/// Lines before `mod tests {`, which stands last.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let begins = lines.windows(2).position(|two| two[0] == "#[cfg(test)]" && two[1].contains("mod tests"));
    begins.unwrap_or(lines.len())
}

/// Files that are compiled for tests only: the modules declared so, and everything below them.
fn test_modules(tree: &Tree) -> BTreeSet<&str> {
    let mut roots = BTreeSet::new();
    for (path, text) in sources(tree) {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let inner = match file {
            "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
            _ => path.trim_end_matches(".rs").to_owned(),
        };
        for (name, path_attribute) in declared_for_tests(text) {
            roots.insert(
                path_attribute
                    .map_or(format!("{inner}/{name}"), |file| format!("{folder}/{}", file.trim_end_matches(".rs"))),
            );
        }
    }
    let is_test = |path: &str| {
        let below =
            |root: &String| path.strip_prefix(root.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'));
        roots.iter().any(below)
    };
    sources(tree).map(|(path, _)| path).filter(|path| is_test(path)).collect()
}

/// Modules declared under `#[cfg(test)]`, or for the contract suites, with the file where the declaration names one.
fn declared_for_tests(text: &str) -> Vec<(String, Option<String>)> {
    let gates = ["#[cfg(test)]", "#[cfg(feature = \"contracts\")]"];
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if !gates.contains(&line) {
            continue;
        }
        let mut file = None;
        for line in lines.by_ref() {
            if let Some(named) = line.strip_prefix("#[path = \"") {
                file = named.strip_suffix("\"]").map(str::to_owned);
            } else {
                let declared = line.strip_suffix(';').and_then(|line| line.split_once("mod "));
                found.extend(declared.map(|(_, name)| (name.to_owned(), file.clone())));
                break;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, String)]) -> Tree {
        let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        files.extend(LONG.map(|(path, _)| (path, "")));
        Tree::of(&files)
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let long = "fn f() {}\n".repeat(MOST_LINES + 1);
        let tested = format!("{}#[cfg(test)]\nmod tests {{\n{long}}}\n", "fn f() {}\n".repeat(MOST_LINES));
        assert_eq!(long_files(&tree(&[("a/src/long.rs", long.clone())])).len(), 1);
        assert_eq!(long_files(&tree(&[("a/src/tested.rs", tested)])), Vec::<String>::new());
        let modules = [
            ("a/src/lib.rs", "mod x;\n#[cfg(test)]\nmod golden;\n".to_owned()),
            ("a/src/x.rs", "#[cfg(test)]\n#[path = \"x_tests.rs\"]\nmod tests;\n".to_owned()),
            ("a/src/x_tests.rs", long.clone()),
            ("a/src/golden.rs", long.clone()),
            ("a/src/golden/more.rs", long),
        ];
        assert_eq!(long_files(&tree(&modules)), Vec::<String>::new());
    }

    #[test]
    fn an_exception_for_a_file_that_is_gone_is_found() {
        assert_eq!(long_files(&Tree::of(&[])).len(), LONG.len());
    }

    #[test]
    fn a_nested_clippy_toml_is_found() {
        assert_eq!(one_clippy_toml(&Tree::of(&[("clippy.toml", ""), ("a/.clippy.toml", "")])).len(), 1);
        assert_eq!(one_clippy_toml(&Tree::of(&[])).len(), 1);
    }
}
