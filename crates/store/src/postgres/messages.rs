//! Leasing messages and looking at them. Who holds one is in its row: the number of its lease and until when it holds.
//!
//! Numbers of leases come from one sequence of the database, so that none comes twice, not even for a message that is
//! put in anew. `held_until_ms` is NULL while nobody has the message.
//!
//! Rows are locked either without waiting (leases) or in the order of their ids (renewals, commits), so that work does
//! not lock itself in.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use tindra_core::clock::UnixMs;
use tokio_postgres::Row;
use uuid::Uuid;

use super::connection::Connection;
use super::fault::Fault;
use super::numbers::{bounds, name, rows, signed, unsigned};
use crate::{Lapse, Lease, LeaseRequest, Leased, LeasedMessages, Message, QueueFigures, checksum};

const DUE: &str = "SELECT id, octet_length(head) + octet_length(body) FROM messages
    WHERE queue = $1 AND due_ms <= $2 AND (held_until_ms IS NULL OR held_until_ms <= $3)
    ORDER BY due_ms, number LIMIT $4 FOR UPDATE SKIP LOCKED";
const TAKE: &str = "UPDATE messages SET lease_epoch = nextval('lease_epochs'), held_until_ms = $2 WHERE id = ANY($1)
    RETURNING id, queue, enqueued_ms, due_ms, head, head_checksum, body, body_checksum, lease_epoch";
const SET_ASIDE: &str = "UPDATE messages SET held_until_ms = 9223372036854775807 WHERE id = ANY($1)";
const NEXT_DUE: &str = "SELECT due_ms FROM messages WHERE queue = $1 AND (held_until_ms IS NULL OR held_until_ms <= $2)
    ORDER BY due_ms, number LIMIT 1";
const RENEW: &str = "UPDATE messages SET held_until_ms = $3 FROM (
        SELECT m.id FROM messages m JOIN unnest($1::uuid[], $2::bigint[]) AS l (id, epoch)
            ON m.id = l.id AND m.lease_epoch = l.epoch
        WHERE m.held_until_ms IS NOT NULL ORDER BY m.id FOR UPDATE OF m
    ) AS kept WHERE messages.id = kept.id RETURNING messages.id, messages.lease_epoch";
const HEADS: &str = "SELECT id, queue, enqueued_ms, due_ms, head FROM messages
    WHERE queue = $1 AND id > $2 ORDER BY id LIMIT $3";
const QUEUES: &str = "SELECT queue, count(*), min(due_ms), min(enqueued_ms) FROM messages
    WHERE queue >= $1 AND queue < $2 GROUP BY queue ORDER BY queue LIMIT $3";
const MAKE_DUE: &str = "UPDATE messages SET due_ms = $2 FROM (
        SELECT id FROM messages WHERE queue = $1 AND due_ms > $2 AND (held_until_ms IS NULL OR held_until_ms <= $3)
            AND ($4::uuid IS NULL OR id = $4) ORDER BY id FOR UPDATE
    ) AS free WHERE messages.id = free.id";
const PURGE: &str = "DELETE FROM messages WHERE queue >= $1 AND queue < $2";
/// What commits take first; see [`super::writer`].
pub(super) const LOCK_COUNTER: &str = "SELECT revision FROM counter WHERE id = 0 FOR UPDATE";

/// Takes what is due and that nobody has. Rows that another lease is looking at right now are passed over.
pub(super) async fn lease(connection: Arc<Connection>, request: &LeaseRequest) -> Result<LeasedMessages, Fault> {
    let LeaseRequest { queue, due_ms, lapse, messages_max, bytes_max } = request;
    let (queue, now_ms) = (queue.as_bytes(), signed(lapse.now_ms));
    connection.run("BEGIN").await?;
    let due = connection.query(DUE, &[&queue, &signed(*due_ms), &now_ms, &rows(*messages_max)]).await?;
    let mut wanted: Vec<Uuid> = Vec::new();
    let mut bytes = 0;
    for row in &due {
        if bytes >= *bytes_max {
            break;
        }
        wanted.push(row.get(0));
        bytes += usize::try_from(row.get::<_, i32>(1)).unwrap_or_default();
    }
    let mut given = LeasedMessages::default();
    if !wanted.is_empty() {
        let taken = connection.query(TAKE, &[&wanted, &signed(lapse.held_until_ms)]).await?;
        let mut damaged: Vec<Uuid> = Vec::new();
        for row in &taken {
            match intact(row) {
                Some(message) => {
                    let lease = Lease { id: message.id, epoch: unsigned(row, 8) };
                    given.leased.push(Leased { message, lease });
                }
                None => damaged.push(row.get(0)),
            }
        }
        if !damaged.is_empty() {
            connection.execute(SET_ASIDE, &[&damaged]).await?;
        }
        // An update answers in any order; what was wanted is in the right one.
        let places: HashMap<Uuid, usize> = wanted.iter().copied().zip(0..).collect();
        given.leased.sort_unstable_by_key(|leased| places.get(&leased.message.id));
    }
    let next = connection.query(NEXT_DUE, &[&queue, &now_ms]).await?;
    given.next_due_ms = next.first().map(|row| unsigned(row, 0));
    connection.commit_whole().await?;
    Ok(given)
}

/// A message; none when a disk has changed it.
fn intact(row: &Row) -> Option<Message> {
    let message = Message { body: Bytes::copy_from_slice(row.get(6)), ..head(row) };
    let head_sum = checksum::of_head(message.id, &message.queue, &message.head);
    let body_sum = checksum::of_body(message.id, &message.body);
    if u64::from(head_sum) == unsigned(row, 5) && u64::from(body_sum) == unsigned(row, 7) {
        return Some(message);
    }
    tracing::error!(
        id = %message.id,
        queue = message.queue,
        "a queued message is damaged: its checksum does not match, so the database server's disk changed it; it stays where it is and is not delivered. Restore the database from a backup to have it back"
    );
    None
}

/// Makes leases hold for longer; returns those that are lost.
pub(super) async fn renew(connection: Arc<Connection>, leases: &[Lease], lapse: Lapse) -> Result<Vec<Lease>, Fault> {
    let ids: Vec<Uuid> = leases.iter().map(|lease| lease.id).collect();
    let epochs: Vec<i64> = leases.iter().map(|lease| signed(lease.epoch)).collect();
    let kept = connection.query(RENEW, &[&ids, &epochs, &signed(lapse.held_until_ms)]).await?;
    let kept: HashSet<Lease> = kept.iter().map(|row| Lease { id: row.get(0), epoch: unsigned(row, 1) }).collect();
    Ok(leases.iter().filter(|lease| !kept.contains(lease)).copied().collect())
}

pub(super) async fn queues(
    connection: Arc<Connection>,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<QueueFigures>, Fault> {
    let (below, above) = bounds(prefix, after);
    let found = connection.query(QUEUES, &[&below, &above, &rows(limit)]).await?;
    let figures = |row: &Row| QueueFigures {
        queue: name(row, 0),
        messages: unsigned(row, 1),
        next_due_ms: unsigned(row, 2),
        oldest_ms: unsigned(row, 3),
    };
    Ok(found.iter().map(figures).collect())
}

pub(super) async fn peek(
    connection: Arc<Connection>,
    queue: &str,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Vec<Message>, Fault> {
    let after = after.unwrap_or_default();
    Ok(connection.query(HEADS, &[&queue.as_bytes(), &after, &rows(limit)]).await?.iter().map(head).collect())
}

pub(super) async fn make_due(
    connection: Arc<Connection>,
    queue: &str,
    only: Option<Uuid>,
    due_ms: UnixMs,
    now_ms: UnixMs,
) -> Result<u64, Fault> {
    connection.execute(MAKE_DUE, &[&queue.as_bytes(), &signed(due_ms), &signed(now_ms), &only]).await
}

/// Keeps commits away, which rely on nobody else adding or removing messages.
pub(super) async fn purge(connection: Arc<Connection>, prefix: &str) -> Result<u64, Fault> {
    let (below, above) = bounds(prefix, None);
    connection.run("BEGIN").await?;
    connection.query(LOCK_COUNTER, &[]).await?;
    let removed = connection.execute(PURGE, &[&below, &above]).await?;
    connection.commit_whole().await?;
    Ok(removed)
}

fn head(row: &Row) -> Message {
    Message {
        id: row.get(0),
        queue: name(row, 1),
        enqueued_ms: unsigned(row, 2),
        due_ms: unsigned(row, 3),
        head: Bytes::copy_from_slice(row.get(4)),
        body: Bytes::new(),
    }
}
