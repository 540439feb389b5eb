//! The rules of the tree, as far as a program can check them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Which crates of ours each crate may depend on, apart from tests (ARCHITECTURE.md).
const ARROWS: [(&str, &[&str]); 12] = [
    ("core", &[]),
    ("model", &[]),
    ("store", &["core"]),
    ("sandbox", &[]),
    ("worker", &["core", "sandbox", "invoke", "store"]),
    ("invoke", &["core", "store"]),
    ("control", &["core", "store", "model"]),
    ("services", &["core", "store", "model", "invoke"]),
    ("server", &["core", "store", "model", "sandbox", "worker", "invoke", "control", "services"]),
    ("cli", &["core", "model", "server"]),
    ("testkit", &["core", "store", "invoke"]),
    ("bench", &[]),
];
/// What a crate must not know.
const FORBIDDEN: [(&str, &[&str]); 4] = [
    ("core", &["tokio", "hyper", "http", "rusqlite"]),
    ("model", &["tokio", "hyper", "rusqlite"]),
    ("sandbox", &["tokio", "hyper", "http", "rusqlite"]),
    ("store", &["hyper", "http"]),
];
/// Names that say nothing of what a file holds.
const EMPTY_NAMES: [&str; 4] = ["utils.rs", "common.rs", "types.rs", "imp.rs"];
/// A longer file holds a second idea.
const LINES_MAX: usize = 600;
/// Unwraps outside tests for each thousand lines.
const UNWRAPS_PER_THOUSAND_LINES: f64 = 0.5;

/// Runs every check and lists every violation.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut faults = Vec::new();
    check_arrows(root, &mut faults)?;
    let files = rust_files(root)?;
    let mut lines = 0;
    let mut unwraps = 0;
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(file).display().to_string();
        check_file(&name, &text, &mut faults);
        let live = live_part(&name, &text);
        lines += live.lines().count();
        unwraps +=
            live.lines().filter(|line| line.contains(".unwrap()") && !line.trim_start().starts_with("//")).count();
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of lines")]
    if unwraps as f64 > lines as f64 / 1000.0 * UNWRAPS_PER_THOUSAND_LINES {
        faults.push(format!(
            "{unwraps} unwraps in {lines} lines outside tests: say what must hold with `expect`, or return an error"
        ));
    }
    if faults.is_empty() {
        println!("tidy: {} files, {lines} lines outside tests", files.len());
        return Ok(());
    }
    bail!("{} rules of the tree are broken:\n  {}", faults.len(), faults.join("\n  "))
}

fn check_arrows(root: &Path, faults: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(root.join("crates"))? {
        let manifest = entry?.path().join("Cargo.toml");
        let text = fs::read_to_string(&manifest).with_context(|| format!("failed to read {}", manifest.display()))?;
        faults.extend(arrow_faults(&text)?.into_iter().map(|fault| format!("{}: {fault}", manifest.display())));
    }
    Ok(())
}

fn arrow_faults(manifest: &str) -> Result<Vec<String>> {
    let manifest: toml::Table = manifest.parse()?;
    let name = manifest["package"]["name"].as_str().unwrap_or_default().trim_start_matches("tindra-").to_owned();
    let Some((_, allowed)) = ARROWS.iter().find(|(crate_name, _)| *crate_name == name) else {
        return Ok(vec![format!("{name} is in no list of xtask/src/tidy.rs; add it there and to ARCHITECTURE.md")]);
    };
    let forbidden = FORBIDDEN.iter().find(|(crate_name, _)| *crate_name == name).map_or(&[][..], |(_, list)| list);
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let mut faults = Vec::new();
    for dependency in dependencies.keys() {
        match dependency.strip_prefix("tindra-") {
            Some(ours) if !allowed.contains(&ours) => faults.push(format!("{name} must not depend on {ours}")),
            None if forbidden.contains(&dependency.as_str()) => {
                faults.push(format!("{name} must not know {dependency}"))
            }
            _ => {}
        }
    }
    Ok(faults)
}

fn rust_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["crates", "xtask", "bench"].iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn check_file(name: &str, text: &str, faults: &mut Vec<String>) {
    let mut fault = |what: &str| faults.push(format!("{name}: {what}"));
    if !text.starts_with("//!") && !text.starts_with("// @generated") {
        fault("does not open with its purpose (`//! …`)");
    }
    if EMPTY_NAMES.iter().any(|empty| name.ends_with(&format!("/{empty}"))) {
        fault("its name says nothing of what it holds");
    }
    let lines = text.lines().count();
    if lines > LINES_MAX && !text.starts_with("// @generated") {
        fault(&format!("{lines} lines: which second idea moved in? Give it a file of its own"));
    }
    let is_checker = name.ends_with("tidy.rs");
    if text.contains("expect(unsafe_code") && name != "crates/sandbox/src/lib.rs" && !is_checker {
        fault("unsafe code belongs to `sandbox` alone");
    }
    for (number, line) in text.lines().enumerate() {
        let stub = ["todo!(", "unimplemented!(", "dbg!("].iter().find(|stub| line.contains(**stub));
        if let Some(stub) = stub.filter(|_| !is_checker) {
            faults.push(format!("{name}:{}: {stub}) must not land", number + 1));
        }
    }
    if is_checker {
        return;
    }
    for (number, line) in text.lines().enumerate().skip(first_test_line(name, text)) {
        if line.contains("thread::sleep(") || line.contains("time::sleep(") {
            faults.push(format!(
                "{name}:{}: a test waits for its condition, with a bound, and does not sleep",
                number + 1
            ));
        }
    }
}

/// The line from which on a file is a test; files under `tests/` are tests from the start.
fn first_test_line(name: &str, text: &str) -> usize {
    if is_test_file(name) {
        return 0;
    }
    text.lines().position(|line| line.trim() == "#[cfg(test)]").unwrap_or(usize::MAX)
}

fn is_test_file(name: &str) -> bool {
    name.contains("/tests/") || name.ends_with("/tests.rs")
}

fn live_part(name: &str, text: &str) -> String {
    text.lines().take(first_test_line(name, text)).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_that_are_not_in_the_table_are_named() {
        let manifest =
            "[package]\nname = \"tindra-core\"\n[dependencies]\ntindra-store = \"1\"\ntokio = \"1\"\nserde = \"1\"\n";
        assert_eq!(arrow_faults(manifest).unwrap(), ["core must not depend on store", "core must not know tokio"]);
    }

    #[test]
    fn a_file_without_a_head_and_a_sleeping_test_are_named() {
        let mut faults = Vec::new();
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { std::thread::sleep(x); } }\n";
        check_file("crates/core/src/utils.rs", text, &mut faults);
        assert_eq!(faults.len(), 3, "{faults:?}");
    }

    #[test]
    fn sleeping_outside_tests_is_the_codes_own_affair() {
        let mut faults = Vec::new();
        check_file("crates/core/src/clock.rs", "//! Time.\nfn a() { std::thread::sleep(x); }\n", &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
    }
}
