//! Unpacked code packages, by the SHA-256 of their zip: `DIRECTORY/<sha256>/`, mounted read-only at `/var/task`.
//!
//! A tree is unpacked beside its final place and renamed, so that what has its final name is whole. It is
//! not synced to disk: the zip in the blob store is the truth, and after a reboot, the only event that
//! can lose written files, the cache starts empty. A tree that no deployment needs is removed when the cache
//! is over its bound, never sooner than an environment that may still use it must have ended.

mod disk;
mod merge;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use tindra_core::code_package::{PackageError, UnpackError};
use tindra_core::function::{Code, Deployment, LayerReference};
use tindra_store::{Blobs, StoreError};

/// Bytes that trees nobody needs may fill before the oldest go.
pub const UNNEEDED_BYTES_MAX: u64 = 4 << 30;
/// No environment outlives its deployment for longer: the longest timeout, and as much again.
const GRACE: Duration = Duration::from_secs(2 * 900);

/// Why code is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// The package breaks a rule; the deployer's fault.
    #[error("the code package is not valid")]
    Package(#[source] PackageError),
    /// The blob store does not have it.
    #[error("the code package {sha256} is not in the store")]
    Missing {
        /// Its name.
        sha256: String,
    },
    /// The blob store failed.
    #[error("failed to read the code package {sha256}")]
    Store {
        /// Its name.
        sha256: String,
        /// The cause.
        #[source]
        source: StoreError,
    },
    /// The file system refused.
    #[error("failed to {attempt} {}", path.display())]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// Where.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The unpacking thread ended without an answer.
    #[error("the unpacking ended unexpectedly")]
    Crashed(#[source] tokio::task::JoinError),
}

/// The cache. Cheap to share in an `Arc`.
#[derive(Debug)]
pub struct CodeCache {
    directory: PathBuf,
    blobs: Arc<dyn Blobs>,
    trees: Mutex<HashMap<String, Tree>>,
    /// One unpacking at a time for each package.
    unpacking: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug)]
struct Tree {
    last_used: Instant,
    /// Known once a sweep has counted it.
    size_bytes: Option<u64>,
}

impl CodeCache {
    /// Opens the cache, making its directory when missing and removing what a killed process left.
    ///
    /// # Errors
    /// When the directory cannot be made or read.
    pub fn open(directory: PathBuf, blobs: Arc<dyn Blobs>) -> Result<Self, CodeError> {
        let fail = |source| CodeError::Io { attempt: "open the code cache", path: directory.clone(), source };
        fs::create_dir_all(&directory).map_err(fail)?;
        let directory = directory.canonicalize().map_err(fail)?;
        let trees = disk::survivors(&directory)
            .map_err(fail)?
            .into_iter()
            .map(|name| (name, Tree { last_used: Instant::now(), size_bytes: None }))
            .collect();
        Ok(Self { directory, blobs, trees: Mutex::new(trees), unpacking: Mutex::default() })
    }

    /// The tree of a package that is unpacked already. Never blocks on I/O.
    #[must_use]
    pub fn get(&self, code: &Code) -> Option<PathBuf> {
        let mut trees = self.trees();
        let tree = trees.get_mut(&code.sha256)?;
        tree.last_used = Instant::now();
        Some(self.directory.join(&code.sha256))
    }

    /// The tree of a package, unpacked from the blob store when it is not there. Concurrent callers unpack once.
    ///
    /// # Errors
    /// The package is missing or invalid, or the disk refused; nothing is left behind.
    pub async fn ensure(&self, code: &Code) -> Result<PathBuf, CodeError> {
        if let Some(path) = self.get(code) {
            return Ok(path);
        }
        let turn = self.turn(&code.sha256).await;
        let unpacked = match self.get(code) {
            Some(path) => Ok(path),
            None => self.unpack(&code.sha256, turn).await,
        };
        self.forget_turns();
        unpacked
    }

    /// The tree of these layers laid over each other, when it is there already; the outer `None` says that it is not.
    /// Without layers there is none. Never blocks on I/O.
    #[must_use]
    pub fn get_layers(&self, layers: &[LayerReference]) -> Option<Option<PathBuf>> {
        match layers {
            [] => Some(None),
            [one] => self.get(&one.code).map(Some),
            several => {
                let name = merged_name(several);
                self.trees().get_mut(&name)?.last_used = Instant::now();
                Some(Some(self.directory.join(name)))
            }
        }
    }

    /// The same, made when it is not there. Concurrent callers make it once.
    ///
    /// # Errors
    /// A layer is missing or invalid, or the disk refused; nothing is left behind.
    pub async fn ensure_layers(&self, layers: &[LayerReference]) -> Result<Option<PathBuf>, CodeError> {
        if let Some(known) = self.get_layers(layers) {
            return Ok(known);
        }
        let mut trees = Vec::with_capacity(layers.len());
        for layer in layers {
            trees.push(self.ensure(&layer.code).await?);
        }
        if trees.len() == 1 {
            return Ok(trees.pop());
        }
        let name = merged_name(layers);
        let turn = self.turn(&name).await;
        if let Some(known) = self.get_layers(layers) {
            return Ok(known);
        }
        let (directory, merged) = (self.directory.clone(), name.clone());
        let (path, turn) = tokio::task::spawn_blocking(move || (merge_into_place(&directory, &merged, &trees), turn))
            .await
            .map_err(CodeError::Crashed)?;
        let path = path?;
        self.trees().insert(name, Tree { last_used: Instant::now(), size_bytes: None });
        drop(turn);
        self.forget_turns();
        Ok(Some(path))
    }

    /// Waits until nobody else makes this tree.
    async fn turn(&self, name: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = Arc::clone(lock(&self.unpacking).entry(name.to_owned()).or_default());
        turn.lock_owned().await
    }

    /// Forgets what nobody makes or waits for any more.
    fn forget_turns(&self) {
        lock(&self.unpacking).retain(|_, turn| Arc::strong_count(turn) > 1);
    }

    async fn unpack(&self, sha256: &str, guard: tokio::sync::OwnedMutexGuard<()>) -> Result<PathBuf, CodeError> {
        let zip = self.blobs.get(sha256).await;
        let zip = zip.map_err(|source| CodeError::Store { sha256: sha256.to_owned(), source })?;
        let zip = zip.ok_or_else(|| CodeError::Missing { sha256: sha256.to_owned() })?;
        let (directory, name) = (self.directory.clone(), sha256.to_owned());
        // The guard comes back with the answer: nobody else gets in before the tree is known. When the caller
        // has given up by then, whoever comes next finds the tree on disk.
        let (path, _turn) = tokio::task::spawn_blocking(move || (unpack_into_place(&directory, &name, &zip), guard))
            .await
            .map_err(CodeError::Crashed)?;
        let path = path?;
        self.trees().insert(sha256.to_owned(), Tree { last_used: Instant::now(), size_bytes: None });
        Ok(path)
    }

    /// Removes the least recently used trees that are not in `needed` while those together exceed
    /// [`UNNEEDED_BYTES_MAX`].
    pub async fn sweep(self: &Arc<Self>, needed: HashSet<String>) {
        self.sweep_to(needed, UNNEEDED_BYTES_MAX, GRACE).await;
    }

    async fn sweep_to(self: &Arc<Self>, needed: HashSet<String>, bytes_max: u64, grace: Duration) {
        let cache = Arc::clone(self);
        let swept = tokio::task::spawn_blocking(move || cache.sweep_blocking(&needed, bytes_max, grace)).await;
        if let Err(error) = swept {
            tracing::warn!(%error, "the sweep of the code cache ended unexpectedly");
        }
    }

    fn sweep_blocking(&self, needed: &HashSet<String>, bytes_max: u64, grace: Duration) {
        let mut unneeded: Vec<(Instant, String, Option<u64>)> = self
            .trees()
            .iter()
            .filter(|(name, _)| !needed.contains(*name))
            .map(|(name, tree)| (tree.last_used, name.clone(), tree.size_bytes))
            .collect();
        unneeded.sort();
        let mut total = 0;
        for (_, name, size) in &mut unneeded {
            let name: &String = name;
            let bytes = size.unwrap_or_else(|| disk::size_bytes(&self.directory.join(name)));
            *size = Some(bytes);
            total += bytes;
            if let Some(tree) = self.trees().get_mut(name) {
                tree.size_bytes = Some(bytes);
            }
        }
        for (last_used, name, size) in unneeded {
            if total <= bytes_max || last_used.elapsed() < grace {
                break;
            }
            let is_unused = {
                let mut trees = self.trees();
                let is_unused = trees.get(&name).is_some_and(|tree| tree.last_used == last_used);
                if is_unused {
                    trees.remove(&name);
                }
                is_unused
            };
            if is_unused && disk::discard(&self.directory, &name) {
                total = total.saturating_sub(size.unwrap_or(0));
            }
        }
    }

    fn trees(&self) -> MutexGuard<'_, HashMap<String, Tree>> {
        lock(&self.trees)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The names of all trees that a deployment needs.
pub fn trees_of(deployment: &Deployment) -> Vec<String> {
    let layers = &deployment.configuration.layers;
    let mut names: Vec<String> = deployment.blobs().map(str::to_owned).collect();
    if layers.len() > 1 {
        names.push(merged_name(layers));
    }
    names
}

/// The name of the tree of several layers, which depends on their content and their order alone.
fn merged_name(layers: &[LayerReference]) -> String {
    let names: Vec<&str> = layers.iter().map(|layer| layer.code.sha256.as_str()).collect();
    Sha256::digest(names.join("\n")).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn merge_into_place(directory: &Path, name: &str, layers: &[PathBuf]) -> Result<PathBuf, CodeError> {
    let temporary = directory.join(format!("{}{name}", disk::TEMPORARY_PREFIX));
    let target = directory.join(name);
    // Whoever made it may have been given up before it was known.
    if target.is_dir() {
        return Ok(target);
    }
    let fail = |attempt, source| CodeError::Io { attempt, path: target.clone(), source };
    disk::remove(&temporary).map_err(|source| fail("remove", source))?;
    let merged = merge::merge(layers, &temporary).and_then(|()| fs::rename(&temporary, &target));
    if merged.is_err() {
        // The error that matters is the first one.
        let _ = disk::remove(&temporary);
    }
    merged.map_err(|source| fail("lay layers into", source))?;
    Ok(target)
}

fn unpack_into_place(directory: &Path, name: &str, zip: &[u8]) -> Result<PathBuf, CodeError> {
    let temporary = directory.join(format!("{}{name}", disk::TEMPORARY_PREFIX));
    let target = directory.join(name);
    if target.is_dir() {
        return Ok(target);
    }
    let fail = |attempt, path: &Path, source| CodeError::Io { attempt, path: path.to_owned(), source };
    disk::remove(&temporary).map_err(|source| fail("remove", &temporary, source))?;
    let unpacked = disk::unpack(zip, &temporary)
        .map_err(|error| match error {
            UnpackError::Package(error) => CodeError::Package(error),
            UnpackError::Write { path, source } => fail("write", &temporary.join(path), source),
        })
        .and_then(|()| fs::rename(&temporary, &target).map_err(|source| fail("rename to", &target, source)));
    if unpacked.is_err() {
        // The error that matters is the first one.
        let _ = disk::remove(&temporary);
    }
    unpacked.map(|()| target)
}

#[cfg(test)]
mod tests;
