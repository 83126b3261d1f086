//! What Cargo.lock says: one version of what must not be there twice, and all of it from one place.

use toml::Value;

use crate::tree::Tree;

/// Two of these are two runtimes, two HTTP or TLS stacks, two logs that do not see each other, two kinds of arrays.
const ONCE: [&str; 7] = ["tokio", "hyper", "rustls", "tracing", "arrow-array", "arrow-schema", "parquet"];

const PUBLIC_REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Crates that are there twice, or not at all: then this list is to be brought up to date.
pub(crate) fn one_version(tree: &Tree) -> Vec<String> {
    let packages = packages(tree);
    let mut complaints = Vec::new();
    for name in ONCE {
        let versions: Vec<&str> =
            packages.iter().filter(|(of, ..)| of == name).map(|(_, version, _)| version.as_str()).collect();
        if versions.len() != 1 {
            complaints.push(format!("Cargo.lock: exactly one version of `{name}`, not {versions:?}"));
        }
    }
    complaints
}

/// Packages from anywhere else: a clone elsewhere could not fetch them.
pub(crate) fn public_registry(tree: &Tree) -> Vec<String> {
    let elsewhere = |source: &Option<String>| source.as_deref().is_some_and(|source| source != PUBLIC_REGISTRY);
    let packages = packages(tree).into_iter().filter(|(_, _, source)| elsewhere(source));
    packages
        .map(|(name, version, _)| format!("Cargo.lock: `{name}` {version} is not from the public registry"))
        .collect()
}

/// Name, version and source of every package; those of the workspace have no source.
fn packages(tree: &Tree) -> Vec<(String, String, Option<String>)> {
    let lock = tree.table("Cargo.lock");
    let list = lock["package"].as_array().expect("Cargo.lock lists packages");
    let text = |package: &Value, key: &str| package.get(key).and_then(Value::as_str).map(str::to_owned);
    let both = |package| Some((text(package, "name")?, text(package, "version")?, text(package, "source")));
    list.iter().filter_map(both).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(packages: &[(&str, &str, &str)]) -> Tree {
        let one = |(name, version, source): &(&str, &str, &str)| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\n")
        };
        let text: String = packages.iter().map(one).collect();
        Tree::of(&[("Cargo.lock", &text)])
    }

    #[test]
    fn a_second_version_is_found() {
        let mut packages: Vec<_> = ONCE.iter().map(|name| (*name, "1.0.0", PUBLIC_REGISTRY)).collect();
        assert_eq!(one_version(&lock(&packages)), Vec::<String>::new());
        packages.push(("hyper", "0.14.0", PUBLIC_REGISTRY));
        let complaints = one_version(&lock(&packages));
        assert!(complaints.len() == 1 && complaints[0].contains("`hyper`"), "{complaints:?}");
    }

    #[test]
    fn a_package_from_elsewhere_is_found() {
        let tree = lock(&[("a", "1.0.0", PUBLIC_REGISTRY), ("b", "1.0.0", "registry+https://mirror.example/index")]);
        assert_eq!(public_registry(&tree), ["Cargo.lock: `b` 1.0.0 is not from the public registry"]);
    }
}
