//! Opening a store directory: the lock, then records, blobs and logs.

use std::path::Path;
use std::sync::Arc;

use tindra_core::clock::Clock;

use crate::blob_files::BlobFiles;
use crate::directory_lock::DirectoryLock;
use crate::failure::Failure;
use crate::log_files::LogFiles;
use crate::sqlite::Sqlite;
use crate::{Store, StoreError};

/// What a power cut may take. A killed process loses nothing that was answered under any of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Every answered commit and blob survives a power cut.
    #[default]
    Full,
    /// A power cut may lose the last commits, never the order of them.
    Normal,
    /// A power cut may damage the store. For throw-away directories.
    Off,
}

/// How much of the logs is kept; the oldest segments go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBounds {
    /// A new segment file is begun at this size. What is trimmed is trimmed by segment.
    pub segment_bytes_max: u64,
    /// Bytes on disk of one stream.
    pub stream_bytes_max: u64,
    /// Bytes on disk of one group.
    pub group_bytes_max: u64,
    /// Streams of one group; a stream is one execution environment.
    pub group_streams_max: usize,
}

impl Default for LogBounds {
    /// Ours: a group holds about a million lines of 250 bytes; a stream cannot take more than an eighth of it.
    fn default() -> Self {
        Self {
            segment_bytes_max: 1 << 20,
            stream_bytes_max: 32 << 20,
            group_bytes_max: 256 << 20,
            group_streams_max: 10_000,
        }
    }
}

/// How a store is opened; `StoreOptions::default()` is what a server in production wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// What a power cut may take.
    pub durability: Durability,
    /// How much of the logs is kept.
    pub logs: LogBounds,
}

impl Store {
    /// Opens the store in `directory`, making it when it is missing. Blocks for some milliseconds, longer
    /// after an unclean stop, when the database is checked as a whole.
    ///
    /// # Errors
    /// When another process has the directory open, when the database is damaged or was written by a newer
    /// version, and when the file system refuses.
    pub fn open_sqlite(directory: &Path, options: StoreOptions, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let lock = Arc::new(DirectoryLock::acquire(directory)?);
        let failure = Failure::default();
        let metadata = Sqlite::open(directory, options.durability, Arc::clone(&lock), failure.clone())?;
        let blobs = BlobFiles::open(&directory.join("blobs"), options.durability, Arc::clone(&lock), failure)?;
        let logs = LogFiles::open(&directory.join("logs"), options.logs, lock, clock)?;
        let metadata = Arc::new(metadata);
        Ok(Self {
            queues: Arc::clone(&metadata) as _,
            journals: Arc::clone(&metadata) as _,
            metadata,
            blobs: Arc::new(blobs),
            logs: Arc::new(logs),
        })
    }
}
