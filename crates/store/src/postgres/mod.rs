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
mod letters;
mod mail;
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
    Batch, BoxFuture, JournalBounds, Journals, Lapse, Lease, LeaseRequest, LeasedMessages, LetterCounts, MailWork,
    Mailboxes, Message, Metadata, Posted, QueueFigures, Queues, Receipt, Record, Standing, StoreError, TakeRequest,
    Taken, TakenLetter, Watch,
};
use changes::Changes;
use connection::Connector;
use pool::Pool;
use writer::{Commit, Told, Writer};

/// Commits that wait for the writer; beyond it, committers wait to queue.
const REQUESTS_MAX: usize = 1_024;

/// [`Metadata`], [`Queues`] and [`Journals`] over one PostgreSQL database.
#[derive(Debug)]
pub(crate) struct Postgres {
    requests: Option<mpsc::Sender<Commit>>,
    thread: Option<JoinHandle<()>>,
    watchers: Watchers,
    mail_watchers: Watchers,
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
        let (watchers, mail_watchers) = (Watchers::new(), Watchers::new());
        let told = Told { records: watchers.clone(), mail: mail_watchers.clone() };
        let parts = Parts { pool: Arc::clone(&pool), queue, told, failure: failure.clone() };
        let (told, outcome) = std::sync::mpsc::sync_channel(1);
        let work = move || live(&runtime, parts, &told);
        let thread = std::thread::Builder::new().name("store-postgres".into()).spawn(work).map_err(failed)?;
        let ended = |error| StoreError::storage("start the thread for PostgreSQL", error);
        outcome.recv().map_err(ended)??;
        Ok(Self { requests: Some(requests), thread: Some(thread), watchers, mail_watchers, pool, failure, lock })
    }
}

struct Parts {
    pool: Arc<Pool>,
    queue: mpsc::Receiver<Commit>,
    told: Told,
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
    let Parts { pool, queue, told, failure } = parts;
    let failed = |fault: fault::Fault| fault.into_error("open the store in PostgreSQL");
    let connection = pool.connector().connect_first().await.map_err(failed)?;
    schema::migrate(&connection, pool.connector()).await?;
    let seen = changes::newest(&connection).await.map_err(failed)?;
    let (origin, is_uncertain) = (Uuid::new_v4(), Arc::new(AtomicBool::new(false)));
    let changes =
        Changes { pool: Arc::clone(&pool), told: told.clone(), origin, is_uncertain: Arc::clone(&is_uncertain), seen };
    Ok((Writer { pool, queue, told, failure, origin, is_uncertain, connection: Some(connection) }, changes))
}

impl Metadata for Postgres {
    fn is_shared(&self) -> bool {
        true
    }

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

impl Mailboxes for Postgres {
    fn take(&self, request: TakeRequest) -> BoxFuture<'_, Result<Taken, StoreError>> {
        Box::pin(async move {
            let taken = self.pool.with("take letters", |connection| letters::take(connection, &request)).await;
            let (taken, has_overflown) = taken?;
            if let (true, Some(overflow)) = (has_overflown, request.overflow) {
                self.mail_watchers.announce(vec![overflow.mailbox]);
            }
            Ok(taken)
        })
    }

    fn reread<'a>(
        &'a self,
        mailbox: &'a str,
        receipts: Vec<Receipt>,
    ) -> BoxFuture<'a, Result<Vec<TakenLetter>, StoreError>> {
        Box::pin(async move {
            self.pool.with("read letters", |connection| letters::reread(connection, mailbox, &receipts)).await
        })
    }

    fn standings<'a>(&'a self, mailbox: &'a str, ids: Vec<Uuid>) -> BoxFuture<'a, Result<Vec<Standing>, StoreError>> {
        Box::pin(async move {
            self.pool.with("look at letters", |connection| letters::standings(connection, mailbox, &ids)).await
        })
    }

    fn posted<'a>(&'a self, mailbox: &'a str, keys: Vec<String>) -> BoxFuture<'a, Result<Vec<Posted>, StoreError>> {
        Box::pin(async move {
            self.pool.with("look at keys", |connection| letters::posted(connection, mailbox, &keys)).await
        })
    }

    fn counts<'a>(
        &'a self,
        mailbox: &'a str,
        now_ms: UnixMs,
        sent_after_ms: UnixMs,
    ) -> BoxFuture<'a, Result<LetterCounts, StoreError>> {
        Box::pin(
            self.pool
                .with("count letters", move |connection| letters::counts(connection, mailbox, now_ms, sent_after_ms)),
        )
    }

    fn next_origin<'a>(
        &'a self,
        mailbox: &'a str,
        now_ms: UnixMs,
    ) -> BoxFuture<'a, Result<Option<Option<String>>, StoreError>> {
        Box::pin(self.pool.with("look at letters", move |connection| letters::next_origin(connection, mailbox, now_ms)))
    }

    fn newest<'a>(&'a self, mailbox: &'a str) -> BoxFuture<'a, Result<Option<u64>, StoreError>> {
        Box::pin(self.pool.with("look at letters", move |connection| letters::newest(connection, mailbox)))
    }

    fn mailboxes<'a>(&'a self, after: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        Box::pin(self.pool.with("list mailboxes", move |connection| letters::mailboxes(connection, after, limit)))
    }

    fn work(&self, work: MailWork) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let done = self.pool.with("work on letters", |connection| letters::work(connection, &work)).await?;
            if let (MailWork::Redirect { to, .. }, 1..) = (work, done) {
                self.mail_watchers.announce(vec![to]);
            }
            Ok(done)
        })
    }

    fn watch_mail(&self, prefix: &str) -> Watch {
        self.mail_watchers.watch(prefix)
    }
}

impl Journals for Postgres {
    fn read<'a>(
        &'a self,
        journal: &'a str,
        from: u64,
        limit: usize,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<(u64, Bytes)>, StoreError>> {
        Box::pin(async move {
            self.pool
                .with("read a journal", |connection| journals::read(connection, journal, from, limit, bytes_max))
                .await
        })
    }

    fn bounds<'a>(&'a self, journal: &'a str) -> BoxFuture<'a, Result<JournalBounds, StoreError>> {
        Box::pin(async move {
            self.pool.with("look at a journal", |connection| journals::bounds(connection, journal)).await
        })
    }

    fn names(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        Box::pin(self.pool.with("list the journals", journals::names))
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
