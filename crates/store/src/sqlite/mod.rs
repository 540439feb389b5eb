//! Records in SQLite: one writer thread, readers beside it, watchers told after the commit.

mod journals;
mod letters;
mod messages;
mod readers;
mod schema;
mod taking;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tindra_core::clock::UnixMs;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::checksum;
use crate::directory_lock::DirectoryLock;
use crate::failure::Failure;
use crate::open::Durability;
use crate::watch::Watchers;
use crate::{
    Batch, BoxFuture, JournalBounds, Journals, Lapse, Lease, LeaseRequest, LeasedMessages, LetterCounts, MailWork,
    Mailboxes, Message, Metadata, Posted, QueueFigures, Queues, Receipt, Record, Standing, StoreError, TakeRequest,
    Taken, TakenLetter, Watch,
};
use readers::Readers;
use writer::{Alone, Commit, Reply, Request, Told, Writer};

/// The database inside the data directory.
const FILE_NAME: &str = "metadata.sqlite";
/// Commits that wait for the writer; beyond it, committers wait to queue.
const REQUESTS_MAX: usize = 1_024;

/// [`Metadata`] over one SQLite database in WAL mode.
#[derive(Debug)]
pub(crate) struct Sqlite {
    requests: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
    watchers: Watchers,
    mail_watchers: Watchers,
    readers: Arc<Readers>,
    failure: Failure,
    lock: Arc<DirectoryLock>,
}

impl Sqlite {
    pub(crate) fn open(
        directory: &Path,
        durability: Durability,
        lock: Arc<DirectoryLock>,
        failure: Failure,
    ) -> Result<Self, StoreError> {
        let path = directory.join(FILE_NAME);
        let connection = schema::open(&path, durability, lock.was_unclean())?;
        if durability == Durability::Full {
            crate::blob_files::sync_directory(directory)
                .map_err(|error| StoreError::storage(format!("make {} durable", path.display()), error))?;
        }
        let (requests, queue) = mpsc::channel(REQUESTS_MAX);
        let (watchers, mail_watchers) = (Watchers::new(), Watchers::new());
        let told = Told { records: watchers.clone(), mail: mail_watchers.clone() };
        let writer = Writer::new(connection, queue, told, failure.clone())
            .and_then(|writer| {
                std::thread::Builder::new().name("store-writer".into()).spawn(move || writer.run()).map_err(Into::into)
            })
            .map_err(|error| StoreError::storage(format!("start writing to {}", path.display()), error))?;
        let readers = Arc::new(Readers::new(path));
        Ok(Self { requests: Some(requests), writer: Some(writer), watchers, mail_watchers, readers, failure, lock })
    }

    /// Has the writer do something and waits for its answer.
    async fn ask<T>(&self, attempt: &'static str, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, StoreError> {
        let closed = || StoreError::storage(attempt, "its writer has ended");
        let (reply, outcome) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or_else(closed)?;
        requests.send(request(reply)).await.map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())?
    }

    async fn ask_alone<T>(
        &self,
        attempt: &'static str,
        request: impl FnOnce(Reply<T>) -> Alone,
    ) -> Result<T, StoreError> {
        self.ask(attempt, |reply| Request::Alone(request(reply))).await
    }
}

impl Metadata for Sqlite {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        let key = key.to_owned();
        Box::pin(self.readers.read("read a record", move |connection| get(connection, &key)))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        Box::pin(
            self.readers.read("list records", move |connection| list(connection, &prefix, after.as_deref(), limit)),
        )
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.ask("commit to the store", |reply| Request::Commit(Commit { batch, reply })))
    }

    fn watch(&self, prefix: &str) -> Watch {
        self.watchers.watch(prefix)
    }

    fn failed(&self) -> BoxFuture<'_, String> {
        Box::pin(self.failure.raised())
    }
}

impl Queues for Sqlite {
    fn lease(&self, request: LeaseRequest) -> BoxFuture<'_, Result<LeasedMessages, StoreError>> {
        Box::pin(self.ask_alone("lease messages", |reply| Alone::Lease(request, reply)))
    }

    fn renew(&self, leases: Vec<Lease>, lapse: Lapse) -> BoxFuture<'_, Result<Vec<Lease>, StoreError>> {
        Box::pin(self.ask_alone("renew leases", move |reply| Alone::Renew(leases, lapse, reply)))
    }

    fn queues<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<QueueFigures>, StoreError>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        Box::pin(
            self.readers
                .read("list queues", move |connection| messages::queues(connection, &prefix, after.as_deref(), limit)),
        )
    }

    fn peek<'a>(
        &'a self,
        queue: &'a str,
        after: Option<Uuid>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Message>, StoreError>> {
        let queue = queue.to_owned();
        Box::pin(
            self.readers.read("look at messages", move |connection| messages::peek(connection, &queue, after, limit)),
        )
    }

    fn make_due<'a>(
        &'a self,
        queue: &'a str,
        id: Option<Uuid>,
        due_ms: UnixMs,
        now_ms: UnixMs,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        let queue = queue.to_owned();
        Box::pin(self.ask_alone("make messages due", move |reply| Alone::MakeDue { queue, id, due_ms, now_ms, reply }))
    }

    fn purge<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<u64, StoreError>> {
        let prefix = prefix.to_owned();
        Box::pin(self.ask_alone("remove messages", move |reply| Alone::Purge { prefix, reply }))
    }
}

impl Mailboxes for Sqlite {
    fn take(&self, request: TakeRequest) -> BoxFuture<'_, Result<Taken, StoreError>> {
        Box::pin(self.ask("take letters", |reply| Request::Take(Box::new(request), reply)))
    }

    fn reread<'a>(
        &'a self,
        mailbox: &'a str,
        receipts: Vec<Receipt>,
    ) -> BoxFuture<'a, Result<Vec<TakenLetter>, StoreError>> {
        let mailbox = mailbox.to_owned();
        Box::pin(self.readers.read("read letters", move |connection| letters::reread(connection, &mailbox, &receipts)))
    }

    fn standings<'a>(&'a self, mailbox: &'a str, ids: Vec<Uuid>) -> BoxFuture<'a, Result<Vec<Standing>, StoreError>> {
        let mailbox = mailbox.to_owned();
        Box::pin(self.readers.read("look at letters", move |connection| letters::standings(connection, &mailbox, &ids)))
    }

    fn posted<'a>(&'a self, mailbox: &'a str, keys: Vec<String>) -> BoxFuture<'a, Result<Vec<Posted>, StoreError>> {
        let mailbox = mailbox.to_owned();
        Box::pin(self.readers.read("look at keys", move |connection| letters::posted(connection, &mailbox, &keys)))
    }

    fn counts<'a>(
        &'a self,
        mailbox: &'a str,
        now_ms: UnixMs,
        sent_after_ms: UnixMs,
    ) -> BoxFuture<'a, Result<LetterCounts, StoreError>> {
        let mailbox = mailbox.to_owned();
        Box::pin(
            self.readers
                .read("count letters", move |connection| letters::counts(connection, &mailbox, now_ms, sent_after_ms)),
        )
    }

    fn next_origin<'a>(
        &'a self,
        mailbox: &'a str,
        now_ms: UnixMs,
    ) -> BoxFuture<'a, Result<Option<Option<String>>, StoreError>> {
        let mailbox = mailbox.to_owned();
        Box::pin(
            self.readers.read("look at letters", move |connection| letters::next_origin(connection, &mailbox, now_ms)),
        )
    }

    fn newest<'a>(&'a self, mailbox: &'a str) -> BoxFuture<'a, Result<Option<u64>, StoreError>> {
        let mailbox = mailbox.to_owned();
        Box::pin(self.readers.read("look at letters", move |connection| letters::newest(connection, &mailbox)))
    }

    fn mailboxes<'a>(&'a self, after: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        let after = after.to_owned();
        Box::pin(self.readers.read("list mailboxes", move |connection| letters::mailboxes(connection, &after, limit)))
    }

    fn work(&self, work: MailWork) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.ask_alone("work on letters", |reply| Alone::Mail(work, reply)))
    }

    fn watch_mail(&self, prefix: &str) -> Watch {
        self.mail_watchers.watch(prefix)
    }
}

impl Journals for Sqlite {
    fn read<'a>(
        &'a self,
        journal: &'a str,
        from: u64,
        limit: usize,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<(u64, Bytes)>, StoreError>> {
        let journal = journal.to_owned();
        Box::pin(
            self.readers
                .read("read a journal", move |connection| journals::read(connection, &journal, from, limit, bytes_max)),
        )
    }

    fn bounds<'a>(&'a self, journal: &'a str) -> BoxFuture<'a, Result<JournalBounds, StoreError>> {
        let journal = journal.to_owned();
        Box::pin(self.readers.read("look at a journal", move |connection| journals::bounds(connection, &journal)))
    }

    fn names(&self) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        Box::pin(self.readers.read("list the journals", journals::names))
    }
}

impl Drop for Sqlite {
    /// Ends the writer after what it was already given, and marks the stop as clean.
    fn drop(&mut self) {
        self.requests = None;
        let ended = self.writer.take().is_none_or(|writer| writer.join().is_ok());
        if ended && !self.failure.is_raised() {
            self.lock.mark_clean();
        }
    }
}

fn get(connection: &Connection, key: &str) -> Result<Option<Record>, StoreError> {
    let row = connection
        .prepare_cached("SELECT key, value, revision, checksum FROM records WHERE key = ?1")
        .and_then(|mut statement| statement.query_row([key], stored).optional())
        .map_err(|error| StoreError::storage(format!("read the record {key}"), error))?;
    row.map(checked).transpose()
}

/// Records from `prefix` on, ended by the first key without it: an upper bound would need a string after all
/// that start with the prefix, which does not exist for every prefix.
fn list(connection: &Connection, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Record>, StoreError> {
    let failed = |error| StoreError::storage(format!("list the records under {prefix:?}"), error);
    let (sql, start) = match after {
        Some(after) if after >= prefix => (LIST_AFTER, after),
        _ => (LIST_FROM, prefix),
    };
    let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params![start, limit_rows]).map_err(failed)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let record = stored(row).map_err(failed)?;
        if !record.0.key.starts_with(prefix) {
            break;
        }
        records.push(checked(record)?);
    }
    Ok(records)
}

const LIST_FROM: &str = "SELECT key, value, revision, checksum FROM records WHERE key >= ?1 ORDER BY key LIMIT ?2";
const LIST_AFTER: &str = "SELECT key, value, revision, checksum FROM records WHERE key > ?1 ORDER BY key LIMIT ?2";

fn stored(row: &Row<'_>) -> rusqlite::Result<(Record, u32)> {
    let value: Vec<u8> = row.get(1)?;
    let revision: i64 = row.get(2)?;
    let record = Record { key: row.get(0)?, value: value.into(), revision: revision.unsigned_abs() };
    Ok((record, row.get(3)?))
}

/// SQLite does not checksum its pages, so each record carries its own.
fn checked((record, sum): (Record, u32)) -> Result<Record, StoreError> {
    if checksum::of_value(&record.key, &record.value, record.revision) == sum {
        return Ok(record);
    }
    let attempt = format!("read the record {}", record.key);
    Err(StoreError::storage(attempt, "its checksum does not match: the disk changed it; restore it from a backup"))
}
