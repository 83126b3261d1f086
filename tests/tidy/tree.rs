//! The repository's files, as text.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What holds nothing of the repository's, beside the folders that `.gitignore` names. In a worktree, `.git` is a file.
const NOT_OURS: [&str; 1] = [".git"];

/// Files by their path from the top, with `/` between its parts. A file that is no UTF-8 has no text.
#[derive(Default)]
pub(crate) struct Tree(BTreeMap<String, String>);

impl Tree {
    /// This repository.
    pub(crate) fn of_this_repository() -> Self {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let ignored = fs::read_to_string(top.join(".gitignore")).expect("the repository has a .gitignore");
        let folders = ignored.lines().filter_map(|line| line.strip_suffix('/'));
        let ignored: Vec<&str> = folders.map(|folder| folder.trim_start_matches('/')).chain(NOT_OURS).collect();
        let mut files = BTreeMap::new();
        gather(&top, "", &ignored, &mut files);
        assert!(files.contains_key("Cargo.toml"), "no repository is two folders above this crate");
        Self(files)
    }

    /// A small one, to try a check on.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    /// The text of a file; of one that is not there, none.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// Whether a file or a folder is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.0.contains_key(path) || self.0.keys().any(|file| file.starts_with(&folder))
    }

    /// Every file.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Every file whose name ends like one of these.
    pub(crate) fn ending(&self, endings: &[&str]) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(move |(path, _)| endings.iter().any(|ending| path.ends_with(ending)))
    }

    /// Every Cargo.toml of a package, by its folder.
    pub(crate) fn packages(&self) -> Vec<(String, toml::Table)> {
        let manifests = self.files().filter_map(|(path, text)| Some((path.strip_suffix("/Cargo.toml")?, text)));
        manifests.map(|(folder, text)| (folder.to_owned(), parsed(&format!("{folder}/Cargo.toml"), text))).collect()
    }

    /// A file as a TOML table.
    pub(crate) fn table(&self, path: &str) -> toml::Table {
        parsed(path, self.text(path).unwrap_or_else(|| panic!("`{path}` is not there")))
    }
}

fn parsed(path: &str, text: &str) -> toml::Table {
    text.parse().unwrap_or_else(|error| panic!("`{path}` is not TOML: {error}"))
}

fn gather(folder: &Path, path: &str, ignored: &[&str], files: &mut BTreeMap<String, String>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("`{path}` cannot be listed: {error}"));
    for entry in entries {
        let entry = entry.expect("a folder's entry can be read");
        let name = entry.file_name().into_string().expect("a file of the repository has a name that is text");
        let kind = entry.file_type().expect("an entry has a kind");
        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        if ignored.contains(&name.as_str()) {
            continue;
        }
        if kind.is_dir() {
            gather(&entry.path(), &path, ignored, files);
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).unwrap_or_else(|error| panic!("`{path}` cannot be read: {error}"));
            files.insert(path, String::from_utf8(bytes).unwrap_or_default());
        }
    }
}
