//! Which crates may know which, read out of the manifests.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use toml::{Table, Value};

/// Which crates of ours each crate may depend on, apart from its tests (ARCHITECTURE.md).
const ARROWS: [(&str, &[&str]); 17] = [
    ("core", &[]),
    ("model", &[]),
    ("store", &["core"]),
    ("sandbox", &[]),
    ("worker", &["core", "sandbox", "invoke", "store"]),
    ("invoke", &["core", "store"]),
    ("events", &["core", "store", "invoke"]),
    ("control", &["core", "store", "model"]),
    ("outside", &["core", "model"]),
    ("brokers", &["core", "outside"]),
    ("services", &["core", "store", "model", "outside"]),
    ("s3", &["core", "store", "model", "services"]),
    ("doors", &["core", "store", "model", "invoke", "outside"]),
    (
        "server",
        &[
            "core", "store", "model", "sandbox", "worker", "invoke", "events", "control", "services", "doors",
            "outside", "brokers", "s3",
        ],
    ),
    ("cli", &["core", "model", "server"]),
    ("testkit", &["core", "store", "invoke"]),
    ("bench", &[]),
];

/// What a crate must not know of the outside.
const FORBIDDEN: [(&str, &[&str]); 5] = [
    ("core", &["tokio", "hyper", "http", "rusqlite"]),
    ("model", &["tokio", "hyper", "rusqlite"]),
    ("sandbox", &["tokio", "hyper", "http", "rusqlite"]),
    ("store", &["hyper", "http"]),
    ("events", &["hyper", "http", "rusqlite"]),
];

/// Checks the manifest of every crate.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut folders: Vec<_> = fs::read_dir(root.join("crates"))?.collect::<std::io::Result<_>>()?;
    folders.sort_by_key(fs::DirEntry::path);
    for folder in folders {
        let path = folder.path().join("Cargo.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let manifest: Table = text.parse().with_context(|| format!("failed to parse {}", path.display()))?;
        let name = path.strip_prefix(root).unwrap_or(&path).display();
        faults.extend(of_manifest(&manifest).into_iter().map(|fault| format!("{name}: {fault}")));
    }
    Ok(faults)
}

fn of_manifest(manifest: &Table) -> Vec<String> {
    let package = manifest.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
    let name = package.unwrap_or_default().trim_start_matches("tindra-");
    let name = if name == "tindra" { "cli" } else { name };
    let mut faults = Vec::new();
    match ARROWS.iter().find(|(known, _)| *known == name) {
        Some((_, allowed)) => faults.extend(arrows(manifest, name, allowed)),
        None => faults.push(format!("`{name}` has no row; add one to xtask/src/tidy/arrows.rs and ARCHITECTURE.md")),
    }
    if manifest.get("lints").and_then(|lints| lints.get("workspace")) != Some(&Value::Boolean(true)) {
        faults.push("leaves the workspace's lints; write `[lints]` with `workspace = true`".to_owned());
    }
    faults
}

fn arrows(manifest: &Table, name: &str, allowed: &[&str]) -> Vec<String> {
    let forbidden = FORBIDDEN.iter().find(|(known, _)| *known == name).map_or(&[][..], |(_, list)| list);
    let fault = |dependency: &String| match dependency.strip_prefix("tindra-") {
        Some(ours) if !allowed.contains(&ours) => Some(format!(
            "`{name}` must not depend on `{ours}`; declare a port for what it needs, or argue the arrow in ARCHITECTURE.md"
        )),
        None if forbidden.contains(&dependency.as_str()) => {
            Some(format!("`{name}` must not know `{dependency}`; take what it gives as an argument"))
        }
        _ => None,
    };
    dependencies(manifest).iter().filter_map(fault).collect()
}

/// The names of everything that ships with the crate: its dependencies and those for single targets.
fn dependencies(manifest: &Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = targets.filter_map(Value::as_table).chain([manifest]);
    let tables = tables.flat_map(|table| ["dependencies", "build-dependencies"].map(|kind| table.get(kind)));
    let names = tables.flatten().filter_map(Value::as_table).flatten();
    names.map(|(key, value)| value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(manifest: &str) -> Vec<String> {
        of_manifest(&manifest.parse().unwrap())
    }

    const LINTS: &str = "[lints]\nworkspace = true\n";

    #[test]
    fn arrows_that_are_not_in_the_table_are_named() {
        let dependencies = "[dependencies]\ntindra-store = \"1\"\ntokio.workspace = true\nserde = \"1\"\n";
        let found = faults(&format!("[package]\nname = \"tindra-core\"\n{dependencies}{LINTS}"));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("`core` must not depend on `store`"));
        assert!(found[1].starts_with("`core` must not know `tokio`"));
    }

    #[test]
    fn no_way_around_the_table() {
        for dependency in [
            "[target.'cfg(unix)'.dependencies]\ntindra-worker = \"1\"\n",
            "[build-dependencies]\ntindra-worker = \"1\"\n",
            "[dependencies]\nother = { package = \"tindra-worker\", version = \"1\" }\n",
            "[dependencies]\ntindra-testkit = \"1\"\n",
        ] {
            assert_eq!(faults(&format!("[package]\nname = \"tindra-control\"\n{dependency}{LINTS}")).len(), 1);
        }
    }

    #[test]
    fn tests_may_know_more() {
        let manifest =
            "[package]\nname = \"tindra-control\"\n[dev-dependencies]\ntindra-testkit = \"1\"\ntokio = \"1\"\n";
        assert!(faults(&format!("{manifest}{LINTS}")).is_empty());
    }

    #[test]
    fn new_crates_and_lost_lints_are_noticed() {
        assert_eq!(faults("[package]\nname = \"tindra-new\"\n").len(), 2);
    }
}
