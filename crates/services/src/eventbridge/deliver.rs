//! From an event to what is pushed: one message for each target of each rule that it is for, and one for each archive.

use bytes::Bytes;
use tindra_core::push::{
    Attribute, Content, DeadLetter, HttpRequest, Push, PushPolicy, QueueMessage, Source, StreamRecord, TopicMessage,
};
use tindra_store::{Message, StoreError};

use super::EventBridgeService;
use super::event::Event;
use super::input::{self, Facts, Path};
use super::live::Listener;
use super::names::BusName;
use super::records::Rule;
use super::target::{Sort, Target};
use crate::outbox::push_message;

/// Of a partition key of Kinesis (AWS).
const PARTITION_KEY_LETTERS_MAX: usize = 256;
/// The principal in policies.
pub(super) const PRINCIPAL: &str = "events.amazonaws.com";

impl EventBridgeService {
    /// What has to be durable for an event to have been on a bus. The table must have caught up.
    pub(super) async fn spread(&self, bus: &BusName, event: &Event) -> Result<Vec<Message>, StoreError> {
        let mut messages = Vec::new();
        for live in self.table.matching(bus, event) {
            match &live.listener {
                Listener::Rule(rule) => messages.extend(self.messages_for(rule, event).await?),
                Listener::Archive(archive) => messages.extend(self.message_for_archive(archive, event)),
            }
        }
        Ok(messages)
    }

    /// What a rule pushes for an event.
    pub(super) async fn messages_for(&self, rule: &Rule, event: &Event) -> Result<Vec<Message>, StoreError> {
        let mut messages = Vec::with_capacity(rule.targets.len());
        for target in &rule.targets {
            // It was read when the target was put.
            let Ok(sort) = Sort::of(&target.arn) else { continue };
            if sort == Sort::Bus && event.is_forwarded {
                tracing::info!(rule = rule.arn(), target = target.arn, "an event of another bus goes to no third one");
                continue;
            }
            let content = match sort {
                Sort::Function => Content::Function,
                Sort::Queue => Content::Queue(queue_message(target)),
                Sort::Topic => Content::Topic(TopicMessage::default()),
                Sort::Bus => Content::Bus,
                Sort::Stream => Content::Stream(stream_record(target, event)),
                Sort::ApiDestination => Content::Http(self.request_for(target, event).await?),
            };
            messages.push(message(rule, target, content, event));
        }
        Ok(messages)
    }

    async fn request_for(&self, target: &Target, event: &Event) -> Result<HttpRequest, StoreError> {
        let destination = self.destination_of(&target.arn).await?;
        // One that has gone is told of when the push is tried.
        Ok(destination.map_or_else(nowhere, |destination| destination.request(target, event)))
    }
}

fn message(rule: &Rule, target: &Target, content: Content, event: &Event) -> Message {
    let facts = Facts { rule_arn: &rule.arn(), rule_name: &rule.name, ingestion_ms: event.ingested_ms };
    let body = input::body(target, &event.value, &facts);
    let acts_by_rule = matches!(content, Content::Bus | Content::Http(_));
    let role_arn = target.role_arn.clone().or_else(|| rule.role_arn.clone().filter(|_| acts_by_rule));
    let push = Push {
        source: Source { principal: PRINCIPAL.to_owned(), arn: rule.arn(), scope: rule.bus.scope.clone() },
        target_arn: target.arn.clone(),
        role_arn,
        content,
        policy: policy(target),
        dead_letter: dead_letter(rule, target, body.is_some().then_some(event)),
        trace_id: event.trace_id.clone(),
        at_ms: event.ingested_ms,
        attempts: 0,
        last_error: None,
    };
    let body = body.map_or_else(|| event.text().clone(), Bytes::from);
    push_message(&push, body, event.ingested_ms)
}

fn queue_message(target: &Target) -> QueueMessage {
    let group_id = target.sqs_parameters.as_ref().and_then(|parameters| parameters.message_group_id.clone());
    QueueMessage { group_id, ..QueueMessage::default() }
}

/// Without a path the event's id is the partition key (AWS); also where the path leads nowhere, or too far.
fn stream_record(target: &Target, event: &Event) -> StreamRecord {
    let path = target.kinesis_parameters.as_ref().and_then(|parameters| Path::parse(&parameters.partition_key_path));
    let key = path.and_then(|path| {
        path.find(&event.value).map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_owned))
    });
    let key = key.filter(|key| !key.is_empty() && key.chars().count() <= PARTITION_KEY_LETTERS_MAX);
    StreamRecord { partition_key: key.unwrap_or_else(|| event.value["id"].as_str().unwrap_or("-").to_owned()) }
}

fn policy(target: &Target) -> PushPolicy {
    let usual = PushPolicy::default();
    let Some(asked) = target.retry_policy else { return usual };
    PushPolicy {
        retries_max: asked.maximum_retry_attempts.unwrap_or(usual.retries_max),
        age_ms_max: asked.maximum_event_age_in_seconds.map_or(usual.age_ms_max, |age_s| age_s * 1_000),
        ..usual
    }
}

/// `original` is the event where the target gets something else.
fn dead_letter(rule: &Rule, target: &Target, original: Option<&Event>) -> Option<DeadLetter> {
    let queue_arn = target.dead_letter_config.as_ref()?.arn.clone()?;
    let attributes =
        vec![Attribute::string("RULE_ARN", rule.arn()), Attribute::string("TARGET_ARN", target.arn.as_str())];
    Some(DeadLetter {
        queue_arn,
        body: original.map(|event| String::from_utf8_lossy(event.text()).into_owned()),
        message: QueueMessage { attributes, ..QueueMessage::default() },
        tells_why: true,
    })
}

/// The request of an API destination that has gone.
fn nowhere() -> HttpRequest {
    HttpRequest {
        method: "POST".to_owned(),
        url: String::new(),
        headers: Vec::new(),
        timeout_ms: 0,
        connection_arn: None,
    }
}
