//! CreateTopic, DeleteTopic, ListTopics, GetTopicAttributes and SetTopicAttributes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::policy::Policy;
use tindra_model::ApiError;
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};
use uuid::Uuid;

use super::arn::{TopicName, is_name};
use super::error::{failure, invalid};
use super::records::Topic;
use super::tags::{Tag, to_map};
use super::{SnsService, delivery_policy, parse};
use crate::Asker;

/// Topics and subscriptions of one answer (AWS).
pub(super) const PAGE: usize = 100;
const DISPLAY_NAME_MAX: usize = 100;
const FIFO_NAME: &str = "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long.";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateRequest {
    name: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    tags: Vec<Tag>,
    data_protection_policy: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TopicRequest {
    pub(super) topic_arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListRequest {
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SetRequest {
    topic_arn: String,
    attribute_name: String,
    #[serde(default)]
    attribute_value: String,
}

impl SnsService {
    pub(super) async fn create_topic(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: CreateRequest = parse(input)?;
        if request.data_protection_policy.is_some_and(|policy| !policy.is_empty()) {
            return Err(invalid("DataProtectionPolicy Reason: tindra does not support data protection policies"));
        }
        let wants_fifo = request.attributes.get("FifoTopic").is_some_and(|fifo| fifo == "true");
        if !is_name(&request.name) || wants_fifo != request.name.ends_with(".fifo") {
            return Err(invalid(if wants_fifo { FIFO_NAME } else { "Topic Name" }));
        }
        let name = TopicName { scope: asker.scope.clone(), name: request.name };
        let mut wanted = Topic {
            attributes: BTreeMap::from([("Policy".to_owned(), default_policy(&name))]),
            tags: to_map(request.tags)?,
            id: Uuid::new_v4(),
            name,
        };
        for (attribute, value) in &request.attributes {
            set(&mut wanted, attribute, value, true)
                .map_err(|problem| invalid(format_args!("Attributes Reason: {problem}")))?;
        }
        let arn = wanted.name.arn();
        loop {
            self.table().catch_up().await?;
            if let Ok(known) = self.table().topic(&wanted.name) {
                check_same(&known.topic, &wanted, &request.attributes)?;
                return Ok(json!({ "TopicArn": arn }));
            }
            let batch = Batch::default().put_json(wanted.name.key(), Precondition::Absent, &wanted);
            match self.commit(batch).await {
                Ok(()) => return Ok(json!({ "TopicArn": arn })),
                Err(StoreError::Conflict { .. } | StoreError::OutcomeUnknown { .. }) => {}
                Err(error) => return Err(failure(&error)),
            }
        }
    }

    pub(super) async fn delete_topic(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: TopicRequest = parse(input)?;
        let name = self.served(asker.scope, TopicName::parse(&request.topic_arn, "TopicArn")?, "TopicArn")?;
        self.table().catch_up().await?;
        // One that is gone is what was asked for.
        let Ok(known) = self.table().topic(&name) else { return Ok(json!({})) };
        let keys = self.table().subscriptions(&known.topic).into_iter().map(|known| known.subscription.key());
        let batch = Batch::default().delete(name.key(), Precondition::None);
        let batch = keys.fold(batch, |batch, key| batch.delete(key, Precondition::None));
        self.commit(Ok(batch)).await.map_err(|error| failure(&error))?;
        Ok(json!({}))
    }

    pub(super) async fn list_topics(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: ListRequest = parse(input)?;
        self.table().catch_up().await?;
        let after = request.next_token.map(|name| TopicName { scope: asker.scope.clone(), name }.key());
        let found = self.table().topics(asker.scope, after.as_deref(), PAGE + 1);
        let topics: Vec<Value> =
            found.iter().take(PAGE).map(|known| json!({ "TopicArn": known.topic.name.arn() })).collect();
        let mut answer = json!({ "Topics": topics });
        if found.len() > PAGE {
            answer["NextToken"] = Value::from(found[PAGE - 1].topic.name.name.as_str());
        }
        Ok(answer)
    }

    pub(super) async fn get_topic_attributes(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: TopicRequest = parse(input)?;
        let known = self.known_topic(asker.scope, &request.topic_arn).await?;
        let topic = &known.topic;
        let mut shown = topic.attributes.clone();
        let subscriptions = self.table().subscriptions(topic);
        let pending = subscriptions.iter().filter(|known| known.subscription.pending.is_some()).count();
        let mut put = |name: &str, value: String| shown.insert(name.to_owned(), value);
        put("TopicArn", topic.name.arn());
        put("Owner", topic.name.scope.account.clone());
        put("SubscriptionsConfirmed", (subscriptions.len() - pending).to_string());
        put("SubscriptionsPending", pending.to_string());
        put("SubscriptionsDeleted", "0".to_owned());
        put("EffectiveDeliveryPolicy", delivery_policy::effective_of_topic(topic).to_string());
        if topic.attribute("DisplayName").is_none() {
            put("DisplayName", String::new());
        }
        if topic.is_fifo() && topic.attribute("ContentBasedDeduplication").is_none() {
            put("ContentBasedDeduplication", "false".to_owned());
        }
        Ok(json!({ "Attributes": shown }))
    }

    pub(super) async fn set_topic_attributes(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: SetRequest = parse(input)?;
        let SetRequest { topic_arn, attribute_name, attribute_value } = &request;
        self.change_topic(asker, topic_arn, |topic| {
            set(topic, attribute_name, attribute_value, false).map_err(invalid)
        })
        .await?;
        Ok(json!({}))
    }

    /// Changes a topic, however many do so at once.
    pub(super) async fn change_topic(
        &self,
        asker: Asker<'_>,
        arn: &str,
        edit: impl Fn(&mut Topic) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        loop {
            let known = self.known_topic(asker.scope, arn).await?;
            let mut topic = known.topic.clone();
            edit(&mut topic)?;
            let precondition = Precondition::Revision(known.revision);
            match self.commit(Batch::default().put_json(topic.name.key(), precondition, &topic)).await {
                Ok(()) => return Ok(()),
                Err(StoreError::Conflict { .. } | StoreError::OutcomeUnknown { .. }) => {}
                Err(error) => return Err(failure(&error)),
            }
        }
    }
}

/// Sets one attribute; an empty text takes it away. The error reads after "Invalid parameter: ".
fn set(topic: &mut Topic, name: &str, value: &str, is_new: bool) -> Result<(), String> {
    let is_fifo = topic.is_fifo();
    let flag = |value: &str| match value {
        "true" | "false" => Ok(()),
        _ => Err(format!("{name} Reason: must be true or false")),
    };
    match name {
        "DisplayName" if value.chars().count() > DISPLAY_NAME_MAX || value.chars().any(char::is_control) => {
            return Err("DisplayName".to_owned());
        }
        "DisplayName" => {}
        "Policy" if value.is_empty() => {
            topic.attributes.insert(name.to_owned(), default_policy(&topic.name));
            return Ok(());
        }
        "Policy" => check_policy(value)?,
        "DeliveryPolicy" if value.is_empty() => {}
        "DeliveryPolicy" => {
            delivery_policy::check_of_topic(value).map_err(|problem| format!("DeliveryPolicy: {problem}"))?;
        }
        "FifoTopic" if is_new => {
            flag(value)?;
            if value == "false" {
                return Ok(());
            }
        }
        "ContentBasedDeduplication" if is_fifo => flag(value)?,
        "FifoThroughputScope" if is_fifo && matches!(value, "" | "Topic" | "MessageGroup") => {}
        "ContentBasedDeduplication" if value == "false" => return Ok(()),
        "SignatureVersion" if matches!(value, "" | "1" | "2") => {}
        "SignatureVersion" => return Err("SignatureVersion Reason: must be 1 or 2".to_owned()),
        "TracingConfig" if matches!(value, "" | "PassThrough") => {}
        "TracingConfig" => return Err("TracingConfig Reason: tindra traces with PassThrough alone".to_owned()),
        "KmsMasterKeyId" if value.is_empty() => {}
        "KmsMasterKeyId" => {
            return Err("KmsMasterKeyId Reason: tindra does not encrypt topics with keys of KMS".to_owned());
        }
        "ArchivePolicy" if matches!(value, "" | "{}") => return Ok(()),
        "ArchivePolicy" => return Err("ArchivePolicy Reason: tindra does not archive messages".to_owned()),
        // Nothing is to be logged, as clients say who set every attribute.
        _ if name.contains("Feedback") && matches!(value, "" | "0") => return Ok(()),
        _ if name.contains("Feedback") => return Err(format!("{name} Reason: tindra does not log deliveries")),
        _ => return Err("AttributeName".to_owned()),
    }
    match value {
        "" => topic.attributes.remove(name),
        _ => topic.attributes.insert(name.to_owned(), value.to_owned()),
    };
    Ok(())
}

fn check_policy(text: &str) -> Result<(), String> {
    let policy = Policy::parse(text).map_err(|error| format!("Policy Error: {error}"))?;
    policy.check_for_resource().map_err(|error| format!("Policy Error: {error}"))
}

/// A topic that is there already is answered to who wants the same.
fn check_same(topic: &Topic, wanted: &Topic, asked: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let differs = |name: &String| topic.attributes.get(name) != wanted.attributes.get(name);
    if asked.keys().any(differs) {
        return Err(invalid("Attributes Reason: Topic already exists with different attributes"));
    }
    if !wanted.tags.is_empty() && topic.tags != wanted.tags {
        return Err(invalid("Tags Reason: Topic already exists with different tags"));
    }
    Ok(())
}

/// The policy of a topic for which none was set: its owner may do everything.
fn default_policy(name: &TopicName) -> String {
    const ACTIONS: [&str; 8] = [
        "SNS:GetTopicAttributes",
        "SNS:SetTopicAttributes",
        "SNS:AddPermission",
        "SNS:RemovePermission",
        "SNS:DeleteTopic",
        "SNS:Subscribe",
        "SNS:ListSubscriptionsByTopic",
        "SNS:Publish",
    ];
    let statement = json!({
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": { "AWS": "*" },
        "Action": ACTIONS,
        "Resource": name.arn(),
        "Condition": { "StringEquals": { "AWS:SourceOwner": name.scope.account } },
    });
    json!({ "Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement] }).to_string()
}
