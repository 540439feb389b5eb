//! Taking pushes: what a queue, topic, bus or HTTP endpoint does with what a source pushes to it.

use bytes::Bytes;
use tindra_core::push::{Push, PushError};
use tindra_store::{Batch, BoxFuture, Message};
use uuid::Uuid;

/// What has to be written for a push to have arrived, in one commit with its end. Nothing for one that arrived elsewhere.
#[derive(Debug, Default)]
pub struct Received {
    /// Changes without preconditions.
    pub batch: Batch,
    /// Messages that are worked on next: pushes to further targets, among others.
    pub messages: Vec<Message>,
}

/// A service that takes pushes to things of its own, or sends those of its own to HTTP endpoints.
pub trait Receive: Send + Sync + std::fmt::Debug {
    /// Takes a push, after having asked the target's policy whether the source may; one with a role has been checked. The id
    /// is the same at each attempt of the same push.
    ///
    /// # Errors
    /// When the target is not there, refuses, or cannot take it now.
    fn receive<'a>(&'a self, push: &'a Push, id: Uuid, body: &'a Bytes) -> BoxFuture<'a, Result<Received, PushError>>;

    /// Whether the target of a push is there and its policy lets the source in, which [`Receive::receive`] asks first.
    ///
    /// # Errors
    /// Why it would not be taken.
    fn admit<'a>(&'a self, push: &'a Push) -> BoxFuture<'a, Result<(), PushError>>;

    /// What has to be done once the batch of [`Receive::receive`] is written: those who wait for it are told.
    fn received(&self, push: &Push) {
        let _ = push;
    }
}
