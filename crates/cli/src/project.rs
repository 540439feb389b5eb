//! What there is to deploy in a folder: what `tindra.toml` says, or what the files say by themselves.
//!
//! Without a `tindra.toml`, the folder is a function when it holds one of the well-known entry files; otherwise
//! each of its direct sub-folders that does is one.

mod entry;
mod manifest;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::failure::Failure;

pub(crate) use entry::Language;

/// Where functions are described.
pub(crate) const MANIFEST: &str = "tindra.toml";
/// The event with which `dev` invokes.
pub(crate) const EVENT: &str = "event.json";

/// Which `Runtime` a function gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeChoice {
    /// This one.
    Exactly(String),
    /// The newest of a language that this machine has.
    Newest(Language),
}

/// The event of a function's test invokes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// None was given.
    Empty,
    /// A file, sent as it is.
    File(PathBuf),
    /// Written in the manifest.
    Inline(Value),
}

/// One function to deploy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// A folder, or a zip.
    pub(crate) path: PathBuf,
    pub(crate) runtime: RuntimeChoice,
    pub(crate) handler: String,
    pub(crate) role: Option<String>,
    pub(crate) memory_mb: Option<u32>,
    pub(crate) timeout_s: Option<u32>,
    pub(crate) ephemeral_storage_mb: Option<u32>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) event: Event,
    /// Patterns of files that stay out of the package, beside the usual ones.
    pub(crate) ignore: Vec<String>,
}

impl Function {
    /// The bytes that test invokes send.
    pub(crate) fn event_bytes(&self) -> Result<Vec<u8>> {
        match &self.event {
            Event::Empty => Ok(b"{}".to_vec()),
            Event::Inline(value) => Ok(value.to_string().into_bytes()),
            Event::File(path) => {
                std::fs::read(path).with_context(|| format!("failed to read the event {}", path.display()))
            }
        }
    }
}

/// Every function of a folder, by name.
///
/// # Errors
/// When the folder, or the manifest in it, cannot be read, or when there is no function.
pub(crate) fn find(directory: &Path) -> Result<Vec<Function>, Failure> {
    let directory = directory.canonicalize().with_context(|| format!("failed to find {}", directory.display()))?;
    let manifest = directory.join(MANIFEST);
    if manifest.is_file() {
        return manifest::read(&manifest);
    }
    if let Some(function) = entry::function_in(&directory)? {
        return Ok(vec![function]);
    }
    let mut functions = Vec::new();
    for folder in folders_in(&directory)? {
        functions.extend(entry::function_in(&folder)?);
    }
    if functions.is_empty() {
        let entries = entry::FILES.map(|file| file.name).join(", ");
        return Err(Failure::usage(format!("no function in {}", directory.display()))
            .or_hint(format!("a function is a folder with one of {entries}; or describe it in {MANIFEST}")));
    }
    Ok(functions)
}

/// The direct sub-folders, by name, without hidden ones.
fn folders_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("failed to look into {}", directory.display());
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(context)? {
        let path = entry.with_context(context)?.path();
        let is_hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if !is_hidden && path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

#[cfg(test)]
mod tests;
