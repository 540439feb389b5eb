//! What the pollers need from others: the queues that they poll, and those of brokers.

use std::sync::Arc;

use serde_json::{Map, Value};
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

/// A message of a broker.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerMessage {
    /// Its number on the connection that it came by; a later one has a higher.
    pub tag: u64,
    /// Of its body.
    pub bytes: u64,
    /// How a function sees it.
    pub members: Map<String, Value>,
    /// Its body, which filters look at; empty when it has more bytes than any event.
    pub body: Vec<u8>,
}

/// A connection to a broker, by which the messages of one queue come. What was not acknowledged when it ends, however it
/// ends, comes again by another one.
pub trait BrokerQueue: Send + std::fmt::Debug {
    /// The next message, whenever it comes; giving up waiting loses none.
    ///
    /// # Errors
    /// When the connection has ended.
    fn take(&mut self) -> BoxFuture<'_, Result<BrokerMessage, SourceError>>;

    /// Tells that a message is done with, and with `all_before` all that came before it.
    ///
    /// # Errors
    /// When the connection has ended.
    fn acknowledge(&mut self, tag: u64, all_before: bool) -> BoxFuture<'_, Result<(), SourceError>>;

    /// Tells that a message will never be handled; the queue's own rules say what becomes of it.
    ///
    /// # Errors
    /// When the connection has ended.
    fn reject(&mut self, tag: u64) -> BoxFuture<'_, Result<(), SourceError>>;

    /// Ends the connection.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// Where the sources of mappings are.
pub trait Sources: Send + Sync + std::fmt::Debug {
    /// The queue of a mapping, if its function's role may take messages from it.
    ///
    /// # Errors
    /// When there is no such queue, or the role may not.
    fn queue<'a>(&'a self, mapping: &'a EventSourceMapping)
    -> BoxFuture<'a, Result<Arc<dyn QueueSource>, SourceError>>;

    /// A connection to the queue of a broker that a mapping names, if its function's role may have one.
    ///
    /// # Errors
    /// When the broker is not known, cannot be reached or refuses, or the role may not.
    fn broker<'a>(
        &'a self,
        mapping: &'a EventSourceMapping,
    ) -> BoxFuture<'a, Result<Box<dyn BrokerQueue>, SourceError>>;
}
