//! What waits, for those who look after it.

use serde::Serialize;
use tindra_core::async_invoke::AsyncEvent;
use tindra_core::clock::UnixMs;
use tindra_core::push::{PUSH_PREFIX, Push};
use tindra_store::{Message, QueueFigures, StoreError};
use uuid::Uuid;

use crate::AsyncInvokes;
use crate::accept::EVENT_PREFIX;
use crate::deliveries::DELIVERY_PREFIX;
use crate::ports::{Delivery, Purpose};

/// Queues and messages read at once.
const PAGE: usize = 512;

/// A queue: the events of a function, what is to be told to a target of it, or what a service pushes to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueListed {
    /// `event`, `delivery` or `push`.
    pub kind: &'static str,
    /// Of the function or source.
    pub account: String,
    /// Of the function or source.
    pub region: String,
    /// Unqualified name of the function; of a push, the service that it comes from.
    pub function: String,
    /// ARN that deliveries and pushes go to.
    pub target: Option<String>,
    /// Messages in it, those that are worked on among them.
    pub messages: u64,
    /// When the oldest was put in.
    pub oldest_ms: UnixMs,
    /// When the earliest is or was due.
    pub next_due_ms: UnixMs,
}

/// One message of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MessageListed {
    /// For a redrive.
    pub id: Uuid,
    /// `event`, `dead letter`, `record` or `push`.
    pub kind: &'static str,
    /// The version or alias that was invoked.
    pub qualifier: Option<String>,
    /// ARN that a delivery or push goes to.
    pub target: Option<String>,
    /// The event's request id.
    pub request_id: String,
    /// When it was put in.
    pub since_ms: UnixMs,
    /// When it is or was due.
    pub due_ms: UnixMs,
    /// Runs of the function, or attempts of the delivery, that ended.
    pub attempts: u32,
    /// How often an event was given back without a run since its last run.
    pub refusals: u32,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// The parts of a queue's name.
struct Named {
    kind: &'static str,
    account: String,
    region: String,
    function: String,
    target: Option<String>,
}

impl Named {
    fn parse(queue: &str) -> Option<Self> {
        let of_kind = |kind, prefix| queue.strip_prefix(prefix).map(|rest| (kind, rest));
        let (kind, rest) = of_kind("event", EVENT_PREFIX)
            .or_else(|| of_kind("delivery", DELIVERY_PREFIX))
            .or_else(|| of_kind("push", PUSH_PREFIX))?;
        let mut parts = rest.splitn(4, '/');
        let (account, region, function) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            kind,
            account: account.to_owned(),
            region: region.to_owned(),
            function: function.to_owned(),
            target: parts.next().map(str::to_owned),
        })
    }
}

impl AsyncInvokes {
    /// Every queue that has messages.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn queues(&self) -> Result<Vec<QueueListed>, StoreError> {
        let figures = self.figures().await?;
        Ok(figures.into_iter().map(|(named, figures)| listed(named, &figures)).collect())
    }

    /// The first messages of a function (of one account, or of any), its events before its deliveries, at most `limit`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn messages(
        &self,
        account: Option<&str>,
        function: &str,
        limit: usize,
    ) -> Result<Vec<MessageListed>, StoreError> {
        let mut all = Vec::new();
        for queue in self.queues_of(account, function).await? {
            let mut after = None;
            while all.len() < limit {
                let page = self.store.queues.peek(&queue, after, PAGE.min(limit - all.len())).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.id);
                all.extend(page.iter().map(described));
            }
        }
        Ok(all)
    }

    /// Makes what waits of a function due now, or one message of it. What is being worked on is left alone. Returns how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn redrive(&self, account: Option<&str>, function: &str, id: Option<Uuid>) -> Result<u64, StoreError> {
        let (now_ms, real_ms) = (self.timer.unix_ms(), self.real.unix_ms());
        let mut changed = 0;
        for queue in self.queues_of(account, function).await? {
            changed += self.store.queues.make_due(&queue, id, now_ms, real_ms).await?;
            self.redriven(&queue);
        }
        Ok(changed)
    }

    async fn queues_of(&self, account: Option<&str>, function: &str) -> Result<Vec<String>, StoreError> {
        let all = self.figures().await?;
        let mut queues: Vec<_> = all
            .into_iter()
            .filter(|(named, _)| named.function == function && account.is_none_or(|account| named.account == account))
            .collect();
        // Events first.
        queues.sort_by_key(|(named, _)| named.kind != "event");
        Ok(queues.into_iter().map(|(_, figures)| figures.queue).collect())
    }

    async fn figures(&self) -> Result<Vec<(Named, QueueFigures)>, StoreError> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.store.queues.queues("", after.as_deref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|figures| figures.queue.clone());
            all.extend(page.into_iter().filter_map(|figures| Some((Named::parse(&figures.queue)?, figures))));
            if is_last {
                return Ok(all);
            }
        }
    }
}

fn listed(named: Named, figures: &QueueFigures) -> QueueListed {
    let Named { kind, account, region, function, target } = named;
    let QueueFigures { messages, next_due_ms, oldest_ms, .. } = *figures;
    QueueListed { kind, account, region, function, target, messages, oldest_ms, next_due_ms }
}

/// A message by its head; one that cannot be understood is shown with what is certain.
fn described(message: &Message) -> MessageListed {
    let plain = MessageListed {
        id: message.id,
        kind: "event",
        qualifier: None,
        target: None,
        request_id: String::new(),
        since_ms: message.enqueued_ms,
        due_ms: message.due_ms,
        attempts: 0,
        refusals: 0,
        last_error: None,
    };
    if message.queue.starts_with(DELIVERY_PREFIX) {
        let Ok(delivery) = serde_json::from_slice::<Delivery>(&message.head) else {
            return MessageListed { kind: "delivery", ..plain };
        };
        let kind = match delivery.purpose {
            Purpose::DeadLetter { .. } => "dead letter",
            Purpose::Record { .. } | Purpose::Shard { .. } => "record",
        };
        return MessageListed {
            kind,
            target: Some(delivery.target_arn),
            request_id: delivery.request_id,
            attempts: delivery.attempts,
            last_error: delivery.last_error,
            ..plain
        };
    }
    if message.queue.starts_with(PUSH_PREFIX) {
        let plain = MessageListed { kind: "push", ..plain };
        let Ok(push) = serde_json::from_slice::<Push>(&message.head) else { return plain };
        return MessageListed {
            target: Some(push.target_arn),
            attempts: push.attempts,
            last_error: push.last_error,
            ..plain
        };
    }
    let Ok(event) = serde_json::from_slice::<AsyncEvent>(&message.head) else { return plain };
    MessageListed {
        qualifier: event.qualifier,
        request_id: event.request_id,
        attempts: event.attempts,
        refusals: event.refusals,
        last_error: event.last.map(|last| last.message),
        ..plain
    }
}
