//! What follows from events that were stored: functions get those that their filters let pass, and whoever watches sees them.
//!
//! Events of a moment go together, as on AWS. They are in memory until the pushes that carry them are durable: what is lost
//! with a server that is killed is lost together with the events themselves, which are not fsynced either.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tindra_core::clock::Timer;
use tindra_core::function::Scope;
use tindra_core::push::{Content, Push, PushPolicy, Source};
use tindra_store::{Batch, LogEvent, Logs, Message, StoreError};
use tokio::sync::Notify;

use super::live_tail::Tails;
use super::names::{event_id, group_arn};
use super::subscriptions::{Destinations, PREFIX, Table};
use crate::outbox::{Outbox, push_message};

/// How long events are gathered before they go out together.
const GATHERING: Duration = Duration::from_millis(100);
/// Bytes of messages in one event of a function: with everything around it, it stays below what an asynchronous invoke takes.
const EVENT_BYTES_MAX: usize = 512 << 10;
/// Bytes of messages that wait to be pushed.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// What a waiting event costs besides its text.
const EVENT_BYTES: usize = 128;
/// Wait after the store failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What pushes go out by.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) timer: Arc<dyn Timer>,
    pub(super) destinations: Arc<dyn Destinations>,
    pub(super) table: Table,
}

/// Everybody who gets events besides the store.
#[derive(Debug, Default)]
pub(super) struct Taps {
    delivery: OnceLock<Delivery>,
    waiting: Mutex<Waiting>,
    filled: Notify,
    /// Told after every commit.
    emptied: Notify,
    pub(super) tails: Tails,
}

#[derive(Debug, Default)]
struct Waiting {
    batches: HashMap<Key, Vec<Value>>,
    bytes: usize,
    is_writing: bool,
}

/// What goes together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    scope: Scope,
    group: String,
    stream: String,
    filter: String,
    destination_arn: String,
    principal: String,
}

/// Events of one stream that were stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored<'a> {
    /// The store's scope.
    pub(super) scope: &'a str,
    pub(super) group: &'a str,
    pub(super) stream: &'a str,
    pub(super) events: &'a [LogEvent],
    /// The position of the first.
    pub(super) first: u64,
}

impl Taps {
    /// From now on functions get events.
    pub(super) fn deliver_by(self: &Arc<Self>, delivery: Delivery) -> tokio::task::JoinHandle<()> {
        // Set once, at the start.
        let _ = self.delivery.set(delivery);
        let taps = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                taps.filled.notified().await;
                tokio::time::sleep(GATHERING).await;
                taps.write().await;
            }
        })
    }

    pub(super) fn delivery(&self) -> Option<&Delivery> {
        self.delivery.get()
    }

    /// Stores events and tells everybody who wants them.
    pub(super) async fn store(
        &self,
        logs: &dyn Logs,
        scope: &str,
        group: &str,
        stream: &str,
        events: Vec<LogEvent>,
    ) -> Result<(), StoreError> {
        if let Some(delivery) = self.delivery() {
            // A filter that was set before counts.
            delivery.table.catch_up().await;
        }
        if !self.is_wanted(scope, group) {
            return logs.append(scope, group, stream, events).await;
        }
        let kept = events.clone();
        logs.append(scope, group, stream, events).await?;
        let end = logs.end(scope, group, stream).await?.unwrap_or(0);
        let first = end.saturating_sub(u64::try_from(kept.len()).unwrap_or(u64::MAX));
        let stored = Stored { scope, group, stream, events: &kept, first };
        self.tails.see(stored);
        self.gather(stored);
        Ok(())
    }

    fn is_wanted(&self, scope: &str, group: &str) -> bool {
        let has_filters = || self.delivery().is_some_and(|one| one.table.get(&key(scope, group)).is_some());
        self.tails.are_any() || has_filters()
    }

    /// Adds what the group's filters let pass to what goes out next.
    fn gather(&self, stored: Stored<'_>) {
        let Stored { scope, group, stream, events, first } = stored;
        let Some(known) = self.delivery().and_then(|one| one.table.get(&key(scope, group))) else { return };
        let mut waiting = self.lock();
        let mut dropped = 0_u64;
        for (filter, pattern) in known.filters.filters.iter().zip(&known.patterns) {
            let passing = (first..).zip(events).filter(|(_, event)| pattern.matches(&event.message));
            for (position, event) in passing {
                let cost = event.message.len() + EVENT_BYTES;
                if waiting.bytes + cost > WAITING_BYTES_MAX {
                    dropped += 1;
                    continue;
                }
                waiting.bytes += cost;
                let key = Key {
                    scope: known.filters.scope.clone(),
                    group: group.to_owned(),
                    stream: stream.to_owned(),
                    filter: filter.name.clone(),
                    destination_arn: filter.destination_arn.clone(),
                    principal: filter.principal.clone(),
                };
                waiting.batches.entry(key).or_default().push(json!({
                    "id": event_id(stream, event.timestamp_ms, position),
                    "timestamp": event.timestamp_ms,
                    "message": event.message,
                }));
            }
        }
        drop(waiting);
        if dropped > 0 {
            tracing::warn!(group, dropped, "log events came faster than they could be handed to functions");
        }
        self.filled.notify_one();
    }

    /// Hands on what has gathered.
    async fn write(&self) {
        let Some(delivery) = self.delivery() else { return };
        let batches = {
            let mut waiting = self.lock();
            waiting.bytes = 0;
            waiting.is_writing = true;
            std::mem::take(&mut waiting.batches)
        };
        let now_ms = delivery.timer.unix_ms();
        let mut messages = Vec::new();
        for (key, events) in batches {
            for events in cut(events) {
                messages.push(message(&key, &events, now_ms));
            }
        }
        while !messages.is_empty() {
            match delivery.outbox.commit(Batch::default(), messages.clone()).await {
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "log events wait for the store");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
        self.lock().is_writing = false;
        self.emptied.notify_waiters();
    }

    /// Waits until everything that was stored is handed on.
    pub(super) async fn flush(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            emptied.as_mut().enable();
            let is_done = {
                let waiting = self.lock();
                waiting.batches.is_empty() && !waiting.is_writing
            };
            if is_done {
                return;
            }
            emptied.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(scope: &str, group: &str) -> String {
    format!("{PREFIX}{scope}/{group}")
}

/// Parts that an event of a function can hold.
fn cut(events: Vec<Value>) -> Vec<Vec<Value>> {
    let (mut parts, mut bytes) = (vec![Vec::new()], 0);
    for event in events {
        let cost = event["message"].as_str().map_or(0, str::len) + EVENT_BYTES;
        if bytes + cost > EVENT_BYTES_MAX && bytes > 0 {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += cost;
        if let Some(part) = parts.last_mut() {
            part.push(event);
        }
    }
    parts
}

fn message(key: &Key, events: &[Value], now_ms: u64) -> Message {
    let data = json!({
        "messageType": "DATA_MESSAGE",
        "owner": key.scope.account,
        "logGroup": key.group,
        "logStream": key.stream,
        "subscriptionFilters": [key.filter],
        "logEvents": events,
    });
    let body = json!({ "awslogs": { "data": STANDARD.encode(gzip(data.to_string().as_bytes())) } });
    let source = Source {
        principal: key.principal.clone(),
        arn: format!("{}:*", group_arn(&key.scope, &key.group)),
        scope: key.scope.clone(),
    };
    let push = Push {
        source,
        target_arn: key.destination_arn.clone(),
        role_arn: None,
        content: Content::Function,
        policy: PushPolicy::default(),
        dead_letter: None,
        trace_id: None,
        at_ms: now_ms,
        attempts: 0,
        last_error: None,
    };
    push_message(&push, body.to_string().into(), now_ms)
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Memory takes everything.
    let written = encoder.write_all(data).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}
