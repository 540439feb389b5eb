//! Durable state behind one handle of narrow traits.
//!
//! [`Metadata`] holds small records (JSON bytes) under string keys, with compare-and-set and watch; [`Blobs`]
//! holds content-addressed bytes; [`Logs`] holds bounded, append-only streams of log events that are not
//! worth an fsync. An answer that promises something comes after [`Metadata::commit`] returned. The store
//! does not know what any record means.

mod blobs;
mod logs;
mod metadata;

pub use blobs::{BlobId, Blobs};
pub use logs::{LogEvent, LogGroup, LogPosition, LogStream, Logs};
pub use metadata::{Batch, Change, Metadata, Precondition, Record, Watch};

use std::sync::Arc;

/// A future that can be stored in a trait object.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One store: the views share one directory or database.
#[derive(Clone, Debug)]
pub struct Store {
    /// Records.
    pub metadata: Arc<dyn Metadata>,
    /// Content-addressed bytes.
    pub blobs: Arc<dyn Blobs>,
    /// Log events.
    pub logs: Arc<dyn Logs>,
}

/// What a store operation can fail with.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A precondition of the batch did not hold; nothing was written. Read again and decide anew.
    #[error("the record {key} has changed")]
    Conflict {
        /// The first key whose precondition failed.
        key: String,
    },
    /// The storage itself failed.
    #[error("failed to {attempt}")]
    Storage {
        /// What was attempted, as it reads after "failed to", with the path or key in it.
        attempt: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
