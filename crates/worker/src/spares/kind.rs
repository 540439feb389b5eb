//! What must be equal for a spare to serve a function.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use tindra_core::function::Configuration;
use tindra_core::runtime::{Family, Runtime};

/// A kind of spare.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    /// The `Runtime` value.
    pub(super) runtime: String,
    pub(super) way: Way,
    pub(super) preload: Preload,
    /// For runtimes that fix their heap when they start; others get their limit when they are bound.
    pub(super) memory_mb: Option<u32>,
    /// Size of `/tmp`.
    pub(super) storage_mb: u32,
}

/// How spares of a kind come to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// Forked from a template.
    Forked,
    /// The runtime is started ahead.
    Started,
    /// Nothing runs: an empty sandbox waits for the command.
    Parked,
}

/// What a template has loaded besides the runtime client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Preload {
    Nothing,
    /// The AWS SDK, for functions that mention it; it makes each child larger.
    Sdk,
}

impl Preload {
    /// Modules for `TINDRA_TEMPLATE_PRELOAD`.
    pub(super) fn modules(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Sdk => "boto3",
        }
    }
}

impl Kind {
    /// `None` for runtimes that have no spares.
    pub(super) fn of(configuration: &Configuration, code: &Path, layers: Option<&Path>) -> Option<Self> {
        let runtime = Runtime::parse(&configuration.runtime);
        let (way, preload, memory_mb) = match runtime.family() {
            Family::Python => (Way::Forked, preload(code, layers), None),
            Family::Node | Family::Java => (Way::Started, Preload::Nothing, Some(configuration.memory_mb)),
            Family::Provided => (Way::Parked, Preload::Nothing, None),
            Family::Unsupported => return None,
        };
        Some(Self {
            runtime: runtime.name().to_owned(),
            way,
            preload,
            memory_mb,
            storage_mb: configuration.ephemeral_storage_mb,
        })
    }
}

/// How much source is searched for a mention of the SDK.
const SEARCHED_BYTES_MAX: u64 = 1 << 20;
/// How many files of it.
const SEARCHED_FILES_MAX: usize = 64;
/// Trees whose answer is remembered.
const REMEMBERED_MAX: usize = 4_096;

/// The code, and the layers with it.
type Trees = (PathBuf, Option<PathBuf>);

/// Looks once at each pair of code and layers: neither ever changes.
fn preload(code: &Path, layers: Option<&Path>) -> Preload {
    static KNOWN: LazyLock<Mutex<HashMap<Trees, Preload>>> = LazyLock::new(Mutex::default);
    let trees = (code.to_owned(), layers.map(Path::to_owned));
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(preload) = known().get(&trees) {
        return *preload;
    }
    let preload = look(code, layers);
    let mut known = known();
    if known.len() >= REMEMBERED_MAX {
        known.clear();
    }
    known.insert(trees, preload);
    preload
}

/// A function that brings its own SDK does not want ours.
fn look(code: &Path, layers: Option<&Path>) -> Preload {
    let brings = brings_sdk(code) || layers.is_some_and(|layers| brings_sdk(&layers.join("python")));
    if !brings && mentions_sdk(code) { Preload::Sdk } else { Preload::Nothing }
}

fn brings_sdk(directory: &Path) -> bool {
    ["boto3", "botocore"].iter().any(|name| directory.join(name).is_dir())
}

/// Whether a module at the top imports the SDK. A wrong guess costs time, never correctness.
fn mentions_sdk(code: &Path) -> bool {
    let mut left_bytes = SEARCHED_BYTES_MAX;
    let files = fs::read_dir(code).into_iter().flatten().flatten().map(|entry| entry.path());
    let sources = files.filter(|path| path.extension().is_some_and(|extension| extension == "py"));
    sources.take(SEARCHED_FILES_MAX).any(|path| {
        let size = path.metadata().map_or(u64::MAX, |metadata| metadata.len());
        if size > left_bytes {
            return false;
        }
        left_bytes -= size;
        let text = fs::read(&path).unwrap_or_default();
        [&b"boto3"[..], b"botocore"].iter().any(|name| text.windows(name.len()).any(|window| window == *name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_is_loaded_ahead_for_who_imports_it_and_has_none() {
        let scratch = tempfile::tempdir().unwrap();
        let case = |name: &str, source: &str| {
            let directory = scratch.path().join(name);
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("app.py"), source).unwrap();
            directory
        };
        assert_eq!(preload(&case("plain", "import json"), None), Preload::Nothing);
        assert_eq!(preload(&case("sdk", "import boto3"), None), Preload::Sdk);
        let own = case("own", "import boto3");
        fs::create_dir(own.join("boto3")).unwrap();
        assert_eq!(preload(&own, None), Preload::Nothing);
        let layer = scratch.path().join("layer");
        fs::create_dir_all(layer.join("python/botocore")).unwrap();
        assert_eq!(preload(&case("by-layer", "import boto3"), Some(&layer)), Preload::Nothing);
    }
}
