//! Where messages come in: durable together with the change that they follow from, then handed on at once.

use std::sync::Arc;

use tindra_core::clock::{Clock, Timer};
use tindra_store::{Batch, Lease, Leased, Message, MessageChange, Store, StoreError};
use tokio::sync::mpsc;

use crate::arrivals::{Arrivals, Place};
use crate::dispatcher::{Command, held_until_ms};
use crate::lanes::QueueName;

/// Takes messages of the kinds that are worked on here. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbox {
    store: Store,
    timer: Arc<dyn Timer>,
    real: Arc<dyn Clock>,
    arrivals: Arc<Arrivals>,
    commands: mpsc::UnboundedSender<Command>,
}

impl Outbox {
    pub(crate) fn new(
        store: Store,
        timer: Arc<dyn Timer>,
        real: Arc<dyn Clock>,
        arrivals: Arc<Arrivals>,
        commands: mpsc::UnboundedSender<Command>,
    ) -> Self {
        Self { store, timer, real, arrivals, commands }
    }

    /// Writes a batch, and with it messages that will be worked on once they are due. Once this has returned they are durable.
    /// A future that is dropped has perhaps written them, and they are then found a little later.
    ///
    /// # Errors
    /// As [`tindra_store::Metadata::commit`]; nothing was written, or the storage does not know.
    pub async fn commit(&self, mut batch: Batch, messages: Vec<Message>) -> Result<u64, StoreError> {
        let mut handed = Vec::with_capacity(messages.len());
        for message in messages {
            let (queue, place) = self.place(&message);
            let held_until_ms = place.as_ref().map(|_| held_until_ms(&*self.real));
            batch.messages.push(MessageChange::Enqueue { message: message.clone(), held_until_ms });
            handed.push((queue, message, place));
        }
        let revision = self.store.metadata.commit(batch).await?;
        for (queue, message, place) in handed {
            let command = match place {
                Some(place) => {
                    let leased = Leased { lease: Lease::first(message.id), message };
                    Command::Arrived(queue, Box::new(leased), place)
                }
                None => Command::Stored(queue, message.due_ms),
            };
            // While the server stops nobody listens; the message is in the store.
            let _ = self.commands.send(command);
        }
        Ok(revision)
    }

    /// What time it is by the clock that messages wait by.
    #[must_use]
    pub fn timer(&self) -> &Arc<dyn Timer> {
        &self.timer
    }

    /// Room in memory for a message, when it is due.
    fn place(&self, message: &Message) -> (QueueName, Option<Place>) {
        let queue = QueueName::from(message.queue.as_str());
        let is_due = message.due_ms <= self.timer.unix_ms();
        let enter = || self.arrivals.enter(&queue, message.head.len() + message.body.len());
        let place = if is_due { enter() } else { None };
        (queue, place)
    }
}
