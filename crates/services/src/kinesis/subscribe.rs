//! SubscribeToShard: a consumer gets the records of a shard as they come, for five minutes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_model::ApiError;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::KinesisService;
use super::error::{dry_run, in_use, parse};
use super::iterator::Place;
use super::names::shard_id;
use super::read::{Page, Start};
use super::records::Shard;
use super::stream_arn;

/// A subscription ends then (AWS).
const LIFE: Duration = Duration::from_secs(300);
/// A subscription is not taken over by another one before (AWS).
const UNDISTURBED: Duration = Duration::from_secs(5);
/// Whoever hears nothing for so long gets an event without records.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Of one event, but for its last record.
const EVENT_BYTES_MAX: usize = 1 << 20;
const EVENT_RECORDS_MAX: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    #[serde(rename = "ConsumerARN")]
    consumer_arn: String,
    shard_id: String,
    starting_position: StartingPosition,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StartingPosition {
    r#type: String,
    sequence_number: Option<String>,
    timestamp: Option<f64>,
}

type Held = (String, u32);

/// Who is subscribed to what: each consumer once to each shard.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    held: Mutex<HashMap<Held, Taken>>,
}

#[derive(Clone, Debug)]
struct Taken {
    since: Instant,
    displaced: Arc<Notify>,
}

impl Subscriptions {
    fn locked(&self) -> MutexGuard<'_, HashMap<Held, Taken>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes; whoever was subscribed before is not any more.
    fn take(&self, what: &Held, now: Instant) -> Result<Arc<Notify>, ApiError> {
        let mut held = self.locked();
        if let Some(before) = held.get(what) {
            if now.duration_since(before.since) < UNDISTURBED {
                return Err(in_use(format!(
                    "Another active subscription exists for this consumer: {}, and shard {}.",
                    what.0,
                    shard_id(what.1)
                )));
            }
            before.displaced.notify_one();
        }
        let displaced = Arc::new(Notify::new());
        held.insert(what.clone(), Taken { since: now, displaced: Arc::clone(&displaced) });
        Ok(displaced)
    }

    fn leave(&self, what: &Held, displaced: &Arc<Notify>) {
        let mut held = self.locked();
        if held.get(what).is_some_and(|taken| Arc::ptr_eq(&taken.displaced, displaced)) {
            held.remove(what);
        }
    }
}

/// A subscription of a consumer to a shard; it ends when it is dropped.
#[derive(Debug)]
pub struct Subscription {
    service: KinesisService,
    scope: Scope,
    what: Held,
    place: Place,
    displaced: Arc<Notify>,
    stopping: watch::Receiver<bool>,
    end: Instant,
    heartbeat: Instant,
    has_ended: bool,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.service.inner.subscriptions.leave(&self.what, &self.displaced);
    }
}

impl KinesisService {
    /// Subscribes a consumer to a shard.
    ///
    /// # Errors
    /// As the API has them.
    pub async fn subscribe(&self, scope: &Scope, input: Value) -> Result<Subscription, ApiError> {
        let request: Request = parse(input)?;
        let consumer = self.consumer_at(scope, &request.consumer_arn).await?.value;
        let stream = self.named(scope, &super::Named::by_arn(&stream_arn(scope, &consumer.stream))).await?;
        let shard = self.shard_of(&stream, &request.shard_id)?;
        let StartingPosition { r#type: kind, sequence_number, timestamp } = &request.starting_position;
        let start = Start { kind, sequence: sequence_number.as_deref(), timestamp: *timestamp };
        let offset = self.find_start(&stream, shard, start).await?;
        if request.dry_run {
            return Err(dry_run());
        }
        let (what, now) = ((request.consumer_arn, shard.number), Instant::now());
        let displaced = self.inner.subscriptions.take(&what, now)?;
        let place = Place { stream: stream.id, name: stream.name.clone(), shard: shard.number, offset };
        Ok(Subscription {
            service: self.clone(),
            scope: scope.clone(),
            what,
            place,
            displaced,
            stopping: self.inner.stopping.subscribe(),
            end: now + LIFE,
            heartbeat: now,
            has_ended: false,
        })
    }

    /// Ends every subscription, so that a server that stops does not wait for those who are subscribed.
    pub fn end_subscriptions(&self) {
        self.inner.stopping.send_replace(true);
    }
}

impl Subscription {
    /// The next `SubscribeToShardEvent`; none when the subscription is over.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if self.has_ended || *self.stopping.borrow() || Instant::now() >= self.end {
                return None;
            }
            let stream = self.service.stream_at(&self.scope, &self.place).await.ok()?;
            let shard = stream.shard(self.place.shard)?;
            // Watched before looking: what comes in between is seen twice rather than never.
            let mut grown = self.service.inner.appenders.of(&stream, shard.number).watch();
            let page = self.service.page(&stream, shard, self.place.offset, EVENT_RECORDS_MAX, EVENT_BYTES_MAX);
            let page = page.await.ok()?;
            self.place.offset = page.next;
            if page.is_end {
                self.has_ended = true;
                return Some(event(shard, page, Some(stream.children(shard.number))));
            }
            if !page.records.is_empty() || Instant::now() >= self.heartbeat {
                self.heartbeat = Instant::now() + HEARTBEAT;
                return Some(event(shard, page, None));
            }
            tokio::select! {
                // Without a writer the shard has gone, which the next look finds.
                _ = grown.changed() => {}
                () = tokio::time::sleep_until(self.heartbeat.min(self.end)) => {}
                () = self.displaced.notified() => self.has_ended = true,
                _ = self.stopping.changed() => {}
            }
        }
    }
}

fn event(shard: &Shard, page: Page, children: Option<Vec<Value>>) -> Value {
    let mut event = json!({ "Records": page.records, "MillisBehindLatest": page.behind_ms });
    match children {
        Some(children) => event["ChildShards"] = children.into(),
        None => event["ContinuationSequenceNumber"] = shard.sequence(page.next, 0).to_string().into(),
    }
    event
}
