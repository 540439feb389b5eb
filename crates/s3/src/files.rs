//! The files that objects' bytes lie in.
//!
//! A file is written under a name that nobody knows, made durable, and only then named by a record: what a record names is
//! whole. A file is never changed. One that no record names any more is removed once its last reader has gone, or, if the
//! server ended before that, at the next start.

mod lease;
mod sweep;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

pub(crate) use lease::Lease;
use lease::Leases;

/// Folders that files are spread over: one that holds all of them gets slow.
const FOLDERS: u32 = 256;

/// The files of one directory. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    directory: Arc<Path>,
    leases: Arc<Leases>,
}

impl Files {
    /// Opens a directory, making what there is not.
    pub(crate) fn open(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        for folder in 0..FOLDERS {
            let path = directory.join(format!("{folder:02x}"));
            match fs::create_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        sync_directory(&directory)?;
        if let Some(parent) = directory.parent() {
            sync_directory(parent)?;
        }
        Ok(Self { directory: directory.into(), leases: Arc::default() })
    }

    pub(crate) fn path(&self, id: Uuid) -> PathBuf {
        let name = id.simple().to_string();
        self.directory.join(&name[..2]).join(&name)
    }

    /// Opens a file for reading. One that is gone was replaced after its record was read.
    pub(crate) fn read(&self, id: Uuid) -> io::Result<File> {
        File::open(self.path(id))
    }

    /// Keeps what a content consists of, whatever becomes of its object.
    pub(crate) fn lease(&self, content: Uuid) -> Lease {
        self.leases.take(content, self)
    }

    /// Removes the files of a content that no record names any more, now or when its last reader has gone.
    pub(crate) fn discard(&self, content: Uuid, files: Vec<Uuid>) {
        if let Some(files) = self.leases.doom(content, files) {
            self.remove(&files);
        }
    }

    fn remove(&self, files: &[Uuid]) {
        for id in files {
            let path = self.path(*id);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    // The next start finds it.
                    tracing::warn!(path = %path.display(), error = &error as &dyn std::error::Error, "failed to remove a file of S3");
                }
                _ => {}
            }
        }
    }

    /// A second name for the bytes of a file, durable.
    pub(crate) fn link(&self, from: Uuid) -> io::Result<Draft> {
        let draft = Draft::new(self.clone());
        let path = self.path(draft.id);
        fs::hard_link(self.path(from), &path)?;
        sync_parent(&path)?;
        Ok(draft)
    }
}

/// A file that no record names yet: it is removed unless it is kept.
#[derive(Debug)]
pub(crate) struct Draft {
    files: Files,
    pub(crate) id: Uuid,
    is_kept: bool,
}

impl Draft {
    pub(crate) fn new(files: Files) -> Self {
        Self { files, id: Uuid::new_v4(), is_kept: false }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.files.path(self.id)
    }

    /// A record names it, or may do so.
    pub(crate) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_kept {
            self.files.remove(&[self.id]);
        }
    }
}

/// Makes durable that a file is where it is.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_directory)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(files: &Files) -> Uuid {
        let draft = Draft::new(files.clone());
        fs::write(draft.path(), b"bytes").unwrap();
        let id = draft.id;
        draft.keep();
        id
    }

    #[test]
    fn a_draft_goes_unless_it_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::open(directory.path().join("s3")).unwrap();
        let draft = Draft::new(files.clone());
        fs::write(draft.path(), b"half").unwrap();
        let id = draft.id;
        drop(draft);
        assert!(files.read(id).is_err());
        assert!(files.read(written(&files)).is_ok());
    }

    #[test]
    fn what_is_read_stays_until_its_last_reader_has_gone() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::open(directory.path().join("s3")).unwrap();
        let id = written(&files);
        let readers = (files.lease(id), files.lease(id));
        files.discard(id, vec![id]);
        drop(readers.0);
        assert!(files.read(id).is_ok());
        drop(readers.1);
        assert!(files.read(id).is_err());
        let other = written(&files);
        files.discard(other, vec![other]);
        assert!(files.read(other).is_err());
    }

    #[test]
    fn a_sweep_removes_what_nobody_names() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::open(directory.path().join("s3")).unwrap();
        let (named, orphan) = (written(&files), written(&files));
        assert_eq!(files.all().unwrap().len(), 2);
        files.sweep(&std::collections::HashSet::from([named])).unwrap();
        assert!(files.read(named).is_ok() && files.read(orphan).is_err());
    }
}
