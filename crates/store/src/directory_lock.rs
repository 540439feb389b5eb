//! One process per store directory, and the mark of an unclean stop.
//!
//! The file `lock` is held by `flock`, which the kernel drops with the process, so nothing stale can remain.
//! While the store is open the file names the process; a clean close empties it. A text found at the next
//! opening therefore says that the process before was killed or the machine stopped.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::StoreError;

/// Held as long as any part of the store is in use.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    file: File,
    was_unclean: bool,
    clean: AtomicBool,
}

impl DirectoryLock {
    pub(crate) fn acquire(directory: &Path) -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| {
            StoreError::storage(format!("open the data directory {}", directory.display()), error)
        };
        std::fs::create_dir_all(directory).map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join("lock"))
            .map_err(failed)?;
        let locked = file.try_lock();
        let mut holder = String::new();
        file.read_to_string(&mut holder).map_err(failed)?;
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(directory, holder.trim())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let lock = Self { file, was_unclean: !holder.trim().is_empty(), clean: AtomicBool::new(false) };
        lock.write(&format!("process {}\n", std::process::id())).map_err(failed)?;
        Ok(lock)
    }

    /// Whether the process before did not close the store.
    pub(crate) fn was_unclean(&self) -> bool {
        self.was_unclean
    }

    /// Says that the database was closed in order.
    pub(crate) fn mark_clean(&self) {
        self.clean.store(true, Ordering::Relaxed);
    }

    fn write(&self, text: &str) -> std::io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(text.as_bytes())
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        if self.clean.load(Ordering::Relaxed)
            && let Err(error) = self.write("")
        {
            tracing::debug!(%error, "the clean stop could not be marked; the next start checks the database");
        }
    }
}

fn in_use(directory: &Path, holder: &str) -> StoreError {
    let holder = if holder.is_empty() { "another process" } else { holder };
    StoreError::storage(
        format!("open the data directory {}", directory.display()),
        format!("it is in use by {holder}; stop that, or choose another directory with --data"),
    )
}
