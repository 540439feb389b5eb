//! Taking events in: durable first, then the caller is answered and the event handed on.

use tindra_core::async_invoke::AsyncEvent;
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_invoke::event_queue::{EventQueue, NewEvent};
use tindra_store::{Batch, BoxFuture, Message, StoreError};

use crate::figures;
use crate::outbox::Outbox;

/// Prefix of the queues of events: one for each function, so that none delays another.
pub(crate) const EVENT_PREFIX: &str = "event/";

/// The queue of a function's events.
pub(crate) fn queue(scope: &Scope, function: &str) -> String {
    format!("{EVENT_PREFIX}{}/{}/{function}", scope.account, scope.region)
}

/// The message of an event that is accepted now.
///
/// # Errors
/// When it cannot be encoded.
pub fn event_message(event: NewEvent, now_ms: UnixMs) -> Result<Message, StoreError> {
    let queue = queue(&event.scope, &event.function_name);
    let NewEvent { request_id, scope, function_name, qualifier, trace_id, tenant, is_unwanted, payload } = event;
    let event = AsyncEvent {
        request_id,
        scope,
        function_name,
        qualifier,
        trace_id,
        tenant: tenant.map(|tenant| tenant.to_string()),
        accepted_ms: now_ms,
        is_unwanted,
        attempts: 0,
        refusals: 0,
        last: None,
    };
    let head = serde_json::to_vec(&event)
        .map_err(|error| StoreError::Storage { attempt: "encode the event".to_owned(), source: error.into() })?;
    figures::received(&event.scope, &event.function_name);
    Ok(Message::new(queue, head, payload, now_ms, now_ms))
}

/// Where asynchronous invokes come in.
impl EventQueue for Outbox {
    fn accept(&self, event: NewEvent) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let message = event_message(event, self.timer().unix_ms())?;
            self.commit(Batch::default(), vec![message]).await.map(drop)
        })
    }
}
