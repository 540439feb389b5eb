//! Connections for reading, which never wait for the writer (WAL) and never on an async thread.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::schema;
use crate::{StoreError, blocking, lock};

/// Reads that run at once; the others wait without holding a thread.
const READERS_MAX: usize = 8;

/// A pool that grows to [`READERS_MAX`].
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(Vec::new()), permits: Semaphore::new(READERS_MAX) }
    }

    /// Runs a read on a connection of its own.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        attempt: &'static str,
        query: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _permit = self.permits.acquire().await.map_err(|error| StoreError::storage(attempt, error))?;
        let readers = Arc::clone(self);
        blocking(attempt, move || {
            let connection = readers.take()?;
            let result = query(&connection);
            lock(&readers.idle).push(connection);
            result
        })
        .await
    }

    fn take(&self) -> Result<Connection, StoreError> {
        if let Some(connection) = lock(&self.idle).pop() {
            return Ok(connection);
        }
        schema::open_reader(&self.path)
            .map_err(|error| StoreError::storage(format!("open the database {}", self.path.display()), error))
    }
}
