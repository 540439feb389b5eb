//! Durable steps: made again until they are made, or until somebody else has the message.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tindra_core::clock::UnixMs;
use tindra_store::{Batch, Lease, Leased, Message, MessageChange, Precondition, Store, StoreError};

use crate::dispatcher::Worked;
use crate::lanes::Settled;
use crate::outbox::Outbox;
use crate::ports::{Handle, Handled};

/// Wait after the store failed, in real time.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// A message whose head cannot be understood is looked at again after this: by a newer version, perhaps.
const NOT_UNDERSTOOD_WAIT_MS: u64 = 300_000;

/// Commits a batch that settles a message. A conflict means that it was committed before with an answer that was lost, or
/// that the lease has lapsed and somebody else settles the message: either way there is nothing left to do.
pub(crate) async fn settle(store: &Store, batch: Batch) {
    loop {
        match store.metadata.commit(batch.clone()).await {
            Ok(_) | Err(StoreError::Conflict { .. }) => return,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the end of a queued event's attempt could not be written down; trying again"
                );
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

/// Has a message worked on once, and makes durable what came of it.
pub(crate) async fn handle(handler: &dyn Handle, outbox: &Outbox, leased: Leased) -> Worked {
    let Leased { message, lease } = leased;
    let Handled { batch, messages, again } = handler.handle(&message).await;
    let (change, settled) = match again {
        Some(again) => {
            let settled = Settled { was_throttled: again.is_throttled, due_ms: Some(again.due_ms) };
            (MessageChange::Delay { lease, due_ms: again.due_ms, head: again.head }, settled)
        }
        None => (MessageChange::Complete(lease), Settled::default()),
    };
    let can_conflict = batch.changes.iter().any(|change| change.precondition != Precondition::None);
    let batch = batch.message(change);
    loop {
        match outbox.commit(batch.clone(), messages.clone()).await {
            Ok(_) => {
                handler.handled(&message);
                return Worked { settled, filled: Vec::new() };
            }
            Err(StoreError::Conflict { .. }) if can_conflict => return begin_again(outbox, &message, lease).await,
            // The lease was lost, or this is written already.
            Err(StoreError::Conflict { .. }) => return Worked { settled, filled: Vec::new() },
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    queue = message.queue,
                    "what came of a queued message could not be written down; trying again"
                );
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

/// Gives a message back at whose end something had changed meanwhile.
async fn begin_again(outbox: &Outbox, message: &Message, lease: Lease) -> Worked {
    let change = MessageChange::Delay { lease, due_ms: message.due_ms, head: message.head.clone() };
    let written = outbox.commit(Batch::default().message(change), Vec::new()).await;
    // One that is not given back is begun again when its lease lapses.
    let due_ms = written.is_ok().then_some(message.due_ms);
    Worked { settled: Settled { was_throttled: false, due_ms }, filled: Vec::new() }
}

/// Reads something until the store answers.
pub(crate) async fn insist<T, F: Future<Output = Result<T, StoreError>>>(mut attempt: impl FnMut() -> F) -> T {
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the store could not be read; trying again");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

/// Gives a message back with another head.
pub(crate) async fn give_back<T: Serialize>(
    store: &Store,
    lease: Lease,
    head: &T,
    due_ms: UnixMs,
    throttled: bool,
) -> Worked {
    let head = serde_json::to_vec(head).unwrap_or_default().into();
    settle(store, Batch::default().message(MessageChange::Delay { lease, due_ms, head })).await;
    Worked { settled: Settled { was_throttled: throttled, due_ms: Some(due_ms) }, filled: Vec::new() }
}

/// The head of a message as what it is.
///
/// # Errors
/// With the work done when it cannot be understood: the message stays and waits.
pub(crate) async fn understand<T: DeserializeOwned>(
    store: &Store,
    leased: &Leased,
    now_ms: UnixMs,
) -> Result<T, Worked> {
    match serde_json::from_slice(&leased.message.head) {
        Ok(head) => Ok(head),
        Err(error) => {
            let (id, queue) = (leased.message.id, &leased.message.queue);
            let reason = error.to_string();
            tracing::error!(%id, queue, reason, "a queued event cannot be understood; was it written by a newer tindra? It stays");
            let due_ms = now_ms + NOT_UNDERSTOOD_WAIT_MS;
            let head = leased.message.head.clone();
            settle(store, Batch::default().message(MessageChange::Delay { lease: leased.lease, due_ms, head })).await;
            Err(Worked { settled: Settled { was_throttled: false, due_ms: Some(due_ms) }, filled: Vec::new() })
        }
    }
}
