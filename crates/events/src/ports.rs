//! What the queue needs from others: somebody who runs functions, and somebody who reaches queues, topics, buses and buckets.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tindra_core::async_invoke::Condition;
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_invoke::environments::Environments;
use tindra_invoke::{InvokeError, InvokeRequest, InvokeResponse, Invoker};
use tindra_store::BoxFuture;

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
