//! Who reads what: files are not removed under their readers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use super::Files;

/// Contents that are read.
#[derive(Debug, Default)]
pub(super) struct Leases {
    read: Mutex<HashMap<Uuid, Read>>,
}

#[derive(Debug, Default)]
struct Read {
    readers: usize,
    /// What is removed after the last of them.
    doomed: Vec<Uuid>,
}

impl Leases {
    pub(super) fn take(&self, content: Uuid, files: &Files) -> Lease {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).entry(content).or_default().readers += 1;
        Lease { files: files.clone(), content }
    }

    /// The files, when nobody reads them; otherwise they are remembered.
    pub(super) fn doom(&self, content: Uuid, files: Vec<Uuid>) -> Option<Vec<Uuid>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match read.get_mut(&content) {
            Some(read) => {
                read.doomed = files;
                None
            }
            None => Some(files),
        }
    }

    fn give_back(&self, content: Uuid) -> Vec<Uuid> {
        let mut all = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(read) = all.get_mut(&content) else { return Vec::new() };
        read.readers -= 1;
        if read.readers > 0 {
            return Vec::new();
        }
        all.remove(&content).map(|read| read.doomed).unwrap_or_default()
    }
}

/// A content stays as long as somebody has this.
#[derive(Debug)]
pub(crate) struct Lease {
    files: Files,
    content: Uuid,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let doomed = self.files.leases.give_back(self.content);
        self.files.remove(&doomed);
    }
}
