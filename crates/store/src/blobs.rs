//! Content-addressed bytes.

use bytes::Bytes;

use crate::{BoxFuture, StoreError};

/// SHA-256 in lower-case hexadecimal.
pub type BlobId = String;

/// Bytes under their own SHA-256; writing the same bytes twice stores them once.
pub trait Blobs: Send + Sync + std::fmt::Debug {
    /// Stores bytes durably and returns their name.
    fn put(&self, bytes: Bytes) -> BoxFuture<'_, Result<BlobId, StoreError>>;

    /// Reads a blob and checks it against its name; `None` when there is none.
    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>>;

    /// Removes a blob; removing a missing one is fine.
    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Every blob that there is, for sweeping up those that nothing refers to.
    fn list(&self) -> BoxFuture<'_, Result<Vec<BlobId>, StoreError>>;
}
