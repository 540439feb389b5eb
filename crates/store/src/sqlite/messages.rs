//! Messages in SQLite. Who holds which one is kept in the writer's memory: one process has the database open, and with it
//! all its leases end.

use std::collections::HashMap;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Row, Savepoint, params};
use tindra_core::clock::UnixMs;
use uuid::Uuid;

use super::writer::{Refusal, signed};
use crate::checksum;
use crate::{Lapse, Lease, LeaseRequest, Leased, LeasedMessages, Message, MessageChange, QueueFigures, StoreError};

/// Larger bodies lie in a table of their own, so that looking at heads does not drag them along. A page holds four rows of
/// this size.
const ROW_BODY_BYTES_MAX: usize = 1_000;

const PUT: &str = "INSERT INTO messages (id, queue, enqueued_ms, due_ms, head, head_checksum, body, body_checksum)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING";
const PUT_BODY: &str = "INSERT INTO bodies (number, body) VALUES (last_insert_rowid(), ?1)";
const TAKE_OUT: &str = "DELETE FROM messages WHERE id = ?1 RETURNING number, body IS NULL";
const TAKE_OUT_BODY: &str = "DELETE FROM bodies WHERE number = ?1";
const DELAY: &str = "UPDATE messages SET due_ms = ?2, head = ?3, head_checksum = ?4 WHERE id = ?1";
const QUEUE_OF: &str = "SELECT queue FROM messages WHERE id = ?1";
const DUE: &str = "SELECT id, due_ms FROM messages INDEXED BY messages_by_due WHERE queue = ?1 ORDER BY due_ms, number";
const ONE: &str = "SELECT m.id, m.queue, m.enqueued_ms, m.due_ms, m.head, m.head_checksum, coalesce(m.body, b.body),
    m.body_checksum FROM messages m LEFT JOIN bodies b ON b.number = m.number WHERE m.id = ?1";
const HEADS: &str = "SELECT id, queue, enqueued_ms, due_ms, head, head_checksum FROM messages
    WHERE queue = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
const QUEUES: &str = "SELECT queue, count(*), min(due_ms), min(enqueued_ms) FROM messages WHERE queue > ?1
    GROUP BY queue ORDER BY queue LIMIT ?2";
const QUEUES_FROM: &str = "SELECT queue, count(*), min(due_ms), min(enqueued_ms) FROM messages WHERE queue >= ?1
    GROUP BY queue ORDER BY queue LIMIT ?2";

/// Who holds what.
#[derive(Debug, Default)]
pub(super) struct Held {
    by_id: HashMap<Uuid, Holding>,
    epoch: u64,
}

#[derive(Clone, Copy, Debug)]
struct Holding {
    epoch: u64,
    until_ms: UnixMs,
}

impl Held {
    fn holds(&self, lease: Lease) -> bool {
        self.by_id.get(&lease.id).is_some_and(|holding| holding.epoch == lease.epoch)
    }

    fn is_held(&self, id: Uuid, now_ms: UnixMs) -> bool {
        self.by_id.get(&id).is_some_and(|holding| holding.until_ms > now_ms)
    }

    /// What a committed change that changed something means for it.
    pub(super) fn settle(&mut self, change: &MessageChange) {
        match change {
            MessageChange::Enqueue { message, held_until_ms: Some(until_ms) } => {
                self.by_id.insert(message.id, Holding { epoch: 0, until_ms: *until_ms });
            }
            MessageChange::Enqueue { held_until_ms: None, .. } => {}
            MessageChange::Complete(lease) | MessageChange::Delay { lease, .. } => {
                self.by_id.remove(&lease.id);
            }
        }
    }

    pub(super) fn renew(&mut self, leases: &[Lease], lapse: Lapse) -> Vec<Lease> {
        let mut lost = Vec::new();
        for lease in leases {
            match self.by_id.get_mut(&lease.id) {
                Some(holding) if holding.epoch == lease.epoch => holding.until_ms = lapse.held_until_ms,
                _ => lost.push(*lease),
            }
        }
        lost
    }
}

/// Makes one change of a batch; `false` when nothing was to be changed, because the message was put in before.
pub(super) fn apply(savepoint: &Savepoint<'_>, held: &Held, change: &MessageChange) -> Result<bool, Refusal> {
    match change {
        MessageChange::Enqueue { message, .. } => return enqueue(savepoint, message),
        MessageChange::Complete(lease) => {
            let taken: Option<(i64, bool)> = match held.holds(*lease) {
                true => savepoint
                    .prepare_cached(TAKE_OUT)?
                    .query_row([lease.id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?,
                false => None,
            };
            let Some((number, lies_beside)) = taken else { return Err(lost(lease.id)) };
            if lies_beside {
                savepoint.prepare_cached(TAKE_OUT_BODY)?.execute([number])?;
            }
        }
        MessageChange::Delay { lease, due_ms, head } => {
            let queue: Option<String> = match held.holds(*lease) {
                true => {
                    savepoint.prepare_cached(QUEUE_OF)?.query_row([lease.id.as_bytes()], |row| row.get(0)).optional()?
                }
                false => None,
            };
            let Some(queue) = queue else { return Err(lost(lease.id)) };
            let sum = checksum::of_head(lease.id, &queue, head);
            savepoint.prepare_cached(DELAY)?.execute(params![lease.id.as_bytes(), signed(*due_ms), &head[..], sum])?;
        }
    }
    Ok(true)
}

fn enqueue(savepoint: &Savepoint<'_>, message: &Message) -> Result<bool, Refusal> {
    let in_row = message.body.len() <= ROW_BODY_BYTES_MAX;
    let put = savepoint.prepare_cached(PUT)?.execute(params![
        message.id.as_bytes(),
        message.queue,
        signed(message.enqueued_ms),
        signed(message.due_ms),
        &message.head[..],
        checksum::of_head(message.id, &message.queue, &message.head),
        in_row.then_some(&message.body[..]),
        checksum::of_body(message.id, &message.body),
    ])?;
    if put == 1 && !in_row {
        savepoint.prepare_cached(PUT_BODY)?.execute([&message.body[..]])?;
    }
    Ok(put == 1)
}

fn lost(id: Uuid) -> Refusal {
    Refusal::Conflict(format!("of the message {id}, which somebody else has by now,"))
}

/// Takes what is due and free. In the writer's thread, so that nothing is completed between the look and the lease.
pub(super) fn lease(
    connection: &Connection,
    held: &mut Held,
    request: &LeaseRequest,
) -> Result<LeasedMessages, StoreError> {
    let failed = |error| StoreError::storage(format!("lease messages of {}", request.queue), error);
    let LeaseRequest { queue, due_ms, lapse, messages_max, bytes_max } = request;
    let mut given = LeasedMessages::default();
    let mut bytes = 0;
    let mut statement = connection.prepare_cached(DUE).map_err(failed)?;
    let mut rows = statement.query([queue]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let message_due_ms = unsigned(row, 1).map_err(failed)?;
        let id = identity(row).map_err(failed)?;
        if held.is_held(id, lapse.now_ms) {
            continue;
        }
        if message_due_ms > *due_ms || given.leased.len() == *messages_max || bytes >= *bytes_max {
            given.next_due_ms = Some(message_due_ms);
            break;
        }
        let Some(message) = intact(connection, id).map_err(failed)? else {
            // Never given again by this process; a look at the store shows it.
            held.by_id.insert(id, Holding { epoch: u64::MAX, until_ms: UnixMs::MAX });
            continue;
        };
        held.epoch += 1;
        held.by_id.insert(id, Holding { epoch: held.epoch, until_ms: lapse.held_until_ms });
        bytes += message.head.len() + message.body.len();
        given.leased.push(Leased { message, lease: Lease { id, epoch: held.epoch } });
    }
    Ok(given)
}

/// A message; none when the disk has changed it.
fn intact(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<Message>> {
    connection.prepare_cached(ONE)?.query_row([id.as_bytes()], |row| {
        let (message, head_sum) = head(row)?;
        let body: Option<Vec<u8>> = row.get(6)?;
        let body_sum: u32 = row.get(7)?;
        let body = body.filter(|body| checksum::of_body(id, body) == body_sum);
        let is_intact = checksum::of_head(id, &message.queue, &message.head) == head_sum;
        match body {
            Some(body) if is_intact => Ok(Some(Message { body: body.into(), ..message })),
            _ => {
                tracing::error!(
                    %id,
                    queue = message.queue,
                    "a queued message is damaged: its checksum does not match, so the disk changed it; it stays where it is and is not delivered. Restore the data directory from a backup to have it back"
                );
                Ok(None)
            }
        }
    })
}

pub(super) fn queues(
    connection: &Connection,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<QueueFigures>, StoreError> {
    let failed = |error| StoreError::storage(format!("list the queues under {prefix:?}"), error);
    let (sql, start) = match after {
        Some(after) if after >= prefix => (QUEUES, after),
        _ => (QUEUES_FROM, prefix),
    };
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params![start, i64::try_from(limit).unwrap_or(i64::MAX)]).map_err(failed)?;
    let mut queues = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let queue: String = row.get(0).map_err(failed)?;
        if !queue.starts_with(prefix) {
            break;
        }
        queues.push(QueueFigures {
            queue,
            messages: unsigned(row, 1).map_err(failed)?,
            next_due_ms: unsigned(row, 2).map_err(failed)?,
            oldest_ms: unsigned(row, 3).map_err(failed)?,
        });
    }
    Ok(queues)
}

pub(super) fn peek(
    connection: &Connection,
    queue: &str,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Vec<Message>, StoreError> {
    let failed = |error| StoreError::storage(format!("look at the messages of {queue}"), error);
    let after = after.unwrap_or_default();
    let mut statement = connection.prepare_cached(HEADS).map_err(failed)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let messages = statement
        .query_map(params![queue, after.as_bytes(), limit], |row| head(row).map(|(message, _)| message))
        .map_err(failed)?;
    messages.collect::<rusqlite::Result<Vec<_>>>().map_err(failed)
}

pub(super) fn make_due(
    connection: &Connection,
    held: &Held,
    queue: &str,
    only: Option<Uuid>,
    due_ms: UnixMs,
    now_ms: UnixMs,
) -> rusqlite::Result<u64> {
    let ids = match only {
        Some(id) => vec![id],
        None => {
            let mut statement =
                connection.prepare_cached("SELECT id FROM messages WHERE queue = ?1 AND due_ms > ?2")?;
            let ids = statement.query_map(params![queue, signed(due_ms)], identity)?;
            ids.collect::<rusqlite::Result<Vec<_>>>()?
        }
    };
    let mut update =
        connection.prepare_cached("UPDATE messages SET due_ms = ?3 WHERE id = ?1 AND queue = ?2 AND due_ms > ?3")?;
    let mut changed = 0;
    for id in ids {
        if !held.is_held(id, now_ms) {
            changed += update.execute(params![id.as_bytes(), queue, signed(due_ms)])? as u64;
        }
    }
    Ok(changed)
}

pub(super) fn purge(connection: &Connection, held: &mut Held, prefix: &str) -> rusqlite::Result<u64> {
    let mut numbers: Vec<(i64, Uuid)> = Vec::new();
    {
        let mut statement = connection
            .prepare_cached("SELECT m.id, m.queue, m.number FROM messages m WHERE m.queue >= ?1 ORDER BY m.queue")?;
        let mut rows = statement.query([prefix])?;
        while let Some(row) = rows.next()? {
            if !row.get_ref(1)?.as_str()?.starts_with(prefix) {
                break;
            }
            numbers.push((row.get(2)?, identity(row)?));
        }
    }
    let mut message = connection.prepare_cached("DELETE FROM messages WHERE number = ?1")?;
    let mut body = connection.prepare_cached(TAKE_OUT_BODY)?;
    for (number, id) in &numbers {
        message.execute([number])?;
        body.execute([number])?;
        held.by_id.remove(id);
    }
    Ok(numbers.len() as u64)
}

fn head(row: &Row<'_>) -> rusqlite::Result<(Message, u32)> {
    let head: Vec<u8> = row.get(4)?;
    let message = Message {
        id: identity(row)?,
        queue: row.get(1)?,
        enqueued_ms: unsigned(row, 2)?,
        due_ms: unsigned(row, 3)?,
        head: head.into(),
        body: Bytes::new(),
    };
    Ok((message, row.get(5)?))
}

/// The id in the first column.
fn identity(row: &Row<'_>) -> rusqlite::Result<Uuid> {
    let bytes: [u8; 16] = row.get(0)?;
    Ok(Uuid::from_bytes(bytes))
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    Ok(number.unsigned_abs())
}
