//! The one task that commits: whatever waits while the database is busy shares the next transaction.
//!
//! A transaction begins with the row `counter`, locks it until it ends, and so has the database to itself among writers
//! of records, messages and journals, whichever server they are on. What it then reads is what the last one left, so
//! preconditions need no other guard; revisions become visible in their order, which is what [`super::changes`]
//! relies on; and a server that is far behind cannot be overtaken by its own retries, as it could be with optimistic
//! transactions. The price is that groups of several servers come one after the other, which costs each a sync of
//! the database, as on one machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::connection::{Committed, Connection};
use super::fault::{Fault, chain};
use super::numbers::{signed, unsigned};
use super::plan::Plan;
use super::pool::{Pool, TRIES_MAX, WORK_TIME_MAX};
use super::{mail, write};
use crate::failure::Failure;
use crate::watch::Watchers;
use crate::{Batch, JournalChange, MailChange, MessageChange, StoreError};

/// Batches of one transaction, so that the first of them does not wait for long.
const GROUP_MAX: usize = 512;
/// No further batch once a group has as many bytes: it travels in a few messages, whose length PostgreSQL bounds.
const GROUP_BYTES_MAX: usize = 16 << 20;
/// A commit that takes longer has an unknown outcome. A synchronous standby may be slow.
const COMMIT_TIME_MAX: Duration = Duration::from_secs(15);
/// Changed keys are kept for as many revisions; who is further behind lists again.
const CHANGES_KEPT: u64 = 10_000;
/// They are trimmed when a multiple of it is reached.
const TRIM_EACH: u64 = 1_000;

pub(super) const ATTEMPT: &str = "commit to the store";

/// Takes the lock and the revisions of a whole group.
const LOCK: &str = "UPDATE counter SET revision = revision + $1 WHERE id = 0 RETURNING revision";
const TRIM: &str = "DELETE FROM changes WHERE revision <= $1";
const TRIMMED: &str = "UPDATE counter SET trimmed = $1 WHERE id = 0 AND trimmed < $1";

/// A batch and where its outcome goes.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) batch: Batch,
    pub(super) reply: oneshot::Sender<Result<u64, StoreError>>,
}

/// Who is told of what was written.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) records: Watchers,
    pub(super) mail: Watchers,
}

impl Told {
    /// Anything may have changed.
    pub(super) fn announce_anything(&self) {
        self.records.announce_anything();
        self.mail.announce_anything();
    }
}

/// The outcomes of a group, and the mailboxes in which a letter may be there earlier than was known.
type Written = (Vec<Outcome>, Vec<String>);

/// The outcome of a batch by itself: its revision, or what a conflict names.
type Outcome = Result<u64, String>;

/// Why a group has no outcomes.
enum Lost {
    /// Nothing was written.
    Nothing(Fault),
    /// Everything or nothing was.
    Unknown(String),
}

impl From<Fault> for Lost {
    fn from(fault: Fault) -> Self {
        Self::Nothing(fault)
    }
}

/// The task's state.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) pool: Arc<Pool>,
    pub(super) queue: mpsc::Receiver<Commit>,
    pub(super) told: Told,
    pub(super) failure: Failure,
    /// Marks the changes of this process, which it announces itself.
    pub(super) origin: Uuid,
    /// Set when a commit has an unknown outcome, which nobody has been told of.
    pub(super) is_uncertain: Arc<AtomicBool>,
    pub(super) connection: Option<Arc<Connection>>,
}

impl Writer {
    /// Serves until every sender is gone and the queue is empty.
    pub(super) async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let mut bytes = bytes_of(&first.batch);
            let mut group = vec![first];
            while group.len() < GROUP_MAX
                && bytes < GROUP_BYTES_MAX
                && let Ok(next) = self.queue.try_recv()
            {
                bytes += bytes_of(&next.batch);
                group.push(next);
            }
            if let Some(each) = self.serve(group).await {
                for commit in each {
                    drop(self.serve(vec![commit]).await);
                }
            }
        }
    }

    /// Serves a group; gives it back when one of its batches spoils it and each should be tried by itself.
    async fn serve(&mut self, group: Vec<Commit>) -> Option<Vec<Commit>> {
        if let Err(refusal) = self.failure.check(ATTEMPT) {
            let cause = std::error::Error::source(&refusal).map(ToString::to_string).unwrap_or_default();
            answer_all(group, || StoreError::storage(ATTEMPT, cause.clone()));
            return None;
        }
        let batches: Vec<&Batch> = group.iter().map(|commit| &commit.batch).collect();
        match self.write(&batches).await {
            Ok((outcomes, mailboxes)) => {
                self.told.mail.announce(mailboxes);
                for (commit, outcome) in group.into_iter().zip(outcomes) {
                    if outcome.is_ok() {
                        self.told.records.announce(commit.batch.changes.into_iter().map(|change| change.key).collect());
                    }
                    // Nobody waits for an answer that cannot be sent.
                    drop(commit.reply.send(outcome.map_err(|key| StoreError::Conflict { key })));
                }
            }
            Err(Lost::Nothing(fault)) if group.len() > 1 && fault.is_of_the_statement() => return Some(group),
            Err(Lost::Nothing(fault)) => {
                let cause = fault.describe();
                answer_all(group, || StoreError::storage(ATTEMPT, cause.clone()));
            }
            Err(Lost::Unknown(cause)) => {
                tracing::warn!(cause, commits = group.len(), "it is not known whether the last commits were made");
                self.is_uncertain.store(true, Ordering::Release);
                answer_all(group, || StoreError::OutcomeUnknown { source: cause.clone().into() });
            }
        }
        None
    }

    /// One transaction for the whole group, again as long as it is certain that nothing was written and another try
    /// may fare better.
    async fn write(&mut self, batches: &[&Batch]) -> Result<Written, Lost> {
        let mut tries = 0;
        loop {
            tries += 1;
            let idle = self.connection.take().filter(|connection| !connection.is_closed());
            let was_idle = idle.is_some();
            let connection = match idle {
                Some(connection) => connection,
                None => self.pool.connector().connect().await?,
            };
            let written = timeout(WORK_TIME_MAX, write_group(&connection, batches, self.origin)).await;
            let fault = match written {
                Ok(Ok(written)) => return self.end(connection, written).await,
                Ok(Err(fault)) => fault,
                Err(_) => {
                    let database = self.pool.connector().shown();
                    let seconds = WORK_TIME_MAX.as_secs();
                    let text = format!("the database {database} did not answer within {seconds} s; see how busy it is");
                    return Err(Fault::Away(text).into());
                }
            };
            if fault.is_broken_connection() && was_idle {
                continue;
            }
            if !fault.is_broken_connection() && connection.run("ROLLBACK").await.is_ok() {
                self.connection = Some(connection);
            }
            if tries == TRIES_MAX || !fault.is_collision() {
                return Err(fault.into());
            }
        }
    }

    /// Commits, unless every batch was refused.
    async fn end(&mut self, connection: Arc<Connection>, written: Written) -> Result<Written, Lost> {
        if written.0.iter().all(Result::is_err) {
            if connection.run("ROLLBACK").await.is_ok() {
                self.connection = Some(connection);
            }
            return Ok(written);
        }
        match timeout(COMMIT_TIME_MAX, connection.commit()).await {
            Ok(Ok(Committed::Whole)) => {
                self.connection = Some(connection);
                Ok(written)
            }
            Ok(Ok(Committed::WithWarning)) => Err(Lost::Unknown(
                "PostgreSQL committed with a warning, which is in this server's log: a standby may not have it"
                    .to_owned(),
            )),
            // An answer that the session survives is an answer: the transaction is undone.
            Ok(Err(error)) => {
                let text = chain(&error);
                let fault = Fault::Sql(error);
                Err(if fault.is_broken_connection() { Lost::Unknown(text) } else { Lost::Nothing(fault) })
            }
            Err(_) => Err(Lost::Unknown(format!("the database did not answer within {} s", COMMIT_TIME_MAX.as_secs()))),
        }
    }
}

/// Everything but the end of the transaction.
async fn write_group(connection: &Connection, batches: &[&Batch], origin: Uuid) -> Result<Written, Fault> {
    let count = batches.len() as u64;
    connection.run("BEGIN").await?;
    let locked = connection.query(LOCK, &[&signed(count)]).await?;
    let Some(last) = locked.first().map(|row| unsigned(row, 0)) else {
        return Err(Fault::Away("the table tindra.counter is empty; restore the database from a backup".to_owned()));
    };
    let before = last.saturating_sub(count);
    let mut plan = Plan::new(write::known(connection, batches).await?);
    let outcomes: Vec<Outcome> = batches
        .iter()
        .zip(before + 1..)
        .map(|(batch, revision)| plan.add(batch, revision).map(|()| revision))
        .collect();
    let writes = plan.into_writes();
    write::write(connection, &writes, origin).await?;
    let accepted = batches.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
    let letters: Vec<&MailChange> = accepted.flat_map(|(batch, _)| &batch.mail).collect();
    let mailboxes: Vec<String> = mail::write(connection, &letters).await?.into_iter().collect();
    write::note_mail(connection, &mailboxes, last, writes.changes.len(), origin).await?;
    if before / TRIM_EACH != last / TRIM_EACH && last > CHANGES_KEPT {
        let trimmed = signed(last - CHANGES_KEPT);
        connection.execute(TRIM, &[&trimmed]).await?;
        connection.execute(TRIMMED, &[&trimmed]).await?;
    }
    Ok((outcomes, mailboxes))
}

fn answer_all(group: Vec<Commit>, error: impl Fn() -> StoreError) {
    for commit in group {
        drop(commit.reply.send(Err(error())));
    }
}

fn bytes_of(batch: &Batch) -> usize {
    let records = batch.changes.iter().filter_map(|change| change.value.as_ref()).map(bytes::Bytes::len);
    let messages = batch.messages.iter().map(|change| match change {
        MessageChange::Enqueue { message, .. } => message.head.len() + message.body.len(),
        MessageChange::Delay { head, .. } => head.len(),
        MessageChange::Complete(_) => 0,
    });
    let journals = batch.journals.iter().map(|change| match change {
        JournalChange::Append { records, .. } => records.iter().map(bytes::Bytes::len).sum(),
        JournalChange::Trim { .. } | JournalChange::Remove { .. } => 0,
    });
    let letters = batch.mail.iter().map(|change| match change {
        MailChange::Post { letter, .. } => letter.head.len() + letter.body.len(),
        MailChange::Remove { .. } | MailChange::Hide { .. } => 0,
    });
    records.chain(messages).chain(journals).chain(letters).sum()
}
