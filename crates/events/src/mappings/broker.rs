//! Polling a queue of a broker: batches of messages, one function run at a time (AWS, RabbitMQ).
//!
//! Messages are acknowledged when the function has succeeded with their batch, and those that no filter lets pass when they come.
//! After a function has failed, the connection is ended and a new one made after a while: the broker has all messages back,
//! removes those that have expired or come too often, and hands out the others in their order. Nothing is kept here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tindra_core::event_source_mapping::{EventSourceMapping, Filters, MappingSettings, data_key, filtered};
use tindra_core::limits;
use tindra_invoke::InvokeResponse;
use tindra_invoke::environments::Outcome;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::batch::{Record, RecordBatch};
use super::ports::{BrokerMessage, BrokerQueue, SourceError, Sources};
use super::runs::{THROTTLE_WAIT, THROTTLE_WAIT_MAX, is_passing, request};
use super::status::Status;
use crate::figures;
use crate::ports::Invoke;

/// The first wait before a connection is made again, in real time.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// The longest wait before a connection is made again, in real time.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// Polls the queue of one mapping.
#[derive(Debug)]
pub(super) struct BrokerPoller {
    mapping: EventSourceMapping,
    filters: Filters,
    sources: Arc<dyn Sources>,
    invoke: Arc<dyn Invoke>,
    status: Status,
}

/// Why a connection is no longer wanted.
enum Ended {
    /// It was asked for.
    Stopped,
    /// There is none, or it broke.
    Lost(SourceError),
    /// The function failed with what came by it.
    Failed,
}

/// A message that filters let pass.
struct Taken {
    tag: u64,
    record: Record,
}

/// A batch, and the last message in it.
#[derive(Default)]
struct Gathered {
    batch: RecordBatch,
    last_tag: u64,
}

impl BrokerPoller {
    pub(super) fn new(
        mapping: EventSourceMapping,
        filters: Filters,
        sources: Arc<dyn Sources>,
        invoke: Arc<dyn Invoke>,
        status: Status,
    ) -> Self {
        Self { mapping, filters, sources, invoke, status }
    }

    /// Polls until it is told to stop, then ends what it has begun.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut wait = RETRY_AFTER;
        let mut has_failed = false;
        loop {
            let opened = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                opened = self.sources.broker(&self.mapping) => opened,
            };
            let ended = match opened {
                Ok(queue) => {
                    if !has_failed {
                        self.status.has_nothing().await;
                    }
                    self.consume(queue, &mut stop, &mut wait).await
                }
                Err(error) => Ended::Lost(error),
            };
            has_failed = matches!(ended, Ended::Failed);
            match ended {
                Ended::Stopped => return,
                Ended::Lost(error) => {
                    self.status.has_problem(&error.message).await;
                    tracing::warn!(mapping = %self.mapping.uuid, reason = error.message, "there is no connection to a broker; trying again");
                }
                Ended::Failed => {}
            }
            tokio::select! {
                () = sleep(wait) => wait = (wait * 2).min(RETRY_AFTER_MAX),
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    fn settings(&self) -> &MappingSettings {
        &self.mapping.settings
    }

    /// Takes batches from one connection; `wait` begins anew with each that the function succeeds with.
    async fn consume(
        &self,
        mut queue: Box<dyn BrokerQueue>,
        stop: &mut watch::Receiver<bool>,
        wait: &mut Duration,
    ) -> Ended {
        let mut left = None;
        let ended = loop {
            let gathered = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break Ended::Stopped,
                gathered = self.gather(queue.as_mut(), &mut left) => gathered,
            };
            let Gathered { batch, last_tag } = match gathered {
                Ok(gathered) => gathered,
                Err(error) => break Ended::Lost(error),
            };
            if let Err(ended) = self.work(&batch.records, stop).await {
                break ended;
            }
            *wait = RETRY_AFTER;
            if let Err(error) = queue.acknowledge(last_tag, true).await {
                break Ended::Lost(error);
            }
        };
        queue.close().await;
        ended
    }

    /// Waits for a message, and fills a batch until it is full or has waited for its window.
    async fn gather(&self, queue: &mut dyn BrokerQueue, left: &mut Option<Taken>) -> Result<Gathered, SourceError> {
        let window = Duration::from_millis(self.settings().batching_window_ms());
        let mut gathered = Gathered::default();
        let mut end: Option<Instant> = None;
        loop {
            let taken = match (left.take(), end) {
                (Some(taken), _) => Some(taken),
                (None, None) => {
                    let message = queue.take().await?;
                    self.let_pass(queue, message).await?
                }
                (None, Some(end)) => {
                    let Ok(message) = timeout_at(end, queue.take()).await else { return Ok(gathered) };
                    self.let_pass(queue, message?).await?
                }
            };
            let Some(Taken { tag, record }) = taken else { continue };
            if let Some(record) = gathered.batch.add(record, self.settings(), 0) {
                *left = Some(Taken { tag, record });
                return Ok(gathered);
            }
            gathered.last_tag = tag;
            end.get_or_insert_with(|| Instant::now() + window);
            if gathered.batch.room(self.settings()) == 0 {
                return Ok(gathered);
            }
        }
    }

    /// Ends what no function sees: what filters hold back, and what no event has room for.
    async fn let_pass(
        &self,
        queue: &mut dyn BrokerQueue,
        message: BrokerMessage,
    ) -> Result<Option<Taken>, SourceError> {
        figures::polled(&self.mapping, 1);
        let BrokerMessage { tag, bytes, members, body } = message;
        let key = data_key(self.mapping.source.kind);
        let is_held_back = !self.filters.is_empty() && !self.filters.let_pass(&filtered(members.clone(), key, &body));
        let record = Record::new(members);
        if bytes > limits::SYNC_REQUEST_BYTES_MAX as u64 || !RecordBatch::has_room_for(&record) {
            queue.reject(tag).await?;
            let problem = format!(
                "a message of {bytes} bytes is larger than an event; it was rejected, to the queue's dead-letter exchange if it has one"
            );
            self.status.has_problem(&problem).await;
            tracing::warn!(mapping = %self.mapping.uuid, bytes, "a message is larger than an event; it was rejected");
            return Ok(None);
        }
        if is_held_back {
            figures::filtered_out(&self.mapping, 1);
            queue.acknowledge(tag, false).await?;
            return Ok(None);
        }
        Ok(Some(Taken { tag, record }))
    }

    /// Runs the function for a batch, again while it meets a limit.
    async fn work(&self, records: &[Record], stop: &mut watch::Receiver<bool>) -> Result<(), Ended> {
        let event = Bytes::from(self.event(records));
        let mut wait = THROTTLE_WAIT;
        let problem = loop {
            match self.invoke.invoke(request(&self.mapping, event.clone(), None)).await {
                Ok(InvokeResponse::Completed { finished, .. }) if matches!(finished.outcome, Outcome::Success(_)) => {
                    figures::done(&self.mapping, records.len());
                    self.status.is_well().await;
                    return Ok(());
                }
                Ok(_) => break "Function call failed".to_owned(),
                Err(error) if is_passing(&error) => tokio::select! {
                    () = sleep(wait) => wait = (wait * 2).min(THROTTLE_WAIT_MAX),
                    _ = stop.wait_for(|stop| *stop) => return Err(Ended::Stopped),
                },
                Err(error) => break error.to_string(),
            }
        };
        figures::failed(&self.mapping, records.len());
        self.status.has_problem(&problem).await;
        Err(Ended::Failed)
    }

    /// `{"eventSource": "aws:rmq", …}` (AWS, "Using Lambda with Amazon MQ").
    fn event(&self, records: &[Record]) -> Vec<u8> {
        let source = &self.mapping.source;
        let queue = source.queues.first().map_or("", String::as_str);
        let messages: Vec<&Map<String, Value>> = records.iter().map(|record| &record.members).collect();
        let by_queue = format!("{queue}::{}", self.settings().virtual_host());
        let event = json!({
            "eventSource": "aws:rmq", "eventSourceArn": source.arn, "rmqMessagesByQueue": { by_queue: messages },
        });
        // Maps of JSON values: there is nothing in them that cannot be written.
        serde_json::to_vec(&event).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
