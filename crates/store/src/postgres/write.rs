//! A group's questions and writes as statements: each is one for the whole group, whatever its size.

use std::collections::{BTreeSet, HashMap};

use tokio_postgres::Row;
use uuid::Uuid;

use super::connection::Connection;
use super::fault::Fault;
use super::mail::NOTE_PREFIX;
use super::numbers::{name, rows, signed, unsigned};
use super::plan::{Known, NewMessage, Standing, Writes};
use crate::{Batch, JournalBounds, JournalChange, MessageChange, Precondition, checksum};

const REVISIONS: &str = "SELECT key, revision FROM records WHERE key = ANY($1)";
const STANDINGS: &str = "SELECT id, queue, lease_epoch, held_until_ms IS NOT NULL FROM messages WHERE id = ANY($1)
    ORDER BY id FOR UPDATE";
const JOURNALS: &str = "SELECT journal, first, next FROM journals WHERE journal = ANY($1)";

const PUT: &str = "INSERT INTO records (key, value, revision, checksum)
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[])
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision, checksum = excluded.checksum";
const DELETE: &str = "DELETE FROM records WHERE key = ANY($1)";
const NOTE: &str = "INSERT INTO changes (revision, place, key, origin)
    SELECT *, $4::uuid FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])";
const TAKE_OUT: &str = "DELETE FROM messages WHERE id = ANY($1)";
const PUT_IN: &str = "INSERT INTO messages (id, queue, enqueued_ms, due_ms, lease_epoch, held_until_ms, head,
        head_checksum, body, body_checksum)
    SELECT id, queue, enqueued_ms, due_ms, 0, held_until_ms, head, head_checksum, body, body_checksum
    FROM unnest($1::uuid[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bigint[],
        $8::bytea[], $9::bigint[]) WITH ORDINALITY AS m (id, queue, enqueued_ms, due_ms, held_until_ms, head,
        head_checksum, body, body_checksum, place)
    ORDER BY place";
const DELAY: &str = "UPDATE messages SET due_ms = d.due_ms, head = d.head, head_checksum = d.head_checksum,
        held_until_ms = NULL
    FROM unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bigint[]) AS d (id, due_ms, head, head_checksum)
    WHERE messages.id = d.id";
const TRIM: &str = "DELETE FROM journal_records USING unnest($1::bytea[], $2::bigint[]) AS t (journal, before)
    WHERE journal_records.journal = t.journal AND position < t.before";
const APPEND: &str = "INSERT INTO journal_records (journal, position, value, checksum)
    SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::bigint[])";
const SET_BOUNDS: &str = "INSERT INTO journals (journal, first, next)
    SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[])
    ON CONFLICT (journal) DO UPDATE SET first = excluded.first, next = excluded.next";
const FORGET: &str = "DELETE FROM journals WHERE journal = ANY($1)";

/// Reads what the batches ask about. Messages stay locked, so that nobody leases one while it is decided who has it.
pub(super) async fn known(connection: &Connection, batches: &[&Batch]) -> Result<Known, Fault> {
    let mut known = Known::default();
    let changes = batches.iter().flat_map(|batch| &batch.changes);
    let keys: BTreeSet<&[u8]> =
        changes.filter(|c| c.precondition != Precondition::None).map(|change| change.key.as_bytes()).collect();
    if !keys.is_empty() {
        let keys: Vec<&[u8]> = keys.into_iter().collect();
        let found = connection.query(REVISIONS, &[&keys]).await?;
        known.revisions = found.iter().map(|row| (name(row, 0), unsigned(row, 1))).collect();
    }
    let ids: BTreeSet<Uuid> = batches.iter().flat_map(|batch| &batch.messages).map(id_of).collect();
    if !ids.is_empty() {
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let found = connection.query(STANDINGS, &[&ids]).await?;
        let standing = |row: &Row| Standing { queue: name(row, 1), epoch: unsigned(row, 2), is_held: row.get(3) };
        known.messages = found.iter().map(|row| (row.get(0), standing(row))).collect();
    }
    let names: BTreeSet<&[u8]> = batches.iter().flat_map(|batch| &batch.journals).map(journal_of).collect();
    if !names.is_empty() {
        let names: Vec<&[u8]> = names.into_iter().collect();
        let found = connection.query(JOURNALS, &[&names]).await?;
        let bounds = |row: &Row| JournalBounds { first: unsigned(row, 1), end: unsigned(row, 2) };
        known.journals = found.iter().map(|row| (name(row, 0), bounds(row))).collect::<HashMap<_, _>>();
    }
    Ok(known)
}

fn id_of(change: &MessageChange) -> Uuid {
    match change {
        MessageChange::Enqueue { message, .. } => message.id,
        MessageChange::Complete(lease) | MessageChange::Delay { lease, .. } => lease.id,
    }
}

fn journal_of(change: &JournalChange) -> &[u8] {
    match change {
        JournalChange::Append { journal, .. }
        | JournalChange::Trim { journal, .. }
        | JournalChange::Remove { journal } => journal.as_bytes(),
    }
}

/// Writes what a group came to. `origin` marks its changes as this process's.
pub(super) async fn write(connection: &Connection, writes: &Writes, origin: Uuid) -> Result<(), Fault> {
    write_records(connection, writes, origin).await?;
    write_messages(connection, writes).await?;
    write_journals(connection, writes).await
}

async fn write_records(connection: &Connection, writes: &Writes, origin: Uuid) -> Result<(), Fault> {
    let (mut keys, mut values, mut revisions, mut sums) = (vec![], vec![], vec![], vec![]);
    let mut deleted: Vec<&[u8]> = Vec::new();
    for (key, (value, revision)) in &writes.records {
        let Some(value) = value else {
            deleted.push(key.as_bytes());
            continue;
        };
        keys.push(key.as_bytes());
        values.push(&value[..]);
        revisions.push(signed(*revision));
        sums.push(i64::from(checksum::of_value(key, value, *revision)));
    }
    if !deleted.is_empty() {
        connection.execute(DELETE, &[&deleted]).await?;
    }
    if !keys.is_empty() {
        connection.execute(PUT, &[&keys, &values, &revisions, &sums]).await?;
    }
    if !writes.changes.is_empty() {
        let revisions: Vec<i64> = writes.changes.iter().map(|(revision, _)| signed(*revision)).collect();
        let places: Vec<i64> = (0..).take(writes.changes.len()).collect();
        let keys: Vec<&[u8]> = writes.changes.iter().map(|(_, key)| key.as_bytes()).collect();
        connection.execute(NOTE, &[&revisions, &places, &keys, &origin]).await?;
    }
    Ok(())
}

/// Notes for other servers in which mailboxes a letter may be there earlier than was known. `noted` notes of the revision are there
/// already.
pub(super) async fn note_mail(
    connection: &Connection,
    mailboxes: &[String],
    revision: u64,
    noted: usize,
    origin: Uuid,
) -> Result<(), Fault> {
    if mailboxes.is_empty() {
        return Ok(());
    }
    let revisions = vec![signed(revision); mailboxes.len()];
    let places: Vec<i64> = (rows(noted)..).take(mailboxes.len()).collect();
    let keys: Vec<Vec<u8>> = mailboxes.iter().map(|mailbox| format!("{NOTE_PREFIX}{mailbox}").into_bytes()).collect();
    connection.execute(NOTE, &[&revisions, &places, &keys, &origin]).await?;
    Ok(())
}

async fn write_messages(connection: &Connection, writes: &Writes) -> Result<(), Fault> {
    let deleted: Vec<Uuid> = writes.messages.iter().filter(|(_, write)| write.is_deleted).map(|(id, _)| *id).collect();
    if !deleted.is_empty() {
        connection.execute(TAKE_OUT, &[&deleted]).await?;
    }
    let mut inserted: Vec<&NewMessage> = writes.messages.values().filter_map(|write| write.inserted.as_ref()).collect();
    if !inserted.is_empty() {
        inserted.sort_unstable_by_key(|new| new.place);
        put_in(connection, &inserted).await?;
    }
    let (mut ids, mut due, mut heads, mut sums) = (vec![], vec![], vec![], vec![]);
    for (id, delayed) in writes.messages.iter().filter_map(|(id, write)| Some((id, write.delayed.as_ref()?))) {
        ids.push(*id);
        due.push(signed(delayed.due_ms));
        heads.push(&delayed.head[..]);
        sums.push(i64::from(checksum::of_head(*id, &delayed.queue, &delayed.head)));
    }
    if !ids.is_empty() {
        connection.execute(DELAY, &[&ids, &due, &heads, &sums]).await?;
    }
    Ok(())
}

async fn put_in(connection: &Connection, inserted: &[&NewMessage]) -> Result<(), Fault> {
    let all = || inserted.iter().map(|new| &new.message);
    let ids: Vec<Uuid> = all().map(|message| message.id).collect();
    let queues: Vec<&[u8]> = all().map(|message| message.queue.as_bytes()).collect();
    let enqueued: Vec<i64> = all().map(|message| signed(message.enqueued_ms)).collect();
    let due: Vec<i64> = all().map(|message| signed(message.due_ms)).collect();
    let held: Vec<Option<i64>> = inserted.iter().map(|new| new.held_until_ms.map(signed)).collect();
    let heads: Vec<&[u8]> = all().map(|message| &message.head[..]).collect();
    let head_sums: Vec<i64> =
        all().map(|message| i64::from(checksum::of_head(message.id, &message.queue, &message.head))).collect();
    let bodies: Vec<&[u8]> = all().map(|message| &message.body[..]).collect();
    let body_sums: Vec<i64> = all().map(|message| i64::from(checksum::of_body(message.id, &message.body))).collect();
    let parameters: super::connection::Parameters<'_> =
        &[&ids, &queues, &enqueued, &due, &held, &heads, &head_sums, &bodies, &body_sums];
    connection.execute(PUT_IN, parameters).await?;
    Ok(())
}

async fn write_journals(connection: &Connection, writes: &Writes) -> Result<(), Fault> {
    let trimmed = || writes.journals.iter().filter(|(_, write)| write.trimmed_before > 0);
    let names: Vec<&[u8]> = trimmed().map(|(journal, _)| journal.as_bytes()).collect();
    if !names.is_empty() {
        let before: Vec<i64> = trimmed().map(|(_, write)| signed(write.trimmed_before)).collect();
        connection.execute(TRIM, &[&names, &before]).await?;
    }
    let (mut names, mut positions, mut values, mut sums) = (vec![], vec![], vec![], vec![]);
    for (journal, write) in &writes.journals {
        for (position, value) in &write.appended {
            names.push(journal.as_bytes());
            positions.push(signed(*position));
            values.push(&value[..]);
            sums.push(i64::from(checksum::of_value(journal, value, *position)));
        }
    }
    if !names.is_empty() {
        connection.execute(APPEND, &[&names, &positions, &values, &sums]).await?;
    }
    let (mut names, mut first, mut next, mut removed) = (vec![], vec![], vec![], vec![]);
    for (journal, write) in &writes.journals {
        let Some(bounds) = write.bounds else {
            removed.push(journal.as_bytes());
            continue;
        };
        names.push(journal.as_bytes());
        first.push(signed(bounds.first));
        next.push(signed(bounds.end));
    }
    if !names.is_empty() {
        connection.execute(SET_BOUNDS, &[&names, &first, &next]).await?;
    }
    if !removed.is_empty() {
        connection.execute(FORGET, &[&removed]).await?;
    }
    Ok(())
}
