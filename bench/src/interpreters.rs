//! The interpreters on the search path, by their true paths: a version manager's shim would flatter the ratio.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::ask;

/// Where they are, and the runtimes of Lambda that they belong to.
#[derive(Debug)]
pub(crate) struct Interpreters {
    /// The path of Python.
    pub(crate) python: String,
    /// Such as `python3.11`.
    pub(crate) python_runtime: String,
    /// The path of Node.js.
    pub(crate) node: String,
    /// Such as `nodejs20.x`.
    pub(crate) node_runtime: String,
}

impl Interpreters {
    /// Asks them.
    pub(crate) fn find() -> Result<Self> {
        let python = ask("python3", &["-c", "import sys; print(sys.executable, '%d.%d' % sys.version_info[:2])"])?;
        let (python, version) = python.split_once(' ').context("python3 did not tell its version")?;
        let node = ask("node", &["-p", "process.execPath + ' ' + process.versions.node.split('.')[0]"])?;
        let (node, major) = node.split_once(' ').context("node did not tell its version")?;
        for program in [python, node] {
            ensure!(Path::new(program).exists(), "{program} is not there");
        }
        Ok(Self {
            python: python.to_owned(),
            python_runtime: format!("python{version}"),
            node: node.to_owned(),
            node_runtime: format!("nodejs{major}.x"),
        })
    }
}
