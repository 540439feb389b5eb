//! What others push to buses, and what goes to API destinations.

use bytes::Bytes;
use tindra_core::policy::Requester;
use tindra_core::push::{Content, Push, PushError};
use tindra_store::BoxFuture;
use uuid::Uuid;

use super::EventBridgeService;
use super::deliver::PRINCIPAL;
use super::event::Event;
use super::names::{BusName, parse_rule_arn};
use crate::receive::{Receive, Received};

impl Receive for EventBridgeService {
    fn receive<'a>(&'a self, push: &'a Push, id: Uuid, body: &'a Bytes) -> BoxFuture<'a, Result<Received, PushError>> {
        Box::pin(async move {
            match &push.content {
                Content::Bus => self.take(push, id, body).await,
                Content::Http(request) => self.send(push, request, body).await.map(|()| Received::default()),
                _ => Err(PushError::lasting("INVALID_PARAMETER", format!("{} is no event bus", push.target_arn))),
            }
        })
    }

    fn admit<'a>(&'a self, push: &'a Push) -> BoxFuture<'a, Result<(), PushError>> {
        Box::pin(async move {
            match &push.content {
                Content::Bus => self.admitting(push).await.map(drop),
                _ => Ok(()),
            }
        })
    }
}

impl EventBridgeService {
    async fn take(&self, push: &Push, id: Uuid, body: &Bytes) -> Result<Received, PushError> {
        let bus = self.admitting(push).await?;
        let event = Event::read(body, id, &bus.scope, self.now_ms());
        let mut event = event.map_err(|why| PushError::lasting("INVALID_JSON", format!("it is no event: {why}")))?;
        event.trace_id.clone_from(&push.trace_id);
        event.is_forwarded = push.source.principal == PRINCIPAL && parse_rule_arn(&push.source.arn).is_some();
        let messages = self.spread(&bus, &event).await.map_err(|error| passing(&error))?;
        Ok(Received { messages, ..Received::default() })
    }

    /// The bus that a push is for, if it lets the source in.
    async fn admitting(&self, push: &Push) -> Result<BusName, PushError> {
        let target = &push.target_arn;
        let bus = BusName::parse_arn(target)
            .ok_or_else(|| PushError::lasting("INVALID_PARAMETER", format!("{target} is no event bus's ARN")))?;
        self.table.catch_up().await.map_err(|error| passing(&error))?;
        if !self.table.has_bus(&bus) {
            return Err(PushError::lasting("NO_RESOURCE", format!("the event bus {target} does not exist")));
        }
        self.check_source(push, &bus).await?;
        Ok(bus)
    }

    /// A bus of another account asks its policy whether the source may.
    async fn check_source(&self, push: &Push, bus: &BusName) -> Result<(), PushError> {
        let account = &push.source.scope.account;
        if !self.around.is_checked || *account == bus.scope.account {
            return Ok(());
        }
        let requester = match &push.role_arn {
            None => Requester::Root { account: account.clone() },
            Some(role) => {
                let name = role.rsplit('/').next().unwrap_or_default();
                let arn = format!("arn:aws:sts::{account}:assumed-role/{name}/events");
                Requester::Session { account: account.clone(), arn, role: role.clone() }
            }
        };
        match self.lets_in(bus, &requester).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(PushError::lasting(
                "NO_PERMISSIONS",
                format!("{} does not let {} put events", push.target_arn, push.source.arn),
            )),
            Err(error) => Err(PushError::passing("INTERNAL_ERROR", error.message())),
        }
    }
}

fn passing(error: &dyn std::error::Error) -> PushError {
    PushError::passing("INTERNAL_ERROR", error.to_string())
}
