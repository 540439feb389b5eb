//! Publish and PublishBatch: answered once the messages, with a push for each subscription that wants them, are durable.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::push::{Content, Push};
use tindra_model::ApiError;
use tindra_store::{Batch, Message as Queued, StoreError};
use uuid::Uuid;

use super::arn::TopicName;
use super::deduplication::{Seen, deduplication_id};
use super::error::{failure, invalid, wire_code};
use super::fan_out::Publication;
use super::message::{BYTES_MAX, Given, Message};
use super::table::KnownTopic;
use super::{SnsService, parse};
use crate::Asker;
use crate::outbox::push_message;
use crate::receive::Received;

/// Of a batch (AWS).
const ENTRIES_MAX: usize = 10;
const ENTRY_ID_MAX: usize = 80;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PublishRequest {
    topic_arn: Option<String>,
    target_arn: Option<String>,
    phone_number: Option<String>,
    #[serde(flatten)]
    given: Given,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchRequest {
    topic_arn: String,
    publish_batch_request_entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: String,
    #[serde(flatten)]
    given: Given,
}

/// What a publisher is told.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) message_id: String,
    pub(super) sequence: Option<String>,
}

impl Published {
    fn members(&self) -> Value {
        let mut members = json!({ "MessageId": self.message_id });
        if let Some(sequence) = &self.sequence {
            members["SequenceNumber"] = Value::from(sequence.as_str());
        }
        members
    }
}

/// What one commit holds.
#[derive(Debug, Default)]
pub(super) struct Intake {
    pub(super) batch: Batch,
    pub(super) messages: Vec<Queued>,
    /// Messages of topics that keep an order which are new in it, by their keys.
    pub(super) seen: HashMap<String, Published>,
    /// What queues here took at once.
    taken: Vec<Push>,
}

impl SnsService {
    pub(super) async fn publish(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: PublishRequest = parse(input)?;
        if request.phone_number.is_some() {
            return Err(invalid("PhoneNumber Reason: tindra sends no text messages"));
        }
        let arn = match (&request.topic_arn, &request.target_arn) {
            (Some(arn), None) | (None, Some(arn)) => arn,
            (Some(_), Some(_)) => return Err(invalid("TopicArn or TargetArn Reason: only one of them can be given")),
            (None, None) => return Err(invalid("TopicArn or TargetArn Reason: no value for required parameter")),
        };
        let topic = self.served(asker.scope, TopicName::parse(arn, "TopicArn")?, "TopicArn")?;
        let message = Message::read(request.given, asker.trace_id)?;
        let [published] = self
            .publish_all(&topic, std::slice::from_ref(&message))
            .await?
            .try_into()
            .map_err(|_| super::error::busy())?;
        Ok(published?.members())
    }

    pub(super) async fn publish_batch(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: BatchRequest = parse(input)?;
        let topic = self.served(asker.scope, TopicName::parse(&request.topic_arn, "TopicArn")?, "TopicArn")?;
        check_entries(&request.publish_batch_request_entries)?;
        let entries = request.publish_batch_request_entries.into_iter();
        let read: Vec<(String, Result<Message, ApiError>)> =
            entries.map(|Entry { id, given }| (id, Message::read(given, asker.trace_id))).collect();
        let good: Vec<Message> = read.iter().filter_map(|(_, message)| message.as_ref().ok().cloned()).collect();
        if good.iter().map(|message| message.bytes).sum::<usize>() > BYTES_MAX {
            return Err(ApiError::new(
                "BatchRequestTooLongException",
                format!("The length of all the messages put together is more than the limit of {BYTES_MAX} bytes."),
            ));
        }
        let mut outcomes = self.publish_all(&topic, &good).await?.into_iter();
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for (id, message) in read {
            match message.and_then(|_| outcomes.next().unwrap_or_else(|| Err(super::error::busy()))) {
                Ok(published) => {
                    let mut members = published.members();
                    members["Id"] = Value::from(id);
                    successful.push(members);
                }
                Err(error) => failed.push(json!({
                    "Id": id,
                    "Code": wire_code(&error),
                    "Message": error.message(),
                    "SenderFault": true,
                })),
            }
        }
        Ok(json!({ "Successful": successful, "Failed": failed }))
    }

    /// Publishes messages in one commit. Each has an outcome of its own; the error is for all of them.
    pub(super) async fn publish_all(
        &self,
        topic: &TopicName,
        messages: &[Message],
    ) -> Result<Vec<Result<Published, ApiError>>, ApiError> {
        loop {
            self.table().catch_up().await?;
            let known = self.table().topic(topic)?;
            let at_ms = self.around().timer.unix_ms();
            let mut intake = Intake::default();
            let mut outcomes = Vec::with_capacity(messages.len());
            for message in messages {
                outcomes.push(self.take_in(&known, message, at_ms, &mut intake).await?);
            }
            if intake.messages.is_empty() && intake.batch.changes.is_empty() && intake.batch.messages.is_empty() {
                return Ok(outcomes);
            }
            match self.around().outbox.commit(intake.batch, intake.messages).await {
                Ok(_) => {
                    for push in &intake.taken {
                        self.queues_received(push);
                    }
                    return Ok(outcomes);
                }
                // Somebody else has published a message with the same deduplication id.
                Err(StoreError::Conflict { .. } | StoreError::OutcomeUnknown { .. }) if known.topic.is_fifo() => {}
                Err(error) => return Err(failure(&error)),
            }
        }
    }

    /// Adds a message to a commit. The inner error is the message's own.
    async fn take_in(
        &self,
        known: &KnownTopic,
        message: &Message,
        at_ms: UnixMs,
        intake: &mut Intake,
    ) -> Result<Result<Published, ApiError>, ApiError> {
        let topic = &known.topic;
        if !topic.is_fifo() {
            if message.deduplication_id.is_some() {
                let why = "The request includes MessageDeduplicationId parameter that is not valid for this topic type";
                return Ok(Err(invalid(format_args!("MessageDeduplicationId Reason: {why}"))));
            }
            let published = Published { message_id: Uuid::new_v4().to_string(), sequence: None };
            let publication = Publication { message, message_id: &published.message_id, sequence: None, at_ms };
            let pushes = self.fan_out(known, publication).await?;
            intake.messages.extend(pushes.into_iter().map(|(push, body)| push_message(&push, body, at_ms)));
            return Ok(Ok(published));
        }
        let message = match with_ids(topic, message) {
            Ok(message) => message,
            Err(error) => return Ok(Err(error)),
        };
        let key = Seen::key(topic, &message);
        if let Some(published) = intake.seen.get(&key) {
            return Ok(Ok(published.clone()));
        }
        let (seen, precondition) = self.seen(&key, at_ms).await?;
        if let Some(seen) = seen {
            return Ok(Ok(seen.published()));
        }
        let published = Published { message_id: Uuid::new_v4().to_string(), sequence: Some(self.next_sequence(at_ms)) };
        self.remember(&key, &published, precondition, at_ms, intake)?;
        let publication = Publication {
            message: &message,
            message_id: &published.message_id,
            sequence: published.sequence.as_deref(),
            at_ms,
        };
        for (push, body) in self.fan_out(known, publication).await? {
            self.hand_over(push, body, at_ms, intake).await;
        }
        intake.seen.insert(key, published.clone());
        Ok(Ok(published))
    }

    /// Gives a message of a topic that keeps an order to its queue within the same commit, so that it keeps it. A queue that
    /// cannot take it now is tried later.
    async fn hand_over(&self, push: Push, body: Bytes, at_ms: UnixMs, intake: &mut Intake) {
        let message = push_message(&push, body, at_ms);
        let Some(queues) = self.queues().filter(|_| matches!(push.content, Content::Queue(_))) else {
            intake.messages.push(message);
            return;
        };
        match queues.receive(&push, message.id, &message.body).await {
            Ok(Received { batch, messages }) => {
                // Every kind of change by name: one that is left out here is lost.
                let Batch { changes, messages: stored, journals, mail } = batch;
                intake.batch.changes.extend(changes);
                intake.batch.messages.extend(stored);
                intake.batch.journals.extend(journals);
                intake.batch.mail.extend(mail);
                intake.messages.extend(messages);
                intake.taken.push(push);
            }
            Err(_) => intake.messages.push(message),
        }
    }

    /// Twenty digits that grow with every message.
    pub(super) fn next_sequence(&self, at_ms: UnixMs) -> String {
        let now = at_ms << 20;
        let last = self.sequence().fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(now.max(last + 1)));
        let last = last.unwrap_or_else(|last| last);
        format!("{:020}", now.max(last + 1))
    }
}

/// A message of a topic that keeps an order, with the ids that it needs.
fn with_ids(topic: &super::records::Topic, message: &Message) -> Result<Message, ApiError> {
    if message.group_id.is_none() {
        return Err(invalid("The MessageGroupId parameter is required for FIFO topics"));
    }
    let Some(id) = deduplication_id(topic, message) else {
        return Err(invalid(
            "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
        ));
    };
    Ok(Message { deduplication_id: Some(id), ..message.clone() })
}

fn check_entries(entries: &[Entry]) -> Result<(), ApiError> {
    if entries.is_empty() {
        let message = "The batch request doesn't contain any entries.";
        return Err(ApiError::new("EmptyBatchRequestException", message));
    }
    if entries.len() > ENTRIES_MAX {
        let message = format!("The batch request contains more entries than permissible: {}", entries.len());
        return Err(ApiError::new("TooManyEntriesInBatchRequestException", message));
    }
    let is_id = |id: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=ENTRY_ID_MAX).contains(&id.len()) && id.bytes().all(is_plain)
    };
    if entries.iter().any(|entry| !is_id(&entry.id)) {
        let message = "The Id of a batch entry in a batch request doesn't abide by the specification.";
        return Err(ApiError::new("InvalidBatchEntryIdException", message));
    }
    let ids: HashSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    if ids.len() < entries.len() {
        let message = "Two or more batch entries in the request have the same Id.";
        return Err(ApiError::new("BatchEntryIdsNotDistinctException", message));
    }
    Ok(())
}
