//! What may follow the name of a benchmark.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// `--short`, `--only SUBSTRING`, `--json FILE`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Few samples, for the shape.
    pub(crate) is_short: bool,
    only: Option<String>,
    json: Option<PathBuf>,
}

impl Options {
    /// Reads what follows the benchmark's name.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--short" => options.is_short = true,
                "--only" => options.only = Some(value()?),
                "--json" => options.json = Some(value()?.into()),
                other => bail!("unknown option {other}; there are: --short, --only SUBSTRING, --json FILE"),
            }
        }
        Ok(options)
    }

    /// Whether a row of this name is to be measured.
    pub(crate) fn wants(&self, what: &str) -> bool {
        self.only.as_ref().is_none_or(|only| what.contains(only))
    }

    /// Writes the table as JSON, where that was asked for.
    pub(crate) fn write(&self, table: &crate::table::Table) -> Result<()> {
        let Some(path) = &self.json else { return Ok(()) };
        std::fs::write(path, format!("{:#}\n", table.json()))
            .with_context(|| format!("failed to write {}", path.display()))
    }
}
