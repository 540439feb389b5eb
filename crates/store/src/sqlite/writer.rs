//! The one thread that writes: whatever waits while the disk is busy shares the next transaction.
//!
//! A lone commit is not made to wait for company. While its fsync runs (about 4 ms on the disks that we
//! measured) others queue up, and all of them, up to [`GROUP_MAX`], are the next transaction: one fsync.

use rusqlite::{Connection, ErrorCode, OptionalExtension, Savepoint, TransactionBehavior, ffi, params};
use tindra_core::clock::UnixMs;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::messages::Held;
use super::{journals, messages};
use crate::checksum;
use crate::failure::Failure;
use crate::watch::Watchers;
use crate::{Batch, Change, Lapse, Lease, LeaseRequest, LeasedMessages, Precondition, StoreError};

/// Batches of one transaction, so that the first of them does not wait for long.
const GROUP_MAX: usize = 512;
const ATTEMPT: &str = "commit to the store";

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Request {
    /// A batch, which may share its transaction with others.
    Commit(Commit),
    /// What needs the writer to itself.
    Alone(Alone),
}

/// A batch and where its outcome goes.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) batch: Batch,
    pub(super) reply: Reply<u64>,
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Work on messages between two transactions.
#[derive(Debug)]
pub(super) enum Alone {
    Lease(LeaseRequest, Reply<LeasedMessages>),
    Renew(Vec<Lease>, Lapse, Reply<Vec<Lease>>),
    MakeDue { queue: String, id: Option<Uuid>, due_ms: UnixMs, now_ms: UnixMs, reply: Reply<u64> },
    Purge { prefix: String, reply: Reply<u64> },
}

/// What became of a batch.
struct Written {
    revision: u64,
    /// Of each change of a message, whether it changed anything.
    messages: Vec<bool>,
}

/// Why a batch was left out of its group.
pub(super) enum Refusal {
    Conflict(String),
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// The thread's state.
#[derive(Debug)]
pub(super) struct Writer {
    connection: Connection,
    queue: mpsc::Receiver<Request>,
    watchers: Watchers,
    failure: Failure,
    revision: u64,
    held: Held,
    /// Arrived behind a group that it could not be a part of.
    next: Option<Request>,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        queue: mpsc::Receiver<Request>,
        watchers: Watchers,
        failure: Failure,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let revision: i64 = connection.query_row("SELECT revision FROM counter", [], |row| row.get(0))?;
        let revision = u64::try_from(revision)?;
        Ok(Self { connection, queue, watchers, failure, revision, held: Held::default(), next: None })
    }

    /// Serves until every sender is gone and the queue is empty.
    pub(super) fn run(mut self) {
        while self.serve_next() {}
    }

    /// Waits for a request and serves it; a commit with those that wait behind it, up to [`GROUP_MAX`]. `false` at the end.
    pub(super) fn serve_next(&mut self) -> bool {
        let Some(first) = self.next.take().or_else(|| self.queue.blocking_recv()) else { return false };
        let first = match first {
            Request::Commit(commit) => commit,
            Request::Alone(alone) => {
                self.serve_alone(alone);
                return true;
            }
        };
        let mut group = vec![first];
        while group.len() < GROUP_MAX
            && let Ok(next) = self.queue.try_recv()
        {
            match next {
                Request::Commit(commit) => group.push(commit),
                Request::Alone(_) => {
                    self.next = Some(next);
                    break;
                }
            }
        }
        self.serve(group);
        true
    }

    /// Nobody waits for an answer that cannot be sent.
    fn serve_alone(&mut self, alone: Alone) {
        match alone {
            Alone::Lease(request, reply) => {
                drop(reply.send(messages::lease(&self.connection, &mut self.held, &request)));
            }
            Alone::Renew(leases, lapse, reply) => drop(reply.send(Ok(self.held.renew(&leases, lapse)))),
            Alone::MakeDue { queue, id, due_ms, now_ms, reply } => {
                let made = self.in_transaction(|connection, held| {
                    messages::make_due(connection, held, &queue, id, due_ms, now_ms)
                });
                drop(reply.send(made));
            }
            Alone::Purge { prefix, reply } => {
                drop(reply.send(self.in_transaction(|connection, held| messages::purge(connection, held, &prefix))));
            }
        }
    }

    fn in_transaction<T>(
        &mut self,
        work: impl FnOnce(&Connection, &mut Held) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.failure.check(ATTEMPT)?;
        let done = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
            let done = work(&transaction, &mut self.held)?;
            transaction.commit().map(|()| done)
        });
        done.map_err(|error| refused(&self.failure, error))
    }

    fn serve(&mut self, group: Vec<Commit>) {
        let outcomes = match self.failure.check(ATTEMPT) {
            Err(refusal) => Err(cause_of(&refusal)),
            Ok(()) => self.write(&group).map_err(|error| cause_of(&refused(&self.failure, error))),
        };
        match outcomes {
            Ok(outcomes) => {
                for (request, outcome) in group.into_iter().zip(outcomes) {
                    if let Ok(written) = &outcome {
                        let effective = request.batch.messages.iter().zip(&written.messages).filter(|(_, done)| **done);
                        effective.for_each(|(change, _)| self.held.settle(change));
                        self.announce(&request.batch);
                    }
                    drop(request.reply.send(outcome.map(|written| written.revision)));
                }
            }
            Err(cause) => {
                for request in group {
                    drop(request.reply.send(Err(StoreError::storage(ATTEMPT, cause.clone()))));
                }
            }
        }
    }

    /// One transaction for the whole group. An error means that nothing of it was written; a batch that is
    /// refused alone has its error in its own place.
    fn write(&mut self, group: &[Commit]) -> rusqlite::Result<Vec<Result<Written, StoreError>>> {
        let mut transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut revision = self.revision;
        let mut outcomes = Vec::with_capacity(group.len());
        for request in group {
            let savepoint = transaction.savepoint()?;
            match apply(&savepoint, &self.held, &request.batch, revision + 1) {
                Ok(messages) => {
                    savepoint.commit()?;
                    revision += 1;
                    outcomes.push(Ok(Written { revision, messages }));
                }
                Err(Refusal::Conflict(key)) => outcomes.push(Err(StoreError::Conflict { key })),
                Err(Refusal::Database(error)) if concerns_all(&error) || savepoint.is_autocommit() => {
                    return Err(error);
                }
                Err(Refusal::Database(error)) => outcomes.push(Err(StoreError::storage(ATTEMPT, error))),
            }
        }
        if revision > self.revision {
            transaction.prepare_cached("UPDATE counter SET revision = ?1")?.execute([signed(revision)])?;
        }
        transaction.commit()?;
        self.revision = revision;
        Ok(outcomes)
    }

    fn announce(&self, batch: &Batch) {
        self.watchers.announce(batch.changes.iter().map(|change| change.key.clone()).collect());
    }
}

/// Checks every precondition against the state before the batch, then writes. Returns what [`Written::messages`] is.
fn apply(savepoint: &Savepoint<'_>, held: &Held, batch: &Batch, revision: u64) -> Result<Vec<bool>, Refusal> {
    for change in &batch.changes {
        if !holds(savepoint, change)? {
            return Err(Refusal::Conflict(change.key.clone()));
        }
    }
    for change in &batch.changes {
        match &change.value {
            Some(value) => {
                let sum = checksum::of_value(&change.key, value, revision);
                savepoint.prepare_cached(PUT)?.execute(params![change.key, &value[..], signed(revision), sum])?
            }
            None => savepoint.prepare_cached("DELETE FROM records WHERE key = ?1")?.execute([&change.key])?,
        };
    }
    let messages = batch.messages.iter().map(|change| messages::apply(savepoint, held, change));
    let messages = messages.collect::<Result<Vec<bool>, Refusal>>()?;
    batch.journals.iter().try_for_each(|change| journals::apply(savepoint, change))?;
    Ok(messages)
}

const PUT: &str = "INSERT INTO records (key, value, revision, checksum) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (key) DO UPDATE SET value = ?2, revision = ?3, checksum = ?4";

fn holds(savepoint: &Savepoint<'_>, change: &Change) -> rusqlite::Result<bool> {
    if change.precondition == Precondition::None {
        return Ok(true);
    }
    let current: Option<i64> = savepoint
        .prepare_cached("SELECT revision FROM records WHERE key = ?1")?
        .query_row([&change.key], |row| row.get(0))
        .optional()?;
    Ok(match change.precondition {
        Precondition::None => true,
        Precondition::Absent => current.is_none(),
        Precondition::Revision(expected) => current == Some(signed(expected)),
    })
}

/// SQLite's integers are signed; counters and times do not live to see the difference.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The error of what was not written; marks the store as failed when nothing more can be.
fn refused(failure: &Failure, error: rusqlite::Error) -> StoreError {
    if is_final(&error) {
        failure.raise(ATTEMPT, &error);
    }
    StoreError::storage(ATTEMPT, error)
}

/// The disk failed or turned read-only: see [`crate::failure`]. A full disk is not final.
fn is_final(error: &rusqlite::Error) -> bool {
    match error.sqlite_error() {
        Some(cause) => match cause.code {
            ErrorCode::SystemIoFailure => {
                !matches!(cause.extended_code, ffi::SQLITE_IOERR_NOMEM | ffi::SQLITE_IOERR_SHMSIZE)
            }
            ErrorCode::ReadOnly => true,
            _ => false,
        },
        None => false,
    }
}

/// Errors after which the rest of the group cannot be written either.
fn concerns_all(error: &rusqlite::Error) -> bool {
    is_final(error)
        || matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DiskFull | ErrorCode::OutOfMemory | ErrorCode::CannotOpen)
        )
}

fn cause_of(error: &StoreError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
