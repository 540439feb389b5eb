//! The manifest of a pack on disk, and the locks around it.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tindra_core::runtime::Runtime;

use super::{Pack, PackError};

/// `<runtime>.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) runtime: String,
    /// Version of the interpreter, for example `3.12.1`; empty for `provided.*`.
    pub(super) version: String,
    /// What `INIT_START` shows.
    pub(super) shown_version: String,
    pub(super) architecture: String,
    pub(super) command: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    /// For example `awslambdaric 4.2.2`.
    pub(super) clients: Vec<String>,
    /// The interpreter that it was made from.
    pub(super) source: String,
    /// SHA-256 over the tree: paths, modes and contents.
    pub(super) digest: String,
    /// Bytes of the tree's files.
    pub(super) size_bytes: u64,
    /// Names everything of ours that went into it; another value means that it is to be made anew.
    pub(super) recipe: String,
    /// Directory of the tree, beside the manifest.
    pub(super) directory: String,
}

impl Manifest {
    pub(super) fn pack(&self, directory: &Path) -> Pack {
        Pack {
            runtime: self.runtime.clone(),
            family: Runtime::parse(&self.runtime).family(),
            root: directory.join(&self.directory),
            command: self.command.clone(),
            environment: self.environment.clone(),
            version: self.shown_version.clone(),
            version_arn: format!("arn:aws:lambda:REGION::runtime:{}", self.digest),
        }
    }
}

fn path(directory: &Path, runtime: &str) -> PathBuf {
    directory.join(format!("{runtime}.json"))
}

/// The manifest of a runtime whose tree is there.
pub(super) fn read_one(directory: &Path, runtime: &str) -> Option<Manifest> {
    let bytes = fs::read(path(directory, runtime)).ok()?;
    let manifest: Manifest = serde_json::from_slice(&bytes).ok()?;
    (manifest.runtime == runtime && directory.join(&manifest.directory).is_dir()).then_some(manifest)
}

/// Every manifest whose tree is there.
pub(super) fn read_all(directory: &Path) -> Vec<Manifest> {
    let names = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names
        .filter_map(|name| name.to_str()?.strip_suffix(".json").map(str::to_owned))
        .filter_map(|runtime| read_one(directory, &runtime))
        .collect()
}

/// Replaces a manifest at once.
pub(super) fn write(directory: &Path, manifest: &Manifest) -> Result<(), PackError> {
    let target = path(directory, &manifest.runtime);
    let temporary = directory.join(format!(".{}.json.new", manifest.runtime));
    let text = serde_json::to_vec_pretty(manifest).map_err(std::io::Error::other);
    let written = text.and_then(|text| {
        let mut file = File::create(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&temporary, &target)
    });
    written.map_err(|source| PackError::io("write the manifest", &target, source))
}

/// One maker of a runtime at a time, over all processes.
pub(super) fn lock_runtime(directory: &Path, runtime: &str) -> Result<File, PackError> {
    let path = directory.join(format!(".{runtime}.lock"));
    let file = open_lock(&path)?;
    file.lock().map_err(|source| PackError::io("lock", &path, source))?;
    Ok(file)
}

/// Marks the directory as in use; when nobody else uses it, sweeps it first.
pub(super) fn lock_directory(directory: &Path) -> Result<File, PackError> {
    let path = directory.join(".in-use.lock");
    let file = open_lock(&path)?;
    match file.try_lock() {
        Ok(()) => {
            sweep(directory);
            // Unlocking first is what turns an exclusive lock into a shared one everywhere.
            file.unlock().map_err(|source| PackError::io("unlock", &path, source))?;
        }
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(source)) => return Err(PackError::io("lock", &path, source)),
    }
    file.lock_shared().map_err(|source| PackError::io("lock", &path, source))?;
    Ok(file)
}

fn open_lock(path: &Path) -> Result<File, PackError> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|source| PackError::io("open the lock file", path, source))
}

/// Removes the trees that no manifest names.
fn sweep(directory: &Path) {
    let named: Vec<String> = read_all(directory).into_iter().map(|manifest| manifest.directory).collect();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_tree = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let is_named = entry.file_name().to_str().is_some_and(|name| named.iter().any(|other| other == name));
        if is_tree
            && !is_named
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(path = %entry.path().display(), %error, "a leftover of a runtime pack could not be removed");
        }
    }
}
