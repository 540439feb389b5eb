//! A source file with the knowledge of which of its lines are tests.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A file of the tree.
pub(super) struct Source {
    /// The path from the root, with slashes.
    pub(super) name: String,
    pub(super) text: String,
    /// For each line, whether only tests are built from it.
    test_lines: Vec<bool>,
}

impl Source {
    pub(super) fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let (name, text) = (name.into(), text.into());
        let is_test = name.contains("/tests/") || name.starts_with("tests/") || name.ends_with("/tests.rs");
        let test_lines = if is_test { vec![true; text.lines().count()] } else { test_lines(&text) };
        Self { name, text, test_lines }
    }

    /// Whether `cargo xtask generate` wrote it.
    pub(super) fn is_generated(&self) -> bool {
        self.name.ends_with("/generated.rs") || self.text.lines().next().is_some_and(|line| line.contains("@generated"))
    }

    /// Whether it is part of these checks, whose texts name what they look for.
    pub(super) fn is_checker(&self) -> bool {
        self.name.starts_with("xtask/src/tidy")
    }

    /// Numbered lines of tests, from 1.
    pub(super) fn test_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter(|(number, _)| self.test_lines[number - 1])
    }

    /// Numbered lines of everything else.
    pub(super) fn live_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter(|(number, _)| !self.test_lines[number - 1])
    }

    /// All lines, numbered from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// Marks the item that follows each `#[cfg(test)]`: up to its semicolon, or to the brace that closes it, which
/// rustfmt puts below its first letter.
fn test_lines(text: &str) -> Vec<bool> {
    let mut marks = Vec::new();
    let mut closing: Option<String> = None;
    let mut is_next = false;
    for line in text.lines() {
        let is_marker = line.trim() == "#[cfg(test)]";
        marks.push(is_marker || is_next || closing.is_some());
        if closing.as_deref() == Some(line) {
            closing = None;
        } else if is_next && !line.trim_start().starts_with("#[") {
            let indent = &line[..line.len() - line.trim_start().len()];
            closing = (!line.ends_with(';') && !line.ends_with('}')).then(|| format!("{indent}}}"));
            is_next = false;
        }
        is_next |= is_marker && closing.is_none();
    }
    marks
}

/// Every file with this extension below these folders, but for hidden folders and what is built.
pub(super) fn read(root: &Path, folders: &[&str], extension: &str) -> Result<Vec<Source>> {
    let mut paths = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.into_iter().map(|path| read_one(root, &path)).collect()
}

fn read_one(root: &Path, path: &Path) -> Result<Source> {
    let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(Source::new(path.strip_prefix(root).unwrap_or(path).display().to_string(), text))
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn only_the_items_of_tests_are_tests() {
        let text = "fn live() {}\n#[cfg(test)]\nmod tests;\nfn live_too() {}\n#[cfg(test)]\n#[path = \"x\"]\nmod more {\n    fn a() {\n    }\n}\nfn last() {}\n";
        let source = Source::new("crates/core/src/lib.rs", text);
        let live: Vec<usize> = source.live_lines().map(|(number, _)| number).collect();
        assert_eq!(live, [1, 4, 11]);
        assert_eq!(source.test_lines().count(), 8);
    }

    #[test]
    fn files_of_tests_are_tests_from_the_start() {
        for name in ["crates/core/tests/all.rs", "crates/core/src/name/tests.rs", "tests/test_invoke.py"] {
            assert_eq!(Source::new(name, "a\nb\n").live_lines().count(), 0, "{name}");
        }
    }
}
