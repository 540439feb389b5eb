//! Writes the tree of a pack. Everything is copied, so that nothing of the host shows through.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::PackError;

/// A tree being made. Paths given to it are absolute as seen from inside.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

/// What [`Tree::seal`] found.
#[derive(Debug)]
pub(super) struct Sealed {
    /// SHA-256 over every path, mode, link target and content.
    pub(super) digest: String,
    /// Bytes of all files.
    pub(super) size_bytes: u64,
}

impl Tree {
    pub(super) fn new(root: PathBuf) -> Result<Self, PackError> {
        fs::create_dir_all(&root).map_err(|source| PackError::io("make", &root, source))?;
        Ok(Self { root })
    }

    /// Where a path of the tree lies on the host.
    pub(super) fn outside(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub(super) fn directory(&self, path: &str) -> Result<PathBuf, PackError> {
        let outside = self.outside(path);
        fs::create_dir_all(&outside).map_err(|source| PackError::io("make", &outside, source))?;
        Ok(outside)
    }

    pub(super) fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<(), PackError> {
        let outside = self.with_parent(path)?;
        fs::write(&outside, content).map_err(|source| PackError::io("write", &outside, source))
    }

    /// Makes a symbolic link; one that exists stays.
    pub(super) fn link(&self, path: &str, target: &str) -> Result<(), PackError> {
        let outside = self.with_parent(path)?;
        match symlink(target, &outside) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                Err(PackError::io("link", &outside, source))
            }
            _ => Ok(()),
        }
    }

    /// Copies a file, following symbolic links of the host.
    pub(super) fn copy_file(&self, source: &Path, path: &str) -> Result<(), PackError> {
        let outside = self.with_parent(path)?;
        fs::copy(source, &outside).map(|_| ()).map_err(|error| PackError::io("copy", source, error))?;
        // A set-user-id bit must not come along.
        let mode = source.metadata().map(|metadata| metadata.permissions().mode()).unwrap_or(0o644);
        fs::set_permissions(&outside, Permissions::from_mode(mode & 0o755 | 0o600))
            .map_err(|error| PackError::io("set the permissions of", &outside, error))
    }

    /// Copies a directory; `wanted` sees each path relative to `source`. Relative symbolic links stay links,
    /// others become what they point to; dangling ones are left out.
    pub(super) fn copy_directory(
        &self,
        source: &Path,
        path: &str,
        wanted: &dyn Fn(&Path) -> bool,
    ) -> Result<(), PackError> {
        self.directory(path)?;
        let mut pending = vec![PathBuf::new()];
        while let Some(relative) = pending.pop() {
            let directory = source.join(&relative);
            let entries = fs::read_dir(&directory).map_err(|error| PackError::io("read", &directory, error))?;
            for entry in entries {
                let entry = entry.map_err(|error| PackError::io("read", &directory, error))?;
                let relative = relative.join(entry.file_name());
                if !wanted(&relative) {
                    continue;
                }
                let inside = format!("{path}/{}", relative.display());
                let kind = entry.file_type().map_err(|error| PackError::io("read", &entry.path(), error))?;
                let target = if kind.is_symlink() { fs::read_link(entry.path()).ok() } else { None };
                if let Some(target) = target.filter(|target| is_inner(target)) {
                    self.link(&inside, &target.to_string_lossy())?;
                } else if entry.path().is_dir() {
                    if kind.is_symlink() {
                        continue; // A directory outside; following it could go round in circles.
                    }
                    self.directory(&inside)?;
                    pending.push(relative);
                } else if entry.path().is_file() {
                    self.copy_file(&entry.path(), &inside)?;
                }
            }
        }
        Ok(())
    }

    fn with_parent(&self, path: &str) -> Result<PathBuf, PackError> {
        let outside = self.outside(path);
        if let Some(parent) = outside.parent() {
            fs::create_dir_all(parent).map_err(|source| PackError::io("make", parent, source))?;
        }
        Ok(outside)
    }

    /// Takes the write bits away from every file, and names the whole by its digest.
    pub(super) fn seal(&self) -> Result<Sealed, PackError> {
        let mut hash = Sha256::new();
        let mut size_bytes = 0;
        seal_directory(&self.root, &self.root, &mut hash, &mut size_bytes)?;
        let digest = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Sealed { digest, size_bytes })
    }
}

/// A link target that stays in its own directory or below.
fn is_inner(target: &Path) -> bool {
    target.is_relative() && !target.components().any(|part| part == std::path::Component::ParentDir)
}

fn seal_directory(root: &Path, directory: &Path, hash: &mut Sha256, size_bytes: &mut u64) -> Result<(), PackError> {
    let read = |error| PackError::io("read", directory, error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(read)? {
        paths.push(entry.map_err(read)?.path());
    }
    paths.sort();
    set_mode(directory, 0o755)?;
    for path in paths {
        let metadata = path.symlink_metadata().map_err(|error| PackError::io("read", &path, error))?;
        let name = path.strip_prefix(root).unwrap_or(&path).as_os_str().as_bytes();
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        if metadata.is_dir() {
            hash.update(b"d");
            seal_directory(root, &path, hash, size_bytes)?;
        } else if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(|error| PackError::io("read", &path, error))?;
            hash.update(b"l");
            hash.update((target.as_os_str().len() as u64).to_le_bytes());
            hash.update(target.as_os_str().as_bytes());
        } else {
            let is_executable = metadata.permissions().mode() & 0o111 != 0;
            set_mode(&path, if is_executable { 0o555 } else { 0o444 })?;
            hash.update(if is_executable { b"x" } else { b"f" });
            hash.update(metadata.len().to_le_bytes());
            let mut file = fs::File::open(&path).map_err(|error| PackError::io("read", &path, error))?;
            *size_bytes += io::copy(&mut file, hash).map_err(|error| PackError::io("read", &path, error))?;
        }
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> Result<(), PackError> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|error| PackError::io("set the permissions of", path, error))
}
