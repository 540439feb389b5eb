//! Polling a queue of SQS: takes messages, fills batches, runs the function, removes what is done.
//!
//! A message is removed only after its function has said that it is done, or when no filter lets it pass. One whose function
//! fails comes back when its visibility timeout ends; the queue counts how often, and moves it to its dead-letter queue.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tindra_core::clock::{Timer, UnixMs};
use tindra_core::event_source_mapping::{
    EventSourceMapping, Filters, ItemFailures, MappingSettings, QueueScaling, data_key, filtered, sqs_record,
};
use tindra_invoke::environments::Outcome;
use tindra_invoke::{InvokeRequest, InvokeResponse};
use tindra_store::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::batch::{Record, RecordBatch};
use super::ports::{SourceApi, SourceError};
use super::runs::{THROTTLE_WAIT, THROTTLE_WAIT_MAX, is_passing, request};
use super::status::Status;
use crate::figures;
use crate::ports::Invoke;

/// Messages of one receive, and of one removal (AWS).
const MESSAGES_MAX: usize = 10;
/// How long a receive waits for the first message (AWS).
const WAIT_S: u64 = 20;
/// How long where it has to be waited for by a poller that ends.
const ELSEWHERE_WAIT_S: u64 = 5;
/// Wait after a source failed, in real time.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often a removal is tried.
const REMOVALS: usize = 5;

/// Polls the queue of one mapping.
#[derive(Debug)]
pub(super) struct QueuePoller {
    mapping: EventSourceMapping,
    filters: Filters,
    queue: Arc<dyn SourceApi>,
    invoke: Arc<dyn Invoke>,
    timer: Arc<dyn Timer>,
    status: Status,
    scaling: Mutex<QueueScaling>,
}

/// What was taken, and a receive that has not answered yet.
#[derive(Default)]
struct Taken {
    /// The batch that is being filled.
    batch: RecordBatch,
    /// What has no room in it.
    left: Vec<Record>,
    receiving: Option<BoxFuture<'static, Result<Vec<Record>, SourceError>>>,
}

/// What became of a batch.
enum Ended {
    /// These are done with.
    Removable(Vec<String>),
    /// The function failed: all of them come back.
    Failed,
}

impl QueuePoller {
    pub(super) fn new(
        mapping: EventSourceMapping,
        filters: Filters,
        queue: Arc<dyn SourceApi>,
        invoke: Arc<dyn Invoke>,
        timer: Arc<dyn Timer>,
        status: Status,
    ) -> Self {
        let scaling = Mutex::new(QueueScaling::new(&mapping.settings));
        Self { mapping, filters, queue, invoke, timer, status, scaling }
    }

    /// Polls until it is told to stop, then ends what it has begun.
    pub(super) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut working = JoinSet::new();
        let mut taken = Taken::default();
        loop {
            let gathered = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                _ = working.join_next(), if working.len() >= self.scaling().limit() => continue,
                gathered = self.gather(&mut taken), if working.len() < self.scaling().limit() => gathered,
            };
            while working.try_join_next().is_some() {}
            match gathered {
                Ok(()) if taken.batch.records.is_empty() => self.scaling().is_empty(),
                Ok(()) => {
                    if working.len() + 1 >= self.scaling().limit() {
                        self.scaling().has_more(self.timer.unix_ms());
                    }
                    let (poller, batch) = (Arc::clone(&self), std::mem::take(&mut taken.batch));
                    working.spawn(async move { poller.work(batch).await });
                }
                Err(error) => {
                    self.status.has_problem(&error.message).await;
                    tracing::warn!(mapping = %self.mapping.uuid, reason = error.message, "a queue could not be polled; trying again");
                    tokio::select! {
                        () = tokio::time::sleep(RETRY_AFTER) => {}
                        _ = stop.wait_for(|stop| *stop) => break,
                    }
                }
            }
        }
        self.give_all_back(taken).await;
        while working.join_next().await.is_some() {}
    }

    fn settings(&self) -> &MappingSettings {
        &self.mapping.settings
    }

    fn scaling(&self) -> MutexGuard<'_, QueueScaling> {
        self.scaling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills a batch until it is full or has waited for its window; leaves it empty when there was nothing for as long as a
    /// receive waits.
    async fn gather(self: &Arc<Self>, taken: &mut Taken) -> Result<(), SourceError> {
        let Taken { batch, left, receiving } = taken;
        let window_ms = u64::from(self.settings().batching_window_s.unwrap_or(0)) * 1_000;
        self.fill(batch, left);
        loop {
            let now_ms = self.timer.unix_ms();
            let end_ms = batch.since_ms.saturating_add(window_ms);
            let room = batch.room(self.settings());
            let is_over = !batch.records.is_empty() && (window_ms == 0 || now_ms >= end_ms);
            if room == 0 || is_over || !left.is_empty() {
                return Ok(());
            }
            let wait_s_max = if self.queue.forgets_calls() { WAIT_S } else { ELSEWHERE_WAIT_S };
            let wait_s = if batch.records.is_empty() {
                wait_s_max
            } else {
                end_ms.saturating_sub(now_ms).div_ceil(1_000).min(wait_s_max)
            };
            let answer = receiving.get_or_insert_with(|| {
                let poller = Arc::clone(self);
                Box::pin(async move { poller.receive(room.min(MESSAGES_MAX), wait_s).await })
            });
            let received = answer.await;
            *receiving = None;
            let received = received?;
            let has_none = received.is_empty();
            left.extend(received);
            self.fill(batch, left);
            if has_none && batch.records.is_empty() {
                return Ok(());
            }
        }
    }

    fn fill(&self, batch: &mut RecordBatch, left: &mut Vec<Record>) {
        let now_ms = self.timer.unix_ms();
        let mut rest = std::mem::take(left).into_iter();
        for record in rest.by_ref() {
            if let Some(record) = batch.add(record, self.settings(), now_ms) {
                left.push(record);
                break;
            }
        }
        left.extend(rest);
    }

    async fn receive(&self, messages_max: usize, wait_s: u64) -> Result<Vec<Record>, SourceError> {
        let arn = self.mapping.source.arn.as_deref().unwrap_or_default();
        let input = json!({
            "MaxNumberOfMessages": messages_max, "WaitTimeSeconds": wait_s,
            "AttributeNames": ["All"], "MessageAttributeNames": ["All"],
        });
        let answer = self.queue.call("ReceiveMessage", input).await?;
        let messages = answer["Messages"].as_array().into_iter().flatten();
        let records: Vec<Record> = messages.map(|message| Record::new(sqs_record(message, arn))).collect();
        figures::polled(&self.mapping, records.len());
        Ok(records)
    }

    /// Runs the function for a batch, and removes what is done.
    async fn work(&self, batch: RecordBatch) {
        let (passed, filtered_out): (Vec<Record>, Vec<Record>) =
            batch.records.into_iter().partition(|record| self.lets_pass(record));
        if !filtered_out.is_empty() {
            figures::filtered_out(&self.mapping, filtered_out.len());
            self.remove(filtered_out.iter().map(|record| record.text("receiptHandle").to_owned()).collect()).await;
        }
        if passed.is_empty() {
            return;
        }
        match self.invoke(&passed, batch.since_ms).await {
            Ended::Removable(receipts) => {
                figures::done(&self.mapping, receipts.len());
                self.remove(receipts).await;
            }
            Ended::Failed => self.scaling().failed(self.timer.unix_ms()),
        }
    }

    fn lets_pass(&self, record: &Record) -> bool {
        let key = data_key(self.mapping.source.kind);
        let data = record.text(key).as_bytes();
        self.filters.is_empty() || self.filters.let_pass(&filtered(record.members.clone(), key, data))
    }

    /// A batch that meets a limit is tried again while its messages are hidden.
    async fn invoke(&self, records: &[Record], since_ms: UnixMs) -> Ended {
        let event = Bytes::from(RecordBatch::event(records));
        let hidden_until_ms = since_ms.saturating_add(self.visibility_ms().await);
        let mut wait = THROTTLE_WAIT;
        loop {
            match self.invoke.invoke(self.request(records, event.clone())).await {
                Ok(InvokeResponse::Completed { finished, .. }) => return self.ended(records, finished.outcome).await,
                Ok(_) => return Ended::Failed,
                Err(error) if is_passing(&error) && self.timer.unix_ms() < hidden_until_ms => {
                    self.scaling().failed(self.timer.unix_ms());
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(THROTTLE_WAIT_MAX);
                }
                Err(error) => {
                    self.status.has_problem(&error.to_string()).await;
                    figures::failed(&self.mapping, records.len());
                    return Ended::Failed;
                }
            }
        }
    }

    async fn ended(&self, records: &[Record], outcome: Outcome) -> Ended {
        let failures = match outcome {
            Outcome::FunctionError(_) => ItemFailures::All,
            Outcome::Success(answer) if self.settings().reports_item_failures => {
                ItemFailures::read(&answer, |id| records.iter().any(|record| record.text("messageId") == id))
            }
            Outcome::Success(_) => ItemFailures::Some(Vec::new()),
        };
        match &failures {
            ItemFailures::All => {
                figures::failed(&self.mapping, records.len());
                self.status.has_problem("Function call failed").await;
                return Ended::Failed;
            }
            ItemFailures::Some(failed) => {
                figures::failed(&self.mapping, failed.len());
                self.status.is_well().await;
            }
        }
        let done = records.iter().filter(|record| !failures.has(record.text("messageId")));
        Ended::Removable(done.map(|record| record.text("receiptHandle").to_owned()).collect())
    }

    fn request(&self, records: &[Record], payload: Bytes) -> InvokeRequest {
        // The chain that the messages are of, so that loops are found.
        let trace = records.iter().find_map(|record| record.members.get("attributes")?.get("AWSTraceHeader")?.as_str());
        request(&self.mapping, payload, trace.map(str::to_owned))
    }

    /// The queue's visibility timeout; as AWS's default where it does not say.
    async fn visibility_ms(&self) -> u64 {
        let input = json!({ "AttributeNames": ["VisibilityTimeout"] });
        let answer = self.queue.call("GetQueueAttributes", input).await;
        let seconds = answer.ok().and_then(|answer| answer["Attributes"]["VisibilityTimeout"].as_str()?.parse().ok());
        seconds.unwrap_or(30u64) * 1_000
    }

    /// Removes messages, or leaves them to come back when the queue does not answer.
    async fn remove(&self, receipts: Vec<String>) {
        for receipts in receipts.chunks(MESSAGES_MAX) {
            let entries = (0..).zip(receipts);
            let entries: Vec<Value> = entries
                .map(
                    |(number, receipt): (usize, &String)| json!({ "Id": number.to_string(), "ReceiptHandle": receipt }),
                )
                .collect();
            for attempt in 1..=REMOVALS {
                match self.queue.call("DeleteMessageBatch", json!({ "Entries": entries })).await {
                    Ok(_) => break,
                    Err(error) if attempt == REMOVALS => {
                        let reason = error.message;
                        tracing::warn!(mapping = %self.mapping.uuid, reason, "messages that are done with could not be removed; they come back");
                    }
                    Err(_) => tokio::time::sleep(RETRY_AFTER / 5).await,
                }
            }
        }
    }

    /// Gives back all that nobody has begun with. A queue elsewhere may have given messages to a receive that was not waited for: they
    /// would be hidden until their visibility timeout ends.
    async fn give_all_back(&self, taken: Taken) {
        let Taken { mut batch, mut left, receiving } = taken;
        left.append(&mut batch.records);
        if let Some(receiving) = receiving
            && !self.queue.forgets_calls()
        {
            left.extend(receiving.await.unwrap_or_default());
        }
        self.give_back(&left).await;
    }

    /// Messages that nobody has begun with are there again at once.
    async fn give_back(&self, records: &[Record]) {
        for records in records.chunks(MESSAGES_MAX) {
            let entries = (0..).zip(records).map(|(number, record): (usize, &Record)| {
                json!({ "Id": number.to_string(), "ReceiptHandle": record.text("receiptHandle"), "VisibilityTimeout": 0 })
            });
            let entries: Vec<Value> = entries.collect();
            // Otherwise they come back when their visibility timeout ends.
            let _ = self.queue.call("ChangeMessageVisibilityBatch", json!({ "Entries": entries })).await;
        }
    }
}
