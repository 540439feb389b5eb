//! Connections for everything but commits: as many as are used at once, up to a bound.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::connection::{Connection, Connector};
use super::fault::Fault;
use crate::{StoreError, lock};

/// Work at once; the rest waits for its turn.
const CONNECTIONS_MAX: usize = 8;
/// For a piece of work with everything that it waits for.
pub(super) const WORK_TIME_MAX: Duration = Duration::from_secs(10);
/// Tries of work that collided with other work or met a connection that had broken while it was idle.
pub(super) const TRIES_MAX: usize = 5;

/// A pool that grows to [`CONNECTIONS_MAX`].
#[derive(Debug)]
pub(super) struct Pool {
    connector: Connector,
    idle: Mutex<Vec<Arc<Connection>>>,
    permits: Semaphore,
}

impl Pool {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, idle: Mutex::default(), permits: Semaphore::new(CONNECTIONS_MAX) }
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Does work on a connection, again when it collided with other work: it must be harmless to do twice. A connection
    /// on which it failed, or was given up, is not used again.
    pub(super) async fn with<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        attempt: &str,
        work: impl Fn(Arc<Connection>) -> F,
    ) -> Result<T, StoreError> {
        match timeout(WORK_TIME_MAX, self.try_with(work)).await {
            Ok(done) => done.map_err(|fault| fault.into_error(attempt)),
            Err(_) => {
                let cause = format!(
                    "the database {} did not answer within {} s; see how busy it is",
                    self.connector.shown(),
                    WORK_TIME_MAX.as_secs()
                );
                Err(StoreError::storage(attempt, cause))
            }
        }
    }

    async fn try_with<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        work: impl Fn(Arc<Connection>) -> F,
    ) -> Result<T, Fault> {
        let _permit = self.permits.acquire().await.map_err(|error| Fault::Away(error.to_string()))?;
        let mut tries = 0;
        loop {
            tries += 1;
            let idle = self.take();
            let was_idle = idle.is_some();
            let connection = match idle {
                Some(connection) => connection,
                None => self.connector.connect().await?,
            };
            match work(Arc::clone(&connection)).await {
                Ok(done) => {
                    lock(&self.idle).push(connection);
                    return Ok(done);
                }
                Err(fault) if tries < TRIES_MAX && fault.is_collision() => {}
                // When one has broken, the others have, too.
                Err(fault) if was_idle && fault.is_broken_connection() => lock(&self.idle).clear(),
                Err(fault) => return Err(fault),
            }
        }
    }

    fn take(&self) -> Option<Arc<Connection>> {
        let mut idle = lock(&self.idle);
        idle.retain(|connection| !connection.is_closed());
        idle.pop()
    }
}
