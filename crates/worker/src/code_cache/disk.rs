//! The cache's directory: unpacking into a new tree, what survives a restart, removal.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tindra_core::code_package::{self, Sink, UnpackError};

/// Names of trees in the making or on their way out.
pub(super) const TEMPORARY_PREFIX: &str = ".temporary-";
const BOOT_FILE: &str = ".boot";

/// Unpacks a zip into a directory that does not exist yet.
pub(super) fn unpack(zip: &[u8], directory: &Path) -> Result<(), UnpackError> {
    let write = |source| UnpackError::Write { path: PathBuf::new(), source };
    make_directory(directory).map_err(write)?;
    code_package::unpack(zip, &mut Disk { root: directory.to_owned() })?;
    Ok(())
}

struct Disk {
    root: PathBuf,
}

impl Disk {
    fn with_parents(&self, path: &Path) -> io::Result<PathBuf> {
        let path = self.root.join(path);
        if let Some(parent) = path.parent().filter(|parent| !parent.is_dir()) {
            make_directory(parent)?;
        }
        Ok(path)
    }
}

impl Sink for Disk {
    fn directory(&mut self, path: &Path) -> io::Result<()> {
        make_directory(&self.root.join(path))
    }

    fn file(&mut self, path: &Path, executable: bool, content: &mut dyn Read) -> io::Result<()> {
        let path = self.with_parents(path)?;
        let mode = if executable { 0o755 } else { 0o644 };
        // Exclusive creation never follows a symbolic link and never opens what is there.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        io::copy(content, &mut file)?;
        // Whatever the process's umask is, any uid must be able to read it.
        file.set_permissions(Permissions::from_mode(mode))
    }

    fn symlink(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        symlink(target, self.with_parents(path)?)
    }
}

pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    let mut made = Vec::new();
    let mut missing = Some(path);
    while let Some(directory) = missing.filter(|directory| !directory.is_dir()) {
        made.push(directory.to_owned());
        missing = directory.parent();
    }
    for directory in made.into_iter().rev() {
        fs::DirBuilder::new().mode(0o755).create(&directory)?;
        fs::set_permissions(&directory, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Names of the whole trees in the cache; anything else in it is removed. After a reboot there are none.
pub(super) fn survivors(directory: &Path) -> io::Result<Vec<String>> {
    let boot_file = directory.join(BOOT_FILE);
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let is_same_boot = !boot.is_empty() && fs::read_to_string(&boot_file).is_ok_and(|before| before == boot);
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_tree = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_tree && is_same_boot {
            names.push(name);
        } else if is_tree || name.starts_with(TEMPORARY_PREFIX) {
            remove(&entry.path())?;
        }
    }
    if !is_same_boot {
        fs::write(&boot_file, boot)?;
    }
    Ok(names)
}

/// Takes a tree away at once, then removes it. Tells whether it is gone.
pub(super) fn discard(directory: &Path, name: &str) -> bool {
    let temporary = directory.join(format!("{TEMPORARY_PREFIX}{name}"));
    let discarded = fs::rename(directory.join(name), &temporary).and_then(|()| remove(&temporary));
    if let Err(error) = &discarded {
        tracing::warn!(name, %error, "an unpacked code package could not be removed");
    }
    discarded.is_ok()
}

/// Removes a tree; one that is not there is fine.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Bytes of the files below a directory; what cannot be read counts nothing.
pub(super) fn size_bytes(directory: &Path) -> u64 {
    let mut total = 0;
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => pending.push(entry.path()),
                Ok(metadata) => total += metadata.len(),
                Err(_) => {}
            }
        }
    }
    total
}

/// Opens for reading; used by tests to see what other uids would.
#[cfg(test)]
pub(super) fn mode(path: &Path) -> u32 {
    fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o7777)
}
