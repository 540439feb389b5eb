//! Blobs as plain files: `blobs/ab/abcdef…`, whole or not there at all.
//!
//! Written beside, made durable, then renamed, so a reader never sees half of one. Every read is checked
//! against the name; what does not match is an error and never served.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::directory_lock::DirectoryLock;
use crate::failure::Failure;
use crate::open::Durability;
use crate::{BlobId, Blobs, BoxFuture, StoreError, blocking};

/// Where blobs are written before they have their name. Not two hexadecimal digits, so never a blob's.
const UNFINISHED: &str = "unfinished";

/// [`Blobs`] in a directory.
#[derive(Clone, Debug)]
pub(crate) struct BlobFiles {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    durable: bool,
    failure: Failure,
    _lock: Arc<DirectoryLock>,
}

impl BlobFiles {
    /// Opens the directory and removes what an interrupted write left.
    pub(crate) fn open(
        root: &Path,
        durability: Durability,
        lock: Arc<DirectoryLock>,
        failure: Failure,
    ) -> Result<Self, StoreError> {
        let failed = |error| StoreError::storage(format!("open the blobs in {}", root.display()), error);
        let unfinished = root.join(UNFINISHED);
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => fs::create_dir_all(&unfinished).map_err(failed)?,
        }
        let durable = durability == Durability::Full;
        if durable {
            sync_directory(root).map_err(failed)?;
        }
        Ok(Self { inner: Arc::new(Inner { root: root.to_owned(), durable, failure, _lock: lock }) })
    }

    fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(blocking("use the blobs", move || work(&inner)))
    }
}

impl Blobs for BlobFiles {
    fn put(&self, bytes: Bytes) -> BoxFuture<'_, Result<BlobId, StoreError>> {
        self.on_thread(move |inner| inner.put(&bytes))
    }

    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        let id = id.to_owned();
        self.on_thread(move |inner| inner.get(&id))
    }

    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        let id = id.to_owned();
        self.on_thread(move |inner| inner.delete(&id))
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<BlobId>, StoreError>> {
        self.on_thread(Inner::list)
    }
}

impl Inner {
    /// `None` when the text cannot name a blob, above all when it would lead out of the directory.
    fn path(&self, id: &str) -> Option<PathBuf> {
        is_blob_id(id).then(|| self.root.join(&id[..2]).join(id))
    }

    fn put(&self, bytes: &Bytes) -> Result<BlobId, StoreError> {
        let id = digest(bytes);
        let attempt = format!("store the blob {id}");
        self.failure.check(&attempt)?;
        // One that is there but damaged is written again. One that is there may be so by another write that
        // has not made its name durable yet.
        if let Ok(Some(_)) = self.get(&id) {
            let name_kept = self.sync(&attempt, || sync_directory(&self.root.join(&id[..2])));
            return name_kept.map(|()| id).map_err(|error| StoreError::storage(attempt, error));
        }
        let unfinished = self.root.join(UNFINISHED).join(Uuid::new_v4().simple().to_string());
        let written = self.write(&unfinished, &id, bytes, &attempt);
        if written.is_err() {
            drop(fs::remove_file(&unfinished));
        }
        written.map_err(|error| StoreError::storage(attempt, error))?;
        Ok(id)
    }

    fn write(&self, unfinished: &Path, id: &str, bytes: &[u8], attempt: &str) -> io::Result<()> {
        let mut file = File::create_new(unfinished)?;
        file.write_all(bytes)?;
        self.sync(attempt, || file.sync_all())?;
        let directory = self.root.join(&id[..2]);
        match fs::create_dir(&directory) {
            Ok(()) => self.sync(attempt, || sync_directory(&self.root))?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        fs::rename(unfinished, directory.join(id))?;
        self.sync(attempt, || sync_directory(&directory))
    }

    /// Makes durable, when asked to; an error of it is final for the store. (A full disk can show itself only
    /// here, on file systems that allocate late, and is not.)
    fn sync(&self, attempt: &str, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if !self.durable {
            return Ok(());
        }
        sync().inspect_err(|error| {
            if !matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
                self.failure.raise(attempt, error);
            }
        })
    }

    fn get(&self, id: &str) -> Result<Option<Bytes>, StoreError> {
        let Some(path) = self.path(id) else { return Ok(None) };
        let attempt = || format!("read the blob {id}");
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::storage(attempt(), error)),
        };
        if digest(&bytes) != id {
            return Err(StoreError::storage(attempt(), "its bytes no longer match its name: the disk changed them"));
        }
        Ok(Some(bytes.into()))
    }

    fn delete(&self, id: &str) -> Result<(), StoreError> {
        let Some(path) = self.path(id) else { return Ok(()) };
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(StoreError::storage(format!("remove the blob {id}"), error))
            }
            _ => Ok(()),
        }
    }

    fn list(&self) -> Result<Vec<BlobId>, StoreError> {
        let failed = |error| StoreError::storage(format!("list the blobs in {}", self.root.display()), error);
        let mut ids = Vec::new();
        for directory in fs::read_dir(&self.root).map_err(failed)? {
            let directory = directory.map_err(failed)?;
            if directory.file_name() == UNFINISHED || !directory.path().is_dir() {
                continue;
            }
            for blob in fs::read_dir(directory.path()).map_err(failed)? {
                let name = blob.map_err(failed)?.file_name();
                ids.extend(name.to_str().filter(|name| is_blob_id(name)).map(str::to_owned));
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }
}

fn is_blob_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn digest(bytes: &[u8]) -> BlobId {
    format!("{:x}", Sha256::digest(bytes))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
