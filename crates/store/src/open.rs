//! Opening a store: the lock of its directory, then records, blobs and logs.

use std::path::Path;
use std::sync::Arc;

use tindra_core::clock::Clock;

use crate::blob_files::BlobFiles;
use crate::directory_lock::DirectoryLock;
use crate::failure::Failure;
use crate::log_files::LogFiles;
use crate::postgres::Postgres;
use crate::sqlite::Sqlite;
use crate::{Journals, Mailboxes, Metadata, Queues, Store, StoreError};

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
        Self::beside(Arc::new(metadata), directory, options, lock, failure, clock)
    }

    /// Opens the store in a PostgreSQL database, which other servers may have open, too; blobs and logs lie in `directory`,
    /// which is this process's alone. Makes what is missing in both. Blocks until the database has answered, some
    /// seconds at most when it is away, and may be called on any thread.
    ///
    /// `url` is `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, several hosts are separated by commas, and a socket's
    /// directory is given as `?host=`. The way there is encrypted unless it stays on this machine or the address says
    /// `sslmode=disable`. `options.durability` is not handed to the database but demanded of it: under
    /// [`Durability::Full`] one that would lose what it acknowledged is refused, otherwise there are warnings.
    ///
    /// # Errors
    /// When the database is away, is a standby, is older than PostgreSQL 14, syncs too little, or was written by a newer
    /// version; when another process has the directory open, and when the file system refuses.
    pub fn open_postgres(
        url: &str,
        directory: &Path,
        options: StoreOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let lock = Arc::new(DirectoryLock::acquire(directory)?);
        let failure = Failure::default();
        let metadata = Postgres::open(url, options.durability, Arc::clone(&lock), failure.clone())?;
        Self::beside(Arc::new(metadata), directory, options, lock, failure, clock)
    }

    /// Joins a database with the blobs and logs in a directory.
    fn beside<D: Metadata + Queues + Mailboxes + Journals + 'static>(
        database: Arc<D>,
        directory: &Path,
        options: StoreOptions,
        lock: Arc<DirectoryLock>,
        failure: Failure,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let blobs = BlobFiles::open(&directory.join("blobs"), options.durability, Arc::clone(&lock), failure)?;
        let logs = LogFiles::open(&directory.join("logs"), options.logs, lock, clock)?;
        Ok(Self {
            queues: Arc::clone(&database) as _,
            mailboxes: Arc::clone(&database) as _,
            journals: Arc::clone(&database) as _,
            metadata: database,
            blobs: Arc::new(blobs),
            logs: Arc::new(logs),
        })
    }
}
