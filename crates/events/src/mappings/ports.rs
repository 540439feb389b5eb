//! What the pollers need from others: the queues that they poll.

use std::sync::Arc;

use serde_json::Value;
use tindra_core::event_source_mapping::EventSourceMapping;
use tindra_store::BoxFuture;

/// Why a source cannot be polled, or did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// For people, with what to do.
    pub message: String,
}

impl SourceError {
    /// An error of its own words.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// A queue of SQS, here or elsewhere, on whose behalf somebody may ask.
pub trait QueueSource: Send + Sync + std::fmt::Debug {
    /// Calls an operation of SQS about the queue, by its name in the service model. The members of the input are without
    /// `QueueUrl`; those of the output come back.
    ///
    /// # Errors
    /// When the queue does not answer, or refuses.
    fn call<'a>(&'a self, operation: &'static str, input: Value) -> BoxFuture<'a, Result<Value, SourceError>>;
}

/// Where the sources of mappings are.
pub trait Sources: Send + Sync + std::fmt::Debug {
    /// The queue of a mapping, if its function's role may take messages from it.
    ///
    /// # Errors
    /// When there is no such queue, or the role may not.
    fn queue<'a>(&'a self, mapping: &'a EventSourceMapping)
    -> BoxFuture<'a, Result<Arc<dyn QueueSource>, SourceError>>;
}
