//! The rules of the tree, as far as a program can check them (ARCHITECTURE.md says why each is one).
//!
//! Every check is a function over one file's text that returns what is wrong, where, and what to do about it.

mod arrows;
mod checks;
mod source;

use std::path::Path;

use anyhow::{Result, bail};
use source::Source;

/// A rule that a line breaks. Line 0 is the file as a whole.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    line: usize,
    /// What is wrong, and the remedy.
    what: String,
}

impl Fault {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }

    fn show(&self, file: &str) -> String {
        match self.line {
            0 => format!("{file}: {}", self.what),
            line => format!("{file}:{line}: {}", self.what),
        }
    }
}

/// Checks of one Rust file each.
const RUST_CHECKS: [fn(&Source) -> Vec<Fault>; 6] =
    [checks::head, checks::name, checks::length, checks::stubs, checks::unsafe_code, checks::sleeping];

/// Runs every check and lists every violation.
pub(crate) fn run(root: &Path) -> Result<()> {
    let rust = source::read(root, &["crates", "xtask", "bench", "tests"], "rs")?;
    let python = source::read(root, &["tests"], "py")?;
    let mut faults = arrows::check(root)?;
    for file in &rust {
        let found = RUST_CHECKS.iter().flat_map(|check| check(file));
        faults.extend(found.map(|fault| fault.show(&file.name)));
    }
    for file in &python {
        faults.extend(checks::python_sleeping(file).iter().map(|fault| fault.show(&file.name)));
    }
    faults.extend(checks::unwraps(&rust));
    if faults.is_empty() {
        let lines: usize = rust.iter().map(|file| file.live_lines().count()).sum();
        println!("tidy: {} Rust files, {lines} lines outside tests", rust.len());
        return Ok(());
    }
    bail!("the tree breaks its rules in {} places:\n  {}", faults.len(), faults.join("\n  "))
}
