//! Runtime packs: what a `Runtime` value means on this machine.
//!
//! A pack is a read-only directory tree that becomes a sandbox's root, plus a manifest: the interpreter with
//! everything it loads, AWS's runtime client with our transport, the AWS SDK, certificates, time zones, a
//! shell and an `/etc` of our own. Packs are made once from an interpreter found on this machine
//! ([`host`]); whoever starts environments never knows from what. A pack never has another minor version
//! than its name says.
//!
//! On disk: `DIRECTORY/<runtime>.json` is the manifest and names the tree's directory beside it. A new pack
//! is built in `.making-…`, renamed, and then the manifest is replaced, so that a crash leaves the old pack
//! or the new one. Trees that no manifest names are removed when nobody else has the directory open.

mod clients;
mod elf;
mod entrypoint;
mod error;
mod host;
mod java;
mod libraries;
mod maker;
mod manifest;
mod native;
mod node;
mod python;
mod shell;
mod tree;
mod userland;

pub use entrypoint::EntrypointError;
pub(crate) use entrypoint::WRAPPER_VARIABLE;
pub use error::PackError;
pub use host::HostInterpreter;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tindra_core::runtime::{Family, Runtime};

use manifest::Manifest;

/// Hears how far the making of a pack has come.
pub trait Progress: Send + Sync {
    /// `step` is a few words for people; `fraction` of the whole, 0 to 1, is done when it begins.
    fn step(&self, step: &str, fraction: f32);
}

/// Progress that nobody watches.
#[derive(Debug)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _step: &str, _fraction: f32) {}
}

/// One runtime, ready to be a sandbox's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pack {
    /// The `Runtime` value.
    pub runtime: String,
    /// How it is started.
    pub family: Family,
    /// Directory that becomes the read-only root.
    pub root: PathBuf,
    /// Program and arguments inside the sandbox; empty for `provided.*`. See [`Pack::command_for`].
    pub command: Vec<String>,
    /// Variables that the runtime sets and the function may override: PATH, LD_LIBRARY_PATH, LANG, TZ, …
    pub environment: Vec<(String, String)>,
    /// As `INIT_START` shows it, for example `python:3.12.1`.
    pub version: String,
    /// `arn:aws:lambda:REGION::runtime:SHA256` with the literal text `REGION` for the user to fill in.
    pub version_arn: String,
}

/// A line of `tindra runtime list`.
#[derive(Clone, Debug)]
pub struct PackStatus {
    /// The `Runtime` value.
    pub runtime: String,
    /// The pack, when there is one.
    pub pack: Option<Arc<Pack>>,
    /// Interpreters on this machine that a pack could be made from, best first.
    pub interpreters: Vec<HostInterpreter>,
    /// Versions of the client and the SDK that the pack holds, for example `boto3 1.44.5`.
    pub clients: Vec<String>,
}

/// The packs of one directory. Cheap to share in an `Arc`.
#[derive(Debug)]
pub struct Packs {
    directory: PathBuf,
    ready: RwLock<HashMap<String, Arc<Pack>>>,
    /// One maker at a time for each runtime in this process; a file lock does the same between processes.
    making: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Held (shared) while open, so that no other process removes trees in use.
    _in_use: File,
}

impl Packs {
    /// Opens a directory of packs, making it when missing, and removes what a killed process left.
    ///
    /// # Errors
    /// When the directory cannot be made, read or locked.
    pub fn open(directory: PathBuf) -> Result<Self, PackError> {
        std::fs::create_dir_all(&directory)
            .map_err(|source| PackError::io("make the directory", &directory, source))?;
        let directory =
            directory.canonicalize().map_err(|source| PackError::io("find the directory", &directory, source))?;
        let in_use = manifest::lock_directory(&directory)?;
        let ready = manifest::read_all(&directory)
            .into_iter()
            .filter(|manifest| manifest.recipe == maker::recipe(&manifest.runtime))
            .map(|manifest| (manifest.runtime.clone(), Arc::new(manifest.pack(&directory))))
            .collect();
        Ok(Self { directory, ready: RwLock::new(ready), making: Mutex::default(), _in_use: in_use })
    }

    /// The pack of a runtime when it is there. Never blocks on I/O.
    #[must_use]
    pub fn get(&self, runtime: &Runtime) -> Option<Arc<Pack>> {
        self.ready.read().unwrap_or_else(PoisonError::into_inner).get(runtime.name()).cloned()
    }

    /// The pack of a runtime, made from an interpreter of this machine when it is not there yet (which takes
    /// from seconds to a minute and may download AWS's client and SDK).
    ///
    /// # Errors
    /// No such interpreter here, or the making failed; nothing is left behind and the text says what to do.
    pub async fn ensure(&self, runtime: &Runtime, progress: &dyn Progress) -> Result<Arc<Pack>, PackError> {
        if let Some(pack) = self.get(runtime) {
            return Ok(pack);
        }
        self.make(runtime, None, progress).await
    }

    /// Makes the pack of a runtime from the given interpreter, replacing one that is there.
    ///
    /// # Errors
    /// As [`Packs::ensure`]; also when the interpreter is of another version than the runtime's.
    pub async fn install_from_host(
        &self,
        runtime: &Runtime,
        interpreter: &Path,
        progress: &dyn Progress,
    ) -> Result<Arc<Pack>, PackError> {
        self.make(runtime, Some(interpreter.to_owned()), progress).await
    }

    /// Every runtime that has a pack or an interpreter here, by name. Runs each interpreter once; blocks.
    #[must_use]
    pub fn list(&self) -> Vec<PackStatus> {
        let mut found: HashMap<String, Vec<HostInterpreter>> = HashMap::new();
        for interpreter in host::discover() {
            found.entry(interpreter.runtime.clone()).or_default().push(interpreter);
        }
        let manifests = manifest::read_all(&self.directory);
        let mut names: Vec<String> = found.keys().cloned().collect();
        names.extend(["provided.al2".to_owned(), "provided.al2023".to_owned()]);
        names.extend(manifests.iter().map(|manifest| manifest.runtime.clone()));
        names.sort_by_key(|name| version_key(name));
        names.dedup();
        names
            .into_iter()
            .map(|name| PackStatus {
                pack: self.get(&Runtime::parse(&name)),
                interpreters: found.remove(&name).unwrap_or_default(),
                clients: manifests
                    .iter()
                    .find(|manifest| manifest.runtime == name)
                    .map(|manifest| manifest.clients.clone())
                    .unwrap_or_default(),
                runtime: name,
            })
            .collect()
    }

    async fn make(
        &self,
        runtime: &Runtime,
        interpreter: Option<PathBuf>,
        progress: &dyn Progress,
    ) -> Result<Arc<Pack>, PackError> {
        if runtime.family() == Family::Unsupported {
            return Err(PackError::Unsupported { runtime: runtime.name().to_owned() });
        }
        let turn = Arc::clone(
            self.making.lock().unwrap_or_else(PoisonError::into_inner).entry(runtime.name().to_owned()).or_default(),
        );
        // The guard goes into the thread: a caller that gives up does not let a second maker in.
        let turn = turn.lock_owned().await;
        if interpreter.is_none()
            && let Some(pack) = self.get(runtime)
        {
            return Ok(pack);
        }
        let (sender, mut steps) = tokio::sync::mpsc::unbounded_channel();
        let task = {
            let (directory, runtime) = (self.directory.clone(), runtime.clone());
            tokio::task::spawn_blocking(move || {
                (make_or_keep(&directory, &runtime, interpreter.as_deref(), &Relay(sender)), turn)
            })
        };
        while let Some((step, fraction)) = steps.recv().await {
            progress.step(&step, fraction);
        }
        let (made, _turn) = task.await.map_err(|source| PackError::Crashed { source })?;
        let manifest = made?;
        let pack = Arc::new(manifest.pack(&self.directory));
        let mut ready = self.ready.write().unwrap_or_else(PoisonError::into_inner);
        ready.insert(runtime.name().to_owned(), Arc::clone(&pack));
        Ok(pack)
    }
}

/// Makes a pack. When that fails without an explicit interpreter, a pack of an older recipe still serves.
fn make_or_keep(
    directory: &Path,
    runtime: &Runtime,
    interpreter: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Manifest, PackError> {
    let _lock = manifest::lock_runtime(directory, runtime.name())?;
    let existing = manifest::read_one(directory, runtime.name());
    if let (None, Some(manifest)) = (interpreter, &existing)
        && manifest.recipe == maker::recipe(runtime.name())
    {
        return Ok(manifest.clone()); // Another process has made it meanwhile.
    }
    match (maker::make(directory, runtime, interpreter, progress), existing) {
        (Err(error), Some(older)) if interpreter.is_none() => {
            tracing::warn!(runtime = runtime.name(), %error, "the runtime pack is of an older version of Tindra and could not be renewed; it stays in use");
            Ok(older)
        }
        (made, _) => made,
    }
}

/// Brings steps from the making thread to the caller's task.
struct Relay(tokio::sync::mpsc::UnboundedSender<(String, f32)>);

impl Progress for Relay {
    fn step(&self, step: &str, fraction: f32) {
        // A caller that has gone away does not stop the making.
        let _ = self.0.send((step.to_owned(), fraction));
    }
}

/// Sorts `python3.9` before `python3.10`.
fn version_key(name: &str) -> (String, u32) {
    let digits: String = name.trim_end_matches(".x").chars().rev().take_while(char::is_ascii_digit).collect();
    let number: String = digits.chars().rev().collect();
    let stem = name.trim_end_matches(".x").trim_end_matches(|c: char| c.is_ascii_digit());
    (stem.to_owned(), number.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests;
