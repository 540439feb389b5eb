//! Moving messages back from a dead-letter queue: a task that goes on in steps, each an alarm, so that it outlives the server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_model::ApiError;
use tindra_store::{
    Batch, BoxFuture, JsonBatch as _, JsonRecords as _, MailWork, Message, Precondition, StoreError, Versioned,
};
use uuid::Uuid;

use super::error::{bad_value, number, optional, stored, text};
use super::record::{Known, Queue};
use super::{SqsService, names};
use crate::Asker;
use crate::outbox::{Alarms, Rung, alarm};

/// Prefix of the queues that steps wait in.
pub const MOVES_PREFIX: &str = "sqs-move/";
/// Messages of a step when the task does not say how many a second.
const AT_ONCE: usize = 500;
/// Tasks of a queue that are listed (AWS).
const LISTED_MAX: u64 = 10;
/// Tasks of a queue that are kept.
const KEPT_MAX: usize = 100;
/// After a failure of the store.
const AGAIN_MS: u64 = 10_000;

/// A task.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Task {
    id: Uuid,
    source_arn: String,
    destination_arn: Option<String>,
    per_second_max: Option<u64>,
    status: Status,
    moved: u64,
    to_move: u64,
    started_ms: UnixMs,
    failure: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Running,
    Completed,
    Cancelled,
    Failed,
}

impl Task {
    fn prefix(queue: &Queue) -> String {
        format!("sqs/move/{}/{}/{}/", queue.scope.account, queue.scope.region, queue.name)
    }

    fn key(&self, queue: &Queue) -> String {
        // Ids begin with the time.
        format!("{}{}", Self::prefix(queue), self.id)
    }

    fn handle(&self) -> String {
        STANDARD.encode(json!({ "taskId": self.id, "sourceArn": self.source_arn }).to_string())
    }

    fn shown(&self) -> Value {
        let mut shown = json!({
            "Status": self.status,
            "SourceArn": self.source_arn,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "StartedTimestamp": self.started_ms,
        });
        // The handle is for those who can still cancel it.
        let optional = [
            ("TaskHandle", (self.status == Status::Running).then(|| json!(self.handle()))),
            ("DestinationArn", self.destination_arn.as_ref().map(|arn| json!(arn))),
            ("MaxNumberOfMessagesPerSecond", self.per_second_max.map(|most| json!(most))),
            ("FailureReason", self.failure.as_ref().map(|failure| json!(failure))),
        ];
        for (member, value) in optional {
            if let Some(value) = value {
                shown[member] = value;
            }
        }
        shown
    }
}

/// What a step is about.
#[derive(Debug, Serialize, Deserialize)]
struct Step {
    source_arn: String,
    key: String,
}

impl SqsService {
    pub(super) async fn start_move(&self, asker: Asker<'_>, input: &Value) -> Result<Value, ApiError> {
        let source_arn = text(input, "SourceArn")?;
        let source = self.source_of_move(asker, source_arn).await?;
        let destination_arn = optional(input, "DestinationArn");
        if let Some(arn) = destination_arn {
            let destination = self.by_arn(asker.scope, arn).await?.ok_or_else(no_resource)?;
            if destination.is_fifo() != source.is_fifo() || arn == source_arn {
                return Err(bad_value(
                    "DestinationArn",
                    arn,
                    "It must be another queue of the same type as the source.",
                ));
            }
        }
        let reason = "Must be between 1 and 500, if provided.";
        let per_second_max = number(input, "MaxNumberOfMessagesPerSecond", 1..=500, reason)?;
        if self.sources(&source, "", 1).await?.is_empty() {
            return Err(bad_value("SourceArn", source_arn, "Source queue must be configured as a Dead Letter Queue."));
        }
        let tasks = self.tasks(&source).await?;
        if tasks.iter().any(|task| task.value.status == Status::Running) {
            let message = "There is already a task running. Only one active task is allowed for a source queue arn at a given time.";
            return Err(ApiError::new("UnsupportedOperation", message));
        }
        let now_ms = self.now_ms();
        let store = &self.inner.around.store;
        let counts =
            store.mailboxes.counts(&source.mailbox, now_ms, source.expired_ms(now_ms)).await.map_err(stored)?;
        let task = Task {
            id: Uuid::now_v7(),
            source_arn: source_arn.to_owned(),
            destination_arn: destination_arn.map(str::to_owned),
            per_second_max,
            status: Status::Running,
            moved: 0,
            to_move: counts.visible,
            started_ms: now_ms,
            failure: None,
        };
        let key = task.key(&source);
        let mut batch = Batch::default().put_json(&key, Precondition::Absent, &task).map_err(stored)?;
        for old in tasks.iter().rev().skip(KEPT_MAX) {
            batch = batch.delete(&old.key, Precondition::None);
        }
        let step = Step { source_arn: source_arn.to_owned(), key };
        let queue = format!("{MOVES_PREFIX}{}/{}/{}", source.scope.account, source.scope.region, source.name);
        let head = serde_json::to_vec(&step).unwrap_or_default();
        let first = alarm(queue, now_ms, head, bytes::Bytes::new(), now_ms);
        self.inner.around.outbox.commit(batch, vec![first]).await.map_err(stored)?;
        Ok(json!({ "TaskHandle": task.handle() }))
    }

    pub(super) async fn list_moves(&self, asker: Asker<'_>, input: &Value) -> Result<Value, ApiError> {
        let source = self.source_of_move(asker, text(input, "SourceArn")?).await?;
        let most = number(input, "MaxResults", 1..=LISTED_MAX, "Must be between 1 and 10, if provided.")?.unwrap_or(1);
        let most = usize::try_from(most).unwrap_or(1);
        let tasks = self.tasks(&source).await?;
        let shown: Vec<Value> = tasks.iter().rev().take(most).map(|task| task.value.shown()).collect();
        Ok(if shown.is_empty() { json!({}) } else { json!({ "Results": shown }) })
    }

    pub(super) async fn cancel_move(&self, asker: Asker<'_>, input: &Value) -> Result<Value, ApiError> {
        let handle = text(input, "TaskHandle")?;
        let read: Option<Value> = STANDARD.decode(handle).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let read = read.ok_or_else(|| bad_value("TaskHandle", handle, "It is none that was given out."))?;
        let source = self.source_of_move(asker, read["sourceArn"].as_str().unwrap_or_default()).await?;
        loop {
            let tasks = self.tasks(&source).await?;
            let task = tasks.into_iter().find(|task| read["taskId"] == json!(task.value.id));
            let Versioned { key, mut value, revision } = task.ok_or_else(no_task)?;
            if value.status != Status::Running {
                return Err(ApiError::new("UnsupportedOperation", "Only active tasks can be cancelled."));
            }
            value.status = Status::Cancelled;
            let batch = Batch::default().put_json(key, Precondition::Revision(revision), &value).map_err(stored)?;
            match self.inner.around.store.metadata.commit(batch).await {
                Ok(_) => return Ok(json!({ "ApproximateNumberOfMessagesMoved": value.moved })),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(stored(error)),
            }
        }
    }

    async fn source_of_move(&self, asker: Asker<'_>, arn: &str) -> Result<std::sync::Arc<Known>, ApiError> {
        self.by_arn(asker.scope, arn).await?.ok_or_else(no_resource)
    }

    /// The tasks of a queue, the oldest first.
    async fn tasks(&self, queue: &Queue) -> Result<Vec<Versioned<Task>>, ApiError> {
        let metadata = &self.inner.around.store.metadata;
        metadata.list_json(&Task::prefix(queue), None, KEPT_MAX * 2).await.map_err(stored)
    }

    /// Moves messages once; none when there is nothing left to be done.
    async fn step(&self, step: &Step) -> Result<Rung, ApiError> {
        let store = &self.inner.around.store;
        let Some(read) = store.metadata.get_json::<Task>(&step.key).await.map_err(stored)? else {
            return Ok(Rung::default());
        };
        let mut task = read.value;
        if task.status != Status::Running {
            return Ok(Rung::default());
        }
        let now_ms = self.now_ms();
        let letters_max = task.per_second_max.map_or(AT_ONCE, |most| usize::try_from(most).unwrap_or(AT_ONCE));
        let source = match names::of_arn(&task.source_arn) {
            Some((scope, name)) => self.find(&scope, name).await?,
            None => None,
        };
        let mut again = None;
        match source {
            None => {
                (task.status, task.failure) =
                    (Status::Failed, Some("AWS.SimpleQueueService.NonExistentQueue".to_owned()))
            }
            Some(source) => match self.redirect(&source, &task, letters_max, now_ms).await? {
                Ok(0) => task.status = Status::Completed,
                Ok(moved) => {
                    task.moved += moved;
                    let wait_ms = if task.per_second_max.is_some() { 1_000 } else { 0 };
                    again = Some(now_ms + wait_ms);
                }
                Err(failure) => (task.status, task.failure) = (Status::Failed, Some(failure)),
            },
        }
        let precondition = Precondition::Revision(read.revision);
        let batch = Batch::default().put_json(&step.key, precondition, &task).map_err(stored)?;
        let head = serde_json::to_vec(step).unwrap_or_default();
        Ok(Rung { batch, messages: Vec::new(), again: again.map(|due_ms| (due_ms, head.into())) })
    }

    /// Moves messages to where they came from, or to the destination; how many, or why it cannot go on.
    async fn redirect(
        &self,
        source: &Known,
        task: &Task,
        letters_max: usize,
        now_ms: UnixMs,
    ) -> Result<Result<u64, String>, ApiError> {
        let mailboxes = &self.inner.around.store.mailboxes;
        let Some(origin) = mailboxes.next_origin(&source.mailbox, now_ms).await.map_err(stored)? else {
            return Ok(Ok(0));
        };
        let (target, origin) = match &task.destination_arn {
            Some(arn) => (arn.clone(), None),
            None => match origin {
                Some(origin) => (origin.clone(), Some(origin)),
                // It was sent there by somebody and has nowhere to go back to.
                None => return Ok(Err("CouldNotDetermineMessageSource".to_owned())),
            },
        };
        let Some(target) = self.by_arn(&source.scope, &target).await? else {
            return Ok(Err("AWS.SimpleQueueService.NonExistentQueue".to_owned()));
        };
        let (from, to) = (source.mailbox.clone(), target.mailbox.clone());
        let work = MailWork::Redirect { from, to, origin, now_ms, letters_max };
        mailboxes.work(work).await.map(Ok).map_err(stored)
    }
}

impl Alarms for SqsService {
    fn ring<'a>(&'a self, alarm: &'a Message) -> BoxFuture<'a, Rung> {
        Box::pin(async move {
            let Ok(step) = serde_json::from_slice::<Step>(&alarm.head) else { return Rung::default() };
            self.step(&step).await.unwrap_or_else(|error| {
                tracing::warn!(error = error.message(), "messages could not be moved back; trying again");
                Rung { again: Some((self.now_ms() + AGAIN_MS, alarm.head.clone())), ..Rung::default() }
            })
        })
    }
}

fn no_resource() -> ApiError {
    ApiError::new(
        "ResourceNotFoundException",
        "The resource that you specified for the SourceArn parameter doesn't exist.",
    )
}

fn no_task() -> ApiError {
    ApiError::new("ResourceNotFoundException", "Task does not exist.")
}
