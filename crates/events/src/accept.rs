//! Taking events in: durable first, then the caller is answered and the event handed on.

use std::sync::Arc;

use tindra_core::async_invoke::AsyncEvent;
use tindra_core::clock::Clock;
use tindra_core::function::Scope;
use tindra_invoke::event_queue::{EventQueue, NewEvent};
use tindra_store::{Batch, BoxFuture, Lease, Leased, Message, MessageChange, Store, StoreError};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::arrivals::Arrivals;
use crate::clock::Timer;
use crate::dispatcher::{Command, held_until_ms};
use crate::figures;
use crate::lanes::QueueName;

/// Prefix of the queues of events: one for each function, so that none delays another.
pub(crate) const EVENT_PREFIX: &str = "event/";

/// The queue of a function's events.
pub(crate) fn queue(scope: &Scope, function: &str) -> String {
    format!("{EVENT_PREFIX}{}/{}/{function}", scope.account, scope.region)
}

/// Where asynchronous invokes come in.
#[derive(Debug)]
pub(crate) struct Accepting {
    store: Store,
    timer: Arc<dyn Timer>,
    real: Arc<dyn Clock>,
    arrivals: Arc<Arrivals>,
    commands: mpsc::UnboundedSender<Command>,
}

impl Accepting {
    pub(crate) fn new(
        store: Store,
        timer: Arc<dyn Timer>,
        real: Arc<dyn Clock>,
        arrivals: Arc<Arrivals>,
        commands: mpsc::UnboundedSender<Command>,
    ) -> Self {
        Self { store, timer, real, arrivals, commands }
    }

    async fn put(&self, event: NewEvent) -> Result<(), StoreError> {
        let now_ms = self.timer.unix_ms();
        let name = queue(&event.scope, &event.function_name);
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
        let message = Message {
            id: Uuid::now_v7(),
            queue: name.clone(),
            enqueued_ms: now_ms,
            due_ms: now_ms,
            head: head.into(),
            body: payload,
        };
        let name = QueueName::from(name);
        let place = self.arrivals.enter(&name, message.head.len() + message.body.len());
        let held_until_ms = place.as_ref().map(|_| held_until_ms(&*self.real));
        let change = MessageChange::Enqueue { message: message.clone(), held_until_ms };
        self.store.metadata.commit(Batch::default().message(change)).await?;
        figures::received(&event.scope, &event.function_name);
        let command = match place {
            Some(place) => {
                let leased = Leased { lease: Lease::first(message.id), message };
                Command::Arrived(name, Box::new(leased), place)
            }
            None => Command::Stored(name),
        };
        // While the server stops nobody listens; the event is in the store.
        let _ = self.commands.send(command);
        Ok(())
    }
}

impl EventQueue for Accepting {
    fn accept(&self, event: NewEvent) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.put(event))
    }
}
