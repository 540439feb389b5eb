//! Which paths and link targets are safe.
//!
//! A link target may begin with `..`, but `..` after a name is refused: the directories above a link are
//! real ones, so leading `..` mean what they say, and a name that is itself a link leads to a place that was
//! checked the same way. By induction no chain of links leaves the package.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::PackageError;
use super::directory::{Header, Kind};

/// Longest path (Linux: PATH_MAX with its NUL is 4,096).
pub(super) const PATH_BYTES_MAX: u64 = 4_095;
/// Longest name of one file (Linux: NAME_MAX).
const NAME_BYTES_MAX: usize = 255;
/// Absolute targets that belong to the function and its layers when seen from inside.
const ABSOLUTE_TARGETS: [&str; 3] = ["/var/task", "/opt", "/tmp"];

/// The relative path of an entry; `None` for the package's own root (`./`).
pub(super) fn normalise(header: &Header<'_>) -> Result<Option<PathBuf>, PackageError> {
    let name = &header.name;
    if header.kind == Kind::Special {
        return Err(refused(name, "it is neither a file, a directory nor a symbolic link"));
    }
    if name.contains(&0) {
        return Err(refused(name, "its name contains a NUL"));
    }
    if name.starts_with(b"/") || is_drive(name) {
        return Err(refused(name, "its path is absolute"));
    }
    if name.len() as u64 > PATH_BYTES_MAX {
        return Err(refused(name, "its path is too long"));
    }
    let mut path = PathBuf::new();
    for component in name.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return Err(refused(name, "its path contains \"..\"")),
            _ if component.len() > NAME_BYTES_MAX => return Err(refused(name, "a name in its path is too long")),
            _ => path.push(OsString::from_vec(component.to_vec())),
        }
    }
    match (path.as_os_str().is_empty(), header.kind) {
        (true, Kind::Directory) => Ok(None),
        (true, _) => Err(refused(name, "it has no name")),
        (false, _) => Ok(Some(path)),
    }
}

/// Checks where a symbolic link at `path` leads.
pub(super) fn link_target(path: &Path, name: &[u8], target: Vec<u8>) -> Result<PathBuf, PackageError> {
    if target.is_empty() || target.len() as u64 > PATH_BYTES_MAX || target.contains(&0) {
        return Err(refused(name, "its link target is empty, too long or contains a NUL"));
    }
    let is_absolute = target.starts_with(b"/");
    // Directories between the link and the root: how many leading ".." stay inside.
    let depth = path.components().count() - 1;
    let mut ups = 0;
    let mut is_below = false;
    for component in target.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." if is_below || is_absolute => return Err(refused(name, "its link target goes down and up again")),
            b".." => ups += 1,
            _ => is_below = true,
        }
    }
    if ups > depth {
        return Err(refused(name, "it is a symbolic link that leads outside the package"));
    }
    let target = PathBuf::from(OsString::from_vec(target));
    if is_absolute && !ABSOLUTE_TARGETS.iter().any(|allowed| target.starts_with(allowed)) {
        return Err(refused(name, "it is a symbolic link that leads outside the package"));
    }
    Ok(target)
}

/// The error for an entry by its raw name.
pub(super) fn refused(name: &[u8], reason: &'static str) -> PackageError {
    PackageError::Unsafe { path: String::from_utf8_lossy(name).into_owned(), reason }
}

/// `C:/…`, from a zip made on DOS or Windows.
fn is_drive(name: &[u8]) -> bool {
    matches!(name, [letter, b':', b'/', ..] if letter.is_ascii_alphabetic())
}
