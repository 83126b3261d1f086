//! Who may depend on whom: `tests → infra → { ingest, reconcile } → ports → domain`, adapters beside the stages.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::tree::Tree;

/// What a crate may know.
struct Layer {
    name: &'static str,
    /// Crates of ours it may depend on.
    ours: &'static [&'static str],
    /// Everything else it may depend on, where that is few: a new one is entered here on purpose.
    others: Option<&'static [&'static str]>,
}

const DOMAIN: &str = "mendlake-domain";
const PORTS: &str = "mendlake-ports";
const ADAPTERS: &str = "mendlake-adapters";
const INGEST: &str = "mendlake-ingest";
const RECONCILE: &str = "mendlake-reconcile";
const LOCAL: &str = "mendlake";
const AWS: &str = "mendlake-aws";
const AWS_TESTS: &str = "mendlake-aws-tests";

/// Every crate there is, lowest first. Stages know no runtime, no socket, no database: those are adapters' and places'.
const LAYERS: [Layer; 10] = [
    Layer {
        name: DOMAIN,
        ours: &[],
        others: Some(&["chrono", "chrono-tz", "serde", "serde_json", "sha2", "thiserror"]),
    },
    Layer {
        name: PORTS,
        ours: &[DOMAIN],
        others: Some(&["chrono", "futures-util", "serde", "serde_json", "thiserror"]),
    },
    Layer { name: ADAPTERS, ours: &[DOMAIN, PORTS], others: None },
    Layer { name: INGEST, ours: &[DOMAIN, PORTS], others: Some(STAGE) },
    Layer { name: RECONCILE, ours: &[DOMAIN, PORTS], others: Some(STAGE) },
    Layer { name: AWS, ours: &[DOMAIN, PORTS, ADAPTERS, INGEST, RECONCILE], others: None },
    // With its feature `aws`, the command line looks at a stack too.
    Layer { name: LOCAL, ours: &[DOMAIN, PORTS, ADAPTERS, INGEST, RECONCILE, AWS], others: None },
    Layer { name: "mendlake-tests", ours: &[DOMAIN, PORTS, ADAPTERS, INGEST, RECONCILE, LOCAL], others: None },
    Layer { name: AWS_TESTS, ours: &[DOMAIN, PORTS, ADAPTERS, INGEST, RECONCILE, LOCAL, AWS], others: None },
    Layer { name: "mendlake-tidy", ours: &[], others: Some(&["toml"]) },
];

const STAGE: &[&str] = &["chrono", "futures-util", "serde", "serde_json", "thiserror", "tracing"];

/// Dependencies on what the layer does not allow, and crates that are in no layer. Development dependencies of a crate
/// may be of any kind, but not on a crate of ours above it.
pub(crate) fn order(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (folder, manifest) in tree.packages() {
        let name = name_of(&manifest);
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) else {
            complaints
                .push(format!("`{folder}`: no layer has `{name}`: enter in tests/tidy/layers.rs what it may know"));
            continue;
        };
        for dependency in dependencies(&manifest) {
            let is_ours = dependency.name == LOCAL || dependency.name.starts_with("mendlake-");
            let allowed = if is_ours {
                layer.ours.contains(&dependency.name.as_str())
            } else {
                dependency.is_dev || layer.others.is_none_or(|others| others.contains(&dependency.name.as_str()))
            };
            if !allowed {
                complaints.push(format!("`{folder}`: `{name}` must not depend on `{}`", dependency.name));
            }
        }
    }
    complaints
}

/// Dependencies that name a version of their own, and entries of the workspace's table that nobody names.
pub(crate) fn one_table(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut used = BTreeSet::new();
    for (folder, manifest) in tree.packages() {
        for dependency in dependencies(&manifest) {
            if !dependency.from_workspace {
                complaints.push(format!("`{folder}`: take `{}` from the workspace's table", dependency.name));
            }
            used.insert(dependency.name);
        }
    }
    let workspace = tree.table("Cargo.toml");
    let table = workspace["workspace"].get("dependencies").and_then(Value::as_table).expect("the one dependency table");
    let unused = table.keys().filter(|name| !used.contains(*name));
    complaints.extend(unused.map(|name| format!("Cargo.toml: nobody uses `{name}` of the workspace's table")));
    complaints
}

/// Crates of AWS that are compiled without feature `aws` being asked for, but for the crates that are AWS through and through.
pub(crate) fn aws_behind_its_feature(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (folder, manifest) in tree.packages() {
        if [AWS, AWS_TESTS].contains(&name_of(&manifest)) {
            continue;
        }
        let features = manifest.get("features").and_then(Value::as_table).cloned().unwrap_or_default();
        for dependency in dependencies(&manifest).into_iter().filter(|d| is_of_aws(&d.name) && !d.is_dev) {
            let asks = format!("dep:{}", dependency.name);
            let names =
                |list: &Value| list.as_array().is_some_and(|list| list.iter().any(|v| v.as_str() == Some(&asks)));
            let askers: Vec<&String> = features.iter().filter(|(_, list)| names(list)).map(|(name, _)| name).collect();
            if !dependency.is_optional || askers != ["aws"] {
                complaints.push(format!("`{folder}`: `{}` belongs behind feature `aws` alone", dependency.name));
            }
        }
        let by_default = features.get("default").and_then(Value::as_array);
        if by_default.is_some_and(|list| list.iter().any(|feature| feature.as_str() == Some("aws"))) {
            complaints.push(format!("`{folder}`: feature `aws` must not be on by default"));
        }
    }
    complaints
}

fn is_of_aws(name: &str) -> bool {
    name.starts_with("aws-") || name.starts_with("aws_") || name.starts_with("lambda_")
}

struct Dependency {
    name: String,
    is_dev: bool,
    is_optional: bool,
    from_workspace: bool,
}

/// Every dependency of a package, those of single platforms included.
fn dependencies(manifest: &Table) -> Vec<Dependency> {
    let mut found = Vec::new();
    let platforms = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    for table in platforms.filter_map(Value::as_table).chain([manifest]) {
        for (kind, is_dev) in [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)] {
            let listed = table.get(kind).and_then(Value::as_table).into_iter().flatten();
            found.extend(listed.map(|(name, how)| Dependency {
                name: name.clone(),
                is_dev,
                is_optional: flag(how, "optional"),
                from_workspace: flag(how, "workspace"),
            }));
        }
    }
    found
}

fn flag(how: &Value, name: &str) -> bool {
    how.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn name_of(manifest: &Table) -> &str {
    manifest["package"]["name"].as_str().expect("a package's name is text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &str, text: &str) -> Tree {
        let workspace = "[workspace.dependencies]\ntokio = \"1\"\nserde = \"1\"\n";
        Tree::of(&[("Cargo.toml", workspace), (&format!("{folder}/Cargo.toml"), text)])
    }

    #[test]
    fn a_domain_with_a_runtime_is_found_and_so_is_a_stage_that_knows_the_other() {
        for (name, dependencies, says) in [
            (DOMAIN, "[dependencies]\ntokio.workspace = true", "`tokio`"),
            (DOMAIN, "[dev-dependencies]\nmendlake-ports.workspace = true", "`mendlake-ports`"),
            (INGEST, "[dependencies]\nmendlake-reconcile.workspace = true", "`mendlake-reconcile`"),
            (RECONCILE, "[dependencies]\nmendlake-adapters.workspace = true", "`mendlake-adapters`"),
            (RECONCILE, "[target.'cfg(unix)'.dependencies]\nrusqlite.workspace = true", "`rusqlite`"),
            (ADAPTERS, "[dependencies]\nmendlake.workspace = true", "`mendlake`"),
            ("mendlake-new", "", "no layer has `mendlake-new`"),
        ] {
            let complaints = order(&package("x", &format!("[package]\nname = \"{name}\"\n{dependencies}\n")));
            assert!(complaints.len() == 1 && complaints[0].contains(says), "{name}: {complaints:?}");
        }
        let allowed = "[package]\nname = \"mendlake-domain\"\n[dependencies]\nserde.workspace = true\n\
                       [dev-dependencies]\ntokio.workspace = true\n";
        assert_eq!(order(&package("x", allowed)), Vec::<String>::new());
    }

    #[test]
    fn a_version_of_ones_own_and_an_unused_entry_are_found() {
        let complaints = one_table(&package("x", "[package]\nname = \"x\"\n[dependencies]\nserde = \"1\"\n"));
        assert_eq!(
            complaints,
            [
                "`x`: take `serde` from the workspace's table",
                "Cargo.toml: nobody uses `tokio` of the workspace's table"
            ]
        );
    }

    #[test]
    fn a_crate_of_aws_that_comes_unasked_is_found() {
        let with = |optional: &str, features: &str| {
            let text = format!(
                "[package]\nname = \"x\"\n[features]\n{features}\n[dependencies]\naws-sdk-s3 = {{ workspace = true{optional} }}\n"
            );
            aws_behind_its_feature(&package("x", &text)).len()
        };
        assert_eq!(with(", optional = true", "aws = [\"dep:aws-sdk-s3\"]"), 0);
        assert_eq!(with("", "aws = []"), 1);
        assert_eq!(with(", optional = true", "local = [\"dep:aws-sdk-s3\"]"), 1);
        assert_eq!(with(", optional = true", "aws = [\"dep:aws-sdk-s3\"]\ndefault = [\"aws\"]"), 1);
    }
}
