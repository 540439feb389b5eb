//! The port to the queue of asynchronous invokes, declared here because the invoke path needs it; `events` implements it.

use bytes::Bytes;
use tindra_core::function::Scope;
use tindra_core::tenant::TenantId;
use tindra_store::{BoxFuture, StoreError};

/// An event that is to be run later.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// What the caller is told, and what the function sees at every attempt.
    pub request_id: String,
    /// Account and region of the function.
    pub scope: Scope,
    /// Unqualified name of the function.
    pub function_name: String,
    /// The version or alias as it was named.
    pub qualifier: Option<String>,
    /// `X-Amzn-Trace-Id`: the caller's, or a fresh one, sampled or not.
    pub trace_id: String,
    /// The tenant that it is for.
    pub tenant: Option<TenantId>,
    /// The function's reserved concurrency is 0 now: the event is a failure without having been run (AWS).
    pub is_unwanted: bool,
    /// The event.
    pub payload: Bytes,
}

/// Where events wait.
pub trait EventQueue: Send + Sync + std::fmt::Debug {
    /// Takes an event. Once this has returned, the event is durable and will be run, or its end will be told where the
    /// function's configuration says.
    ///
    /// # Errors
    /// When it cannot be made durable; it may have been, all the same, when the storage does not know.
    fn accept(&self, event: NewEvent) -> BoxFuture<'_, Result<(), StoreError>>;
}
