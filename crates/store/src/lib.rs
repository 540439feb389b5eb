//! Durable state behind one handle of narrow traits.
//!
//! [`Metadata`] holds small records (JSON bytes) under string keys, with compare-and-set and watch; [`Queues`] holds
//! messages that are leased and completed; [`Mailboxes`] holds letters
//! that strangers take and remove; [`Journals`] holds ordered records read by offset; [`Blobs`] holds
//! content-addressed bytes; [`Logs`] holds bounded, append-only streams of log events that are not worth an fsync. The
//! first four are views over one transaction: a [`Batch`] changes them together. An answer that promises something comes
//! after [`Metadata::commit`] returned. The store does not know what any record means.
//!
//! [`Store::open_sqlite`] keeps everything in one directory: SQLite and plain files. [`Store::open_postgres`] keeps the first
//! four in PostgreSQL, where several servers share them, and blobs and logs in a directory of each server.
//! `docs/design/store.md` says what is durable when.

mod blob_files;
mod blobs;
mod checksum;
mod directory_lock;
mod failure;
pub mod following;
mod journals;
mod json;
mod log_files;
mod logs;
mod mailboxes;
mod metadata;
mod open;
mod postgres;
mod queues;
mod sqlite;
mod watch;

pub use blobs::{BlobId, Blobs};
pub use journals::{JournalBounds, JournalChange, Journals};
pub use json::{JsonBatch, JsonRecords, Versioned};
pub use logs::{LogEvent, LogGroup, LogPosition, LogRead, LogStream, Logs};
pub use mailboxes::{
    Letter, LetterCounts, MailChange, MailWork, Mailboxes, Once, Overflow, Posted, Receipt, Standing, TakeRequest,
    Taken, TakenLetter,
};
pub use metadata::{Batch, Change, Metadata, Precondition, Record};
pub use open::{Durability, LogBounds, StoreOptions};
pub use queues::{Lapse, Lease, LeaseRequest, Leased, LeasedMessages, Message, MessageChange, QueueFigures, Queues};
pub use watch::{Progress, Watch};

use std::sync::Arc;

/// A future that can be stored in a trait object.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One store: the views share one directory or database.
#[derive(Clone, Debug)]
pub struct Store {
    /// Records.
    pub metadata: Arc<dyn Metadata>,
    /// Messages.
    pub queues: Arc<dyn Queues>,
    /// Letters.
    pub mailboxes: Arc<dyn Mailboxes>,
    /// Ordered records.
    pub journals: Arc<dyn Journals>,
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
    /// The connection broke while the database was committing: the batch may be written as a whole or not at all. Read
    /// again and decide anew, or repeat it where that is harmless (enqueueing by id is).
    #[error(
        "failed to learn whether the commit was made; it may have been, so read again, or repeat it if that is harmless"
    )]
    OutcomeUnknown {
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
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

impl StoreError {
    /// A [`StoreError::Storage`]; `attempt` reads after "failed to".
    pub(crate) fn storage(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Storage { attempt: attempt.into(), source: source.into() }
    }
}

/// Runs blocking work on tokio's threads for that; `attempt` reads after "failed to" should it panic.
pub(crate) async fn blocking<T: Send + 'static>(
    attempt: &'static str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::storage(attempt, error)),
    }
}

/// Locks a mutex; a panic of another holder does not matter, because no invariant spans an unwinding point.
pub(crate) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
