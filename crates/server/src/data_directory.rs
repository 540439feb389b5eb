//! The data directory: made with the right permissions, and owned by one server at a time.
//!
//! The lock is taken before the launcher starts, because the launcher sweeps up what a killed server left
//! behind in that directory, and must never mistake a running server for a killed one.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::config::Config;

/// Sandboxes reach code and runtimes by path; what is secret has a mode of its own.
const DIRECTORY_MODE: u32 = 0o711;
/// Functions' code and variables are nobody else's business.
const STORE_MODE: u32 = 0o700;

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirectoryError {
    /// It cannot be made or written.
    #[error("failed to prepare the data directory {}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another server has it.
    #[error("the data directory {} is in use by another running server", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
}

/// The right to use the data directory, until dropped. The kernel takes it back when the process dies.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    _lock: File,
}

/// Makes the directory when it is missing and claims it for this process.
pub(crate) fn claim(config: &Config) -> Result<DataDirectory, DataDirectoryError> {
    let unusable = |source| DataDirectoryError::Unusable { path: config.data.clone(), source };
    make(&config.data, DIRECTORY_MODE).map_err(unusable)?;
    make(&config.store_directory(), STORE_MODE).map_err(unusable)?;
    let path = config.data.join("server.lock");
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(DataDirectory { _lock: lock }),
        Err(TryLockError::WouldBlock) => Err(DataDirectoryError::InUse { path: config.data.clone() }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

fn make(directory: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(directory)
}
