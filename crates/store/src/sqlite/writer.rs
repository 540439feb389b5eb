//! The one thread that writes: whatever waits while the disk is busy shares the next transaction.
//!
//! A lone commit is not made to wait for company. While its fsync runs (about 4 ms on the disks that we
//! measured) others queue up, and all of them, up to [`GROUP_MAX`], are the next transaction: one fsync.

use rusqlite::{Connection, ErrorCode, OptionalExtension, Savepoint, TransactionBehavior, ffi, params};
use tindra_core::clock::UnixMs;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::messages::Held;
use super::{journals, letters, messages, taking};
use crate::checksum;
use crate::failure::Failure;
use crate::watch::Watchers;
use crate::{
    Batch, Change, Lapse, Lease, LeaseRequest, LeasedMessages, MailChange, MailWork, Precondition, StoreError,
    TakeRequest, Taken,
};

/// Batches of one transaction, so that the first of them does not wait for long.
const GROUP_MAX: usize = 512;
const ATTEMPT: &str = "commit to the store";

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Request {
    /// A batch, which may share its transaction with others.
    Commit(Commit),
    /// Letters, in a transaction that may be shared, too.
    Take(Box<TakeRequest>, Reply<Taken>),
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
    Mail(MailWork, Reply<u64>),
}

/// Who is told of what was written.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) records: Watchers,
    pub(super) mail: Watchers,
}

/// A part of a shared transaction.
enum Shared {
    Commit(Commit),
    Take(Box<TakeRequest>, Reply<Taken>),
}

/// What became of it.
enum Outcome {
    Commit(Result<Written, StoreError>),
    /// Also whether letters went to the mailbox for those that overflow.
    Take(Result<(Taken, bool), StoreError>),
}

/// What became of a batch.
struct Written {
    revision: u64,
    /// Of each change of a message, whether it changed anything.
    messages: Vec<bool>,
    /// Mailboxes in which a letter may be there earlier than was known.
    mailboxes: Vec<String>,
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
    told: Told,
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
        told: Told,
        failure: Failure,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let revision: i64 = connection.query_row("SELECT revision FROM counter", [], |row| row.get(0))?;
        let revision = u64::try_from(revision)?;
        Ok(Self { connection, queue, told, failure, revision, held: Held::default(), next: None })
    }

    /// Serves until every sender is gone and the queue is empty.
    pub(super) fn run(mut self) {
        while self.serve_next() {}
    }

    /// Waits for a request and serves it; a commit with those that wait behind it, up to [`GROUP_MAX`]. `false` at the end.
    pub(super) fn serve_next(&mut self) -> bool {
        let Some(first) = self.next.take().or_else(|| self.queue.blocking_recv()) else { return false };
        let first = match shared(first) {
            Ok(first) => first,
            Err(alone) => {
                self.serve_alone(alone);
                return true;
            }
        };
        let mut group = vec![first];
        while group.len() < GROUP_MAX
            && let Ok(next) = self.queue.try_recv()
        {
            match shared(next) {
                Ok(next) => group.push(next),
                Err(alone) => {
                    self.next = Some(Request::Alone(alone));
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
            Alone::Mail(work, reply) => {
                let done = self.in_transaction(|connection, _| taking::work(connection, &work));
                if let (MailWork::Redirect { to, .. }, Ok(1..)) = (&work, &done) {
                    self.told.mail.announce(vec![to.clone()]);
                }
                drop(reply.send(done));
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

    fn serve(&mut self, group: Vec<Shared>) {
        let outcomes = match self.failure.check(ATTEMPT) {
            Err(refusal) => Err(cause_of(&refusal)),
            Ok(()) => self.write(&group).map_err(|error| cause_of(&refused(&self.failure, error))),
        };
        match outcomes {
            Ok(outcomes) => {
                group.into_iter().zip(outcomes).for_each(|(request, outcome)| self.answer(request, outcome))
            }
            Err(cause) => {
                for request in group {
                    let error = StoreError::storage(ATTEMPT, cause.clone());
                    match request {
                        Shared::Commit(commit) => drop(commit.reply.send(Err(error))),
                        Shared::Take(_, reply) => drop(reply.send(Err(error))),
                    }
                }
            }
        }
    }

    fn answer(&mut self, request: Shared, outcome: Outcome) {
        match (request, outcome) {
            (Shared::Commit(Commit { batch, reply }), Outcome::Commit(outcome)) => {
                let outcome = outcome.map(|written| {
                    let effective = batch.messages.iter().zip(&written.messages).filter(|(_, done)| **done);
                    effective.for_each(|(change, _)| self.held.settle(change));
                    self.told.records.announce(batch.changes.into_iter().map(|change| change.key).collect());
                    self.told.mail.announce(written.mailboxes);
                    written.revision
                });
                drop(reply.send(outcome));
            }
            (Shared::Take(request, reply), Outcome::Take(outcome)) => {
                let taken = outcome.map(|(taken, has_overflown)| {
                    if let (true, Some(overflow)) = (has_overflown, request.overflow) {
                        self.told.mail.announce(vec![overflow.mailbox]);
                    }
                    taken
                });
                drop(reply.send(taken));
            }
            // An outcome is of the kind of its request.
            (Shared::Commit(_), Outcome::Take(_)) | (Shared::Take(..), Outcome::Commit(_)) => {}
        }
    }

    /// One transaction for the whole group. An error means that nothing of it was written; a part that is
    /// refused alone has its error in its own place.
    fn write(&mut self, group: &[Shared]) -> rusqlite::Result<Vec<Outcome>> {
        let mut transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut revision = self.revision;
        let mut outcomes = Vec::with_capacity(group.len());
        for request in group {
            let savepoint = transaction.savepoint()?;
            let done = match request {
                Shared::Commit(commit) => apply(&savepoint, &self.held, &commit.batch, revision + 1).map(|written| {
                    revision += 1;
                    Outcome::Commit(Ok(written))
                }),
                Shared::Take(request, _) => {
                    taking::take(&savepoint, request).map(|taken| Outcome::Take(Ok(taken))).map_err(Refusal::from)
                }
            };
            let error = match done {
                Ok(outcome) => {
                    savepoint.commit()?;
                    outcomes.push(outcome);
                    continue;
                }
                Err(Refusal::Conflict(key)) => StoreError::Conflict { key },
                Err(Refusal::Database(error)) if concerns_all(&error) || savepoint.is_autocommit() => {
                    return Err(error);
                }
                Err(Refusal::Database(error)) => StoreError::storage(ATTEMPT, error),
            };
            outcomes.push(match request {
                Shared::Commit(_) => Outcome::Commit(Err(error)),
                Shared::Take(..) => Outcome::Take(Err(error)),
            });
        }
        if revision > self.revision {
            transaction.prepare_cached("UPDATE counter SET revision = ?1")?.execute([signed(revision)])?;
        }
        transaction.commit()?;
        self.revision = revision;
        Ok(outcomes)
    }
}

/// What may share a transaction, or what may not.
fn shared(request: Request) -> Result<Shared, Alone> {
    match request {
        Request::Commit(commit) => Ok(Shared::Commit(commit)),
        Request::Take(request, reply) => Ok(Shared::Take(request, reply)),
        Request::Alone(alone) => Err(alone),
    }
}

/// Checks every precondition against the state before the batch, then writes.
fn apply(savepoint: &Savepoint<'_>, held: &Held, batch: &Batch, revision: u64) -> Result<Written, Refusal> {
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
    let mut mailboxes: Vec<String> = Vec::new();
    for change in &batch.mail {
        let (MailChange::Post { letter: crate::Letter { mailbox, .. }, .. }
        | MailChange::Remove { mailbox, .. }
        | MailChange::Hide { mailbox, .. }) = change;
        if letters::apply(savepoint, change)? && !mailboxes.contains(mailbox) {
            mailboxes.push(mailbox.clone());
        }
    }
    Ok(Written { revision, messages, mailboxes })
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
