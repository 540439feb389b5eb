//! What the services need from those who keep what waits: a commit that hands messages on, and what comes of a message that
//! has become due. `server` joins it to `events`.

use bytes::Bytes;
use tindra_core::clock::UnixMs;
use tindra_core::push::Push;
use tindra_store::{Batch, BoxFuture, Message, StoreError};

/// Port: durable changes together with what follows from them.
pub trait Outbox: Send + Sync + std::fmt::Debug {
    /// Writes a batch, and with it messages that are worked on once they are due: pushes ([`push_message`]), and alarms, which
    /// come back to the service whose prefix their queue has. Once this has returned they are durable. It goes on to its end
    /// also when the future is dropped.
    ///
    /// # Errors
    /// As [`tindra_store::Metadata::commit`].
    fn commit(&self, batch: Batch, messages: Vec<Message>) -> BoxFuture<'_, Result<u64, StoreError>>;
}

/// What comes of an alarm: written in one commit with its end. A batch that conflicts has the alarm ring again.
#[derive(Debug, Default)]
pub struct Rung {
    /// What is changed.
    pub batch: Batch,
    /// New messages.
    pub messages: Vec<Message>,
    /// When the alarm rings next, with its new head; without this it is done.
    pub again: Option<(UnixMs, Bytes)>,
}

/// Whatever has alarms: messages that wait in queues with a prefix of its own.
pub trait Alarms: Send + Sync + std::fmt::Debug {
    /// The alarm is due. Who is cut off before the end has not begun.
    fn ring<'a>(&'a self, alarm: &'a Message) -> BoxFuture<'a, Rung>;
}

/// The message of a push that is to be tried from now on.
#[must_use]
pub fn push_message(push: &Push, body: Bytes, now_ms: UnixMs) -> Message {
    // Strings, numbers and lists of them: there is nothing in it that cannot be written.
    alarm(push.queue(), now_ms, serde_json::to_vec(push).unwrap_or_default(), body, now_ms)
}

/// A message for a queue whose service rings it when it is due.
#[must_use]
pub fn alarm(queue: String, due_ms: UnixMs, head: impl Into<Bytes>, body: Bytes, now_ms: UnixMs) -> Message {
    Message::new(queue, head, body, due_ms, now_ms)
}
