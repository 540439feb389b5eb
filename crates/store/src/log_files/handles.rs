//! Open files of segments that are being appended to, a bounded number of them.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::lock;

/// Files that stay open; beyond it, the one that was not written to for longest is closed.
const OPEN_MAX: usize = 128;

#[derive(Debug, Default)]
pub(super) struct Handles {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    files: HashMap<PathBuf, (Arc<File>, u64)>,
    uses: u64,
}

impl Handles {
    /// The file, open for appending.
    pub(super) fn get(&self, path: &Path) -> io::Result<Arc<File>> {
        let mut open = lock(&self.open);
        open.uses += 1;
        let now = open.uses;
        if let Some((file, used)) = open.files.get_mut(path) {
            *used = now;
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(OpenOptions::new().append(true).create(true).open(path)?);
        if open.files.len() >= OPEN_MAX {
            let oldest = open.files.iter().min_by_key(|(_, (_, used))| *used).map(|(path, _)| path.clone());
            oldest.and_then(|path| open.files.remove(&path));
        }
        open.files.insert(path.to_owned(), (Arc::clone(&file), now));
        Ok(file)
    }

    /// Forgets a file that is removed or in an unknown state.
    pub(super) fn forget(&self, path: &Path) {
        lock(&self.open).files.remove(path);
    }

    /// Forgets everything under a directory.
    pub(super) fn forget_under(&self, directory: &Path) {
        lock(&self.open).files.retain(|path, _| !path.starts_with(directory));
    }
}
