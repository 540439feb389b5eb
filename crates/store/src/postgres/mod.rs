//! Records, messages and journals in PostgreSQL, shared by all servers that use the same database.
//!
//! Connections, the writer and the look-out for other servers' changes live on a thread of their own with a small
//! runtime, so that they belong to the store and not to whoever opened it: closing ends them all, after what was already
//! given to the writer.

mod address;
mod changes;
mod connection;
mod fault;
mod journals;
mod messages;
mod numbers;
mod plan;
mod pool;
mod records;
mod schema;
mod write;
mod writer;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use bytes::Bytes;
use tindra_core::clock::UnixMs;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::directory_lock::DirectoryLock;
use crate::failure::Failure;
use crate::open::Durability;
use crate::watch::Watchers;
use crate::{
    Batch, BoxFuture, JournalBounds, Journals, Lapse, Lease, LeaseRequest, LeasedMessages, Message, Metadata,
    QueueFigures, Queues, Record, StoreError, Watch,
};
use changes::Changes;
use connection::Connector;
use pool::Pool;
use writer::{Commit, Writer};

/// Commits that wait for the writer; beyond it, committers wait to queue.
const REQUESTS_MAX: usize = 1_024;

/// [`Metadata`], [`Queues`] and [`Journals`] over one PostgreSQL database.
#[derive(Debug)]
pub(crate) struct Postgres {
    requests: Option<mpsc::Sender<Commit>>,
    thread: Option<JoinHandle<()>>,
    watchers: Watchers,
    pool: Arc<Pool>,
    failure: Failure,
    lock: Arc<DirectoryLock>,
}

impl Postgres {
    /// Connects and brings the schema up to date. Blocks, for as long as the database takes to answer.
    pub(crate) fn open(
        url: &str,
        durability: Durability,
        lock: Arc<DirectoryLock>,
        failure: Failure,
    ) -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| StoreError::storage("start the thread for PostgreSQL", error);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let pool = Arc::new(Pool::new(Connector::new(url, durability, runtime.handle().clone())?));
        let (requests, queue) = mpsc::channel(REQUESTS_MAX);
        let watchers = Watchers::new();
        let parts = Parts { pool: Arc::clone(&pool), queue, watchers: watchers.clone(), failure: failure.clone() };
        let (told, outcome) = std::sync::mpsc::sync_channel(1);
        let work = move || live(&runtime, parts, &told);
        let thread = std::thread::Builder::new().name("store-postgres".into()).spawn(work).map_err(failed)?;
        let ended = |error| StoreError::storage("start the thread for PostgreSQL", error);
        outcome.recv().map_err(ended)??;
        Ok(Self { requests: Some(requests), thread: Some(thread), watchers, pool, failure, lock })
    }
}

struct Parts {
    pool: Arc<Pool>,
    queue: mpsc::Receiver<Commit>,
    watchers: Watchers,
    failure: Failure,
}

/// The life of the thread: opens, tells how that went, writes until the store is closed. The runtime ends with it, and
/// with that whatever else runs there.
fn live(runtime: &Runtime, parts: Parts, told: &std::sync::mpsc::SyncSender<Result<(), StoreError>>) {
    runtime.block_on(async {
        match prepare(parts).await {
            Ok((writer, changes)) => {
                drop(Handle::current().spawn(changes.run()));
                // Whoever opens waits for it.
                drop(told.send(Ok(())));
                writer.run().await;
            }
            Err(error) => drop(told.send(Err(error))),
        }
    });
}

async fn prepare(parts: Parts) -> Result<(Writer, Changes), StoreError> {
    let Parts { pool, queue, watchers, failure } = parts;
    let failed = |fault: fault::Fault| fault.into_error("open the store in PostgreSQL");
    let connection = pool.connector().connect_first().await.map_err(failed)?;
    schema::migrate(&connection, pool.connector()).await?;
    let seen = changes::newest(&connection).await.map_err(failed)?;
    let (origin, is_uncertain) = (Uuid::new_v4(), Arc::new(AtomicBool::new(false)));
    let changes = Changes {
        pool: Arc::clone(&pool),
        watchers: watchers.clone(),
        origin,
        is_uncertain: Arc::clone(&is_uncertain),
        seen,
    };
    Ok((Writer { pool, queue, watchers, failure, origin, is_uncertain, connection: Some(connection) }, changes))
}

impl Metadata for Postgres {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        Box::pin(self.pool.with("read a record", move |connection| records::get(connection, key)))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        Box::pin(async move {
            self.pool.with("list records", |connection| records::list(connection, prefix, after, limit)).await
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let closed = || StoreError::storage(writer::ATTEMPT, "its writer has ended; start the server again");
            let (reply, outcome) = oneshot::channel();
            let requests = self.requests.as_ref().ok_or_else(closed)?;
            requests.send(Commit { batch, reply }).await.map_err(|_| closed())?;
            outcome.await.map_err(|_| closed())?
        })
    }

    fn watch(&self, prefix: &str) -> Watch {
        self.watchers.watch(prefix)
    }

    /// The database may come back from anything, so this is about the disk with the blobs.
    fn failed(&self) -> BoxFuture<'_, String> {
        Box::pin(self.failure.raised())
    }
}

impl Queues for Postgres {
    fn lease(&self, request: LeaseRequest) -> BoxFuture<'_, Result<LeasedMessages, StoreError>> {
        Box::pin(
            async move { self.pool.with("lease messages", |connection| messages::lease(connection, &request)).await },
        )
    }

    fn renew(&self, leases: Vec<Lease>, lapse: Lapse) -> BoxFuture<'_, Result<Vec<Lease>, StoreError>> {
        Box::pin(async move {
            self.pool.with("renew leases", |connection| messages::renew(connection, &leases, lapse)).await
        })
    }

    fn queues<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<QueueFigures>, StoreError>> {
        Box::pin(async move {
            self.pool.with("list queues", |connection| messages::queues(connection, prefix, after, limit)).await
        })
    }

    fn peek<'a>(
        &'a self,
        queue: &'a str,
        after: Option<Uuid>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Message>, StoreError>> {
        Box::pin(async move {
            self.pool.with("look at messages", |connection| messages::peek(connection, queue, after, limit)).await
        })
    }

    fn make_due<'a>(
        &'a self,
        queue: &'a str,
        id: Option<Uuid>,
        due_ms: UnixMs,
        now_ms: UnixMs,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            self.pool
                .with("make messages due", |connection| messages::make_due(connection, queue, id, due_ms, now_ms))
                .await
        })
    }

    fn purge<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(self.pool.with("remove messages", move |connection| messages::purge(connection, prefix)))
    }
}

impl Journals for Postgres {
    fn read<'a>(
        &'a self,
        journal: &'a str,
        from: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<(u64, Bytes)>, StoreError>> {
        Box::pin(async move {
            self.pool.with("read a journal", |connection| journals::read(connection, journal, from, limit)).await
        })
    }

    fn bounds<'a>(&'a self, journal: &'a str) -> BoxFuture<'a, Result<JournalBounds, StoreError>> {
        Box::pin(async move {
            self.pool.with("look at a journal", |connection| journals::bounds(connection, journal)).await
        })
    }
}

impl Drop for Postgres {
    /// Ends the writer after what it was already given, and with it everything on its thread.
    fn drop(&mut self) {
        self.requests = None;
        let ended = self.thread.take().is_none_or(|thread| thread.join().is_ok());
        if ended && !self.failure.is_raised() {
            self.lock.mark_clean();
        }
    }
}
