//! Durable queues: enqueue, lease, renew, complete, delay.
//!
//! A message is in the store until the batch that completes it has committed. Who works on one holds a [`Lease`]; changes
//! name the lease, and one that was lost meanwhile is a conflict, so that nobody completes what somebody else has. Times
//! are the caller's: the store has no clock of its own for them.

use bytes::Bytes;
use tindra_core::clock::UnixMs;
use uuid::Uuid;

use crate::{BoxFuture, StoreError};

/// A message as it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Unique in the store. Should begin with the time (UUID v7), so that new messages lie side by side.
    pub id: Uuid,
    /// The queue that it is in.
    pub queue: String,
    /// When it was put in.
    pub enqueued_ms: UnixMs,
    /// It is not leased before.
    pub due_ms: UnixMs,
    /// What may change with [`MessageChange::Delay`]; small.
    pub head: Bytes,
    /// What never changes. Large ones lie beside the row.
    pub body: Bytes,
}

impl Message {
    /// A new message, put in now.
    #[must_use]
    pub fn new(queue: String, head: impl Into<Bytes>, body: Bytes, due_ms: UnixMs, now_ms: UnixMs) -> Self {
        Self { id: Uuid::now_v7(), queue, enqueued_ms: now_ms, due_ms, head: head.into(), body }
    }
}

/// Who may change a message: the number is another at each lease, so that an old one is told from a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The message.
    pub id: Uuid,
    /// Which lease of it.
    pub epoch: u64,
}

impl Lease {
    /// The lease that [`MessageChange::Enqueue`] gives with `held_until_ms`.
    #[must_use]
    pub fn first(id: Uuid) -> Self {
        Self { id, epoch: 0 }
    }
}

/// A change of a message, as a part of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageChange {
    /// Puts a message into its queue. One whose id is there already is left as it is, so that a commit whose outcome is not
    /// known can be repeated.
    Enqueue {
        /// The message.
        message: Message,
        /// Leased at once to whoever enqueues it, as [`Lease::first`], until then by the clock of [`Lapse`].
        held_until_ms: Option<UnixMs>,
    },
    /// Takes a message out for good.
    Complete(Lease),
    /// Gives a message back, to be leased again from `due_ms` on.
    Delay {
        /// What is given back.
        lease: Lease,
        /// When it is due again.
        due_ms: UnixMs,
        /// Its new head.
        head: Bytes,
    },
}

/// Until when a lease holds. Not the time by which messages become due, which an operator may move: how long a holder may
/// keep silent is a matter of real time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lapse {
    /// Now; leases that hold until then or earlier have ended.
    pub now_ms: UnixMs,
    /// The end of the new leases.
    pub held_until_ms: UnixMs,
}

/// Which messages are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    /// The queue.
    pub queue: String,
    /// Messages that are due by then.
    pub due_ms: UnixMs,
    /// Until when they are held.
    pub lapse: Lapse,
    /// At most as many.
    pub messages_max: usize,
    /// No further message once heads and bodies have as many bytes.
    pub bytes_max: usize,
}

/// A message and the right to change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// The message.
    pub message: Message,
    /// The right.
    pub lease: Lease,
}

/// What a lease gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeasedMessages {
    /// The earliest due first, of those the ones enqueued first.
    pub leased: Vec<Leased>,
    /// When the next message of the queue is due that nobody holds; in the past when there are more than were wanted.
    pub next_due_ms: Option<UnixMs>,
}

/// How a queue stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueFigures {
    /// Its name.
    pub queue: String,
    /// Messages in it, leased ones among them.
    pub messages: u64,
    /// When the earliest message is or was due, leased ones among them.
    pub next_due_ms: UnixMs,
    /// When the oldest message was put in.
    pub oldest_ms: UnixMs,
}

/// Durable queues. A queue exists while it has messages.
pub trait Queues: Send + Sync + std::fmt::Debug {
    /// Takes messages that are due and that nobody holds. A damaged one is left out, kept, and named in the log.
    fn lease(&self, request: LeaseRequest) -> BoxFuture<'_, Result<LeasedMessages, StoreError>>;

    /// Makes leases hold for longer; returns those that are lost.
    fn renew(&self, leases: Vec<Lease>, lapse: Lapse) -> BoxFuture<'_, Result<Vec<Lease>, StoreError>>;

    /// Queues whose name starts with `prefix` and is greater than `after`, by name, at most `limit`.
    fn queues<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<QueueFigures>, StoreError>>;

    /// Messages of a queue, leased ones among them, without their bodies: by id, those after `after`, at most `limit`.
    fn peek<'a>(
        &'a self,
        queue: &'a str,
        after: Option<Uuid>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Message>, StoreError>>;

    /// Makes messages of a queue that nobody holds due at `due_ms`: one, or all. Returns how many.
    fn make_due<'a>(
        &'a self,
        queue: &'a str,
        id: Option<Uuid>,
        due_ms: UnixMs,
        now_ms: UnixMs,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// Removes every message of the queues whose name starts with `prefix`, leased ones among them. Returns how many.
    fn purge<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<u64, StoreError>>;
}
