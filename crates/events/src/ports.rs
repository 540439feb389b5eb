//! What the queue needs from others: somebody who runs functions, somebody who reaches queues, topics, buses and buckets, and
//! those whose messages it hands out.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tindra_core::async_invoke::Condition;
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_core::push::{Push, PushError};
use tindra_invoke::environments::Environments;
use tindra_invoke::{InvokeError, InvokeRequest, InvokeResponse, Invoker};
use tindra_store::{Batch, BoxFuture, Message};
use uuid::Uuid;

/// Runs functions.
pub trait Invoke: Send + Sync + std::fmt::Debug {
    /// Runs a function for one event; see [`Invoker::invoke`].
    fn invoke(&self, request: InvokeRequest) -> BoxFuture<'_, Result<InvokeResponse, InvokeError>>;
}

impl<E: Environments> Invoke for Invoker<E> {
    fn invoke(&self, request: InvokeRequest) -> BoxFuture<'_, Result<InvokeResponse, InvokeError>> {
        Box::pin(Invoker::invoke(self, request))
    }
}

/// Something that is told to a destination or a dead-letter queue. The store keeps it as JSON until it has been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The queue, topic, function, bus or bucket.
    pub target_arn: String,
    /// Account and region of the function that it is about.
    pub scope: Scope,
    /// Its unqualified name.
    pub function_name: String,
    /// Its ARN with the qualifier that was invoked.
    pub function_arn: String,
    /// `Role` of the function, on whose behalf it is told; none for a function that had gone by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// Of the event.
    pub request_id: String,
    /// `X-Amzn-Trace-Id` of the event, with the function's lineage where it ran.
    pub trace_id: String,
    /// When the event was done with.
    pub at_ms: UnixMs,
    /// What is told.
    pub purpose: Purpose,
    /// How often it was tried.
    #[serde(default)]
    pub attempts: u32,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// The body is the event itself.
    DeadLetter {
        /// `ErrorCode`: HTTP status.
        error_code: u16,
        /// `ErrorMessage`.
        error_message: String,
    },
    /// The body is a record of what became of the event.
    Record {
        /// What became of it.
        condition: Condition,
    },
    /// The body is a record of what was given up of a shard.
    Shard {
        /// The event source mapping.
        mapping: Uuid,
        /// The shard.
        shard_id: String,
    },
}

/// A delivery that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DeliverError {
    /// Why, and what to do.
    pub message: String,
}

/// Reaches queues, topics, functions, buses and buckets.
pub trait Deliver: Send + Sync + std::fmt::Debug {
    /// Tells the target; one attempt.
    ///
    /// # Errors
    /// When the target cannot be reached or refuses.
    fn deliver<'a>(&'a self, delivery: &'a Delivery, body: Bytes) -> BoxFuture<'a, Result<(), DeliverError>>;
}

/// Reaches the targets of pushes.
pub trait PushTo: Send + Sync + std::fmt::Debug {
    /// Pushes once. The id is the same at each attempt of the same push.
    ///
    /// # Errors
    /// When the target cannot be reached or refuses.
    fn push<'a>(&'a self, push: &'a Push, id: Uuid, body: &'a Bytes) -> BoxFuture<'a, Result<Pushed, PushError>>;

    /// What [`PushTo::push`] gave is durable now.
    fn pushed(&self, push: &Push);
}

/// What has to be written for a push to have arrived, in one commit with its end. Nothing for one that arrived elsewhere.
#[derive(Debug, Default)]
pub struct Pushed {
    /// Changes without preconditions.
    pub batch: Batch,
    /// Messages for queues of ours.
    pub messages: Vec<Message>,
}

/// Works on the messages of queues whose names begin alike.
pub trait Handle: Send + Sync + std::fmt::Debug {
    /// Works on a message once. What comes of it is made durable by the caller, in one commit with the end of the message;
    /// who is cut off before has not begun.
    fn handle<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Handled>;

    /// What came of a message is durable now.
    fn handled(&self, message: &Message) {
        let _ = message;
    }
}

/// What comes of a message. When its batch conflicts, the message is worked on again a minute later.
#[derive(Debug, Default)]
pub struct Handled {
    /// What else is written.
    pub batch: Batch,
    /// New messages.
    pub messages: Vec<Message>,
    /// The message stays; without this it is done.
    pub again: Option<Again>,
}

/// A message that stays.
#[derive(Clone, Debug)]
pub struct Again {
    /// When it is due.
    pub due_ms: UnixMs,
    /// Its new head.
    pub head: Bytes,
    /// Its queue met a limit: fewer of it should be worked on at once.
    pub is_throttled: bool,
}

impl Handled {
    /// The message stays, and nothing else changes.
    #[must_use]
    pub fn again(again: Again) -> Self {
        Self { again: Some(again), ..Self::default() }
    }
}

impl Again {
    /// As it is, five minutes later: for what cannot be worked on now, or not by this version.
    #[must_use]
    pub fn later(message: &Message, now_ms: UnixMs) -> Self {
        Self { due_ms: now_ms.saturating_add(300_000), head: message.head.clone(), is_throttled: false }
    }
}
