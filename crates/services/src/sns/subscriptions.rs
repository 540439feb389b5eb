//! Subscribe, Unsubscribe, ListSubscriptions, ListSubscriptionsByTopic, GetSubscriptionAttributes and
//! SetSubscriptionAttributes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::name::FunctionReference;
use tindra_model::ApiError;
use tindra_store::{Batch, JsonBatch as _, Message, Precondition, StoreError};
use uuid::Uuid;

use super::arn::{self, TopicName};
use super::confirm::{new_pending, pending_alarm};
use super::error::{denied, failure, invalid, no_subscription};
use super::records::{Protocol, Subscription, Topic, subscription_key};
use super::table::{KnownSubscription, KnownTopic};
use super::topics::PAGE;
use super::{SnsService, attributes, parse};
use crate::Asker;
use crate::outbox::push_message;

const PENDING: &str = "pending confirmation";
const URL_BYTES_MAX: usize = 2_048;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SubscribeRequest {
    topic_arn: String,
    protocol: String,
    #[serde(default)]
    endpoint: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    return_subscription_arn: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SubscriptionRequest {
    subscription_arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SetRequest {
    subscription_arn: String,
    attribute_name: String,
    #[serde(default)]
    attribute_value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListRequest {
    topic_arn: Option<String>,
    next_token: Option<String>,
}

impl SnsService {
    pub(super) async fn subscribe(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: SubscribeRequest = parse(input)?;
        loop {
            let known = self.known_topic(asker.scope, &request.topic_arn).await?;
            let protocol = protocol(&request.protocol)?;
            check_endpoint(&known.topic, protocol, &request.endpoint)?;
            let mut wanted = BTreeMap::new();
            let refuse = |problem: String| invalid(format_args!("Attributes Reason: {problem}"));
            for (name, value) in &request.attributes {
                attributes::set(&mut wanted, name, value).map_err(refuse)?;
            }
            attributes::check(&known.topic, protocol, &wanted).map_err(refuse)?;
            let key = subscription_key(&known.topic.name, protocol, &request.endpoint);
            let existing = self.table().by_key(&key).filter(|one| one.subscription.topic_id == known.topic.id);
            if let Some(existing) = &existing
                && existing.subscription.attributes != wanted
                && !request.attributes.is_empty()
            {
                return Err(refuse("Subscription already exists with different attributes".to_owned()));
            }
            let made = self.subscription(asker, &known, protocol, &request.endpoint, wanted, existing.as_deref());
            let answer = match &made.pending {
                Some(_) if !request.return_subscription_arn => PENDING.to_owned(),
                _ => made.arn(),
            };
            let answer = json!({ "SubscriptionArn": answer });
            if existing.as_ref().is_some_and(|existing| existing.subscription == made) {
                return Ok(answer);
            }
            // Left over from a topic of the same name, it is written over.
            let stale = self.table().by_key(&key).map(|known| Precondition::Revision(known.revision));
            match self.write(&known.topic, &made, stale.unwrap_or(Precondition::Absent)).await {
                Ok(()) => return Ok(answer),
                Err(Written::Again) => {}
                Err(Written::Failed(error)) => return Err(error),
            }
        }
    }

    /// The subscription as it is after the request: a new one, or one that is asked again to confirm.
    fn subscription(
        &self,
        asker: Asker<'_>,
        known: &KnownTopic,
        protocol: Protocol,
        endpoint: &str,
        attributes: BTreeMap<String, String>,
        existing: Option<&KnownSubscription>,
    ) -> Subscription {
        let now_ms = self.around().timer.unix_ms();
        if let Some(existing) = existing {
            let mut again = existing.subscription.clone();
            if again.pending.is_some() {
                again.pending = Some(new_pending(now_ms));
            }
            return again;
        }
        let owner = &asker.identity.account;
        let is_of_owner = endpoint.split(':').nth(4) == Some(owner.as_str());
        let needs_confirmation = protocol.is_http() || (protocol == Protocol::Sqs && !is_of_owner);
        Subscription {
            topic: known.topic.name.clone(),
            topic_id: known.topic.id,
            id: Uuid::new_v4(),
            owner: owner.clone(),
            principal: asker.identity.arn(),
            protocol,
            endpoint: endpoint.to_owned(),
            base_url: asker.endpoint.to_owned(),
            pending: needs_confirmation.then(|| new_pending(now_ms)),
            confirmed_by: None,
            was_authenticated: !needs_confirmation,
            authenticates_unsubscribe: false,
            attributes,
        }
    }

    /// Writes a subscription, with the message that asks for its confirmation if it needs one.
    async fn write(&self, topic: &Topic, made: &Subscription, precondition: Precondition) -> Result<(), Written> {
        let now_ms = self.around().timer.unix_ms();
        let mut messages: Vec<Message> = Vec::new();
        if let Some(pending) = &made.pending {
            let asking = self.confirmation_push(topic, made, &pending.token, now_ms).await;
            let (push, body) = asking.map_err(Written::Failed)?;
            messages.push(push_message(&push, body, now_ms));
            messages.push(pending_alarm(made, pending, now_ms));
        }
        let batch = Batch::default().put_json(made.key(), precondition, made);
        let batch = batch.map_err(|error| Written::Failed(failure(&error)))?;
        match self.around().outbox.commit(batch, messages).await {
            Ok(_) => Ok(()),
            Err(StoreError::Conflict { .. } | StoreError::OutcomeUnknown { .. }) => {
                // What is in the store comes to memory first.
                self.table().catch_up().await.map_err(Written::Failed)?;
                Err(Written::Again)
            }
            Err(error) => Err(Written::Failed(failure(&error))),
        }
    }

    pub(super) async fn unsubscribe(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: SubscriptionRequest = parse(input)?;
        if request.subscription_arn.eq_ignore_ascii_case(PENDING) || request.subscription_arn == "PendingConfirmation" {
            return Err(invalid("SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"));
        }
        let (topic, id) = arn::subscription(&request.subscription_arn)?;
        let topic = self.served(asker.scope, topic, "SubscriptionArn")?;
        self.remove(&topic, id).await
    }

    /// Ends a subscription; one that is gone is what was asked for.
    pub(super) async fn remove(&self, topic: &TopicName, id: &str) -> Result<Value, ApiError> {
        self.table().catch_up().await?;
        if let Some(known) = self.table().subscription(topic, id) {
            let batch = Batch::default().delete(known.subscription.key(), Precondition::None);
            self.commit(Ok(batch)).await.map_err(|error| failure(&error))?;
        }
        Ok(json!({}))
    }

    /// Ends a subscription for somebody who follows the link in a message.
    pub(super) async fn unsubscribe_unsigned(&self, input: Value) -> Result<Value, ApiError> {
        let request: SubscriptionRequest = parse(input)?;
        let (topic, id) = arn::subscription(&request.subscription_arn)?;
        self.table().catch_up().await?;
        let known = self.table().subscription(&topic, id);
        if known.is_some_and(|known| known.subscription.authenticates_unsubscribe) {
            return Err(denied("Unsubscribing from this subscription needs a signed request"));
        }
        self.remove(&topic, id).await
    }

    pub(super) async fn list_subscriptions(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: ListRequest = parse(input)?;
        self.table().catch_up().await?;
        let after = request.next_token.map(|token| format!("{}{token}", arn::subscriptions_of(asker.scope)));
        let found = self.table().subscriptions_of(asker.scope, after.as_deref(), PAGE + 1);
        Ok(listed(&found, &arn::subscriptions_of(asker.scope)))
    }

    pub(super) async fn list_subscriptions_by_topic(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: ListRequest = parse(input)?;
        let known = self.known_topic(asker.scope, request.topic_arn.as_deref().unwrap_or_default()).await?;
        let prefix = known.topic.name.subscriptions();
        let after = request.next_token.map(|token| format!("{prefix}{token}"));
        let mut found = self.table().subscriptions(&known.topic);
        found.retain(|one| after.as_ref().is_none_or(|after| one.subscription.key() > *after));
        found.truncate(PAGE + 1);
        Ok(listed(&found, &prefix))
    }

    pub(super) async fn get_subscription_attributes(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let request: SubscriptionRequest = parse(input)?;
        let (topic, known) = self.known_subscription(asker.scope, &request.subscription_arn).await?;
        Ok(json!({ "Attributes": attributes::shown(&topic.topic, &known.subscription) }))
    }

    pub(super) async fn set_subscription_attributes(&self, asker: Asker<'_>, input: Value) -> Result<Value, ApiError> {
        let SetRequest { subscription_arn, attribute_name, attribute_value } = parse(input)?;
        loop {
            let (topic, known) = self.known_subscription(asker.scope, &subscription_arn).await?;
            let mut changed = known.subscription.clone();
            attributes::set(&mut changed.attributes, &attribute_name, &attribute_value).map_err(invalid)?;
            attributes::check(&topic.topic, changed.protocol, &changed.attributes).map_err(invalid)?;
            let precondition = Precondition::Revision(known.revision);
            match self.commit(Batch::default().put_json(changed.key(), precondition, &changed)).await {
                Ok(()) => return Ok(json!({})),
                Err(StoreError::Conflict { .. } | StoreError::OutcomeUnknown { .. }) => {}
                Err(error) => return Err(failure(&error)),
            }
        }
    }

    pub(super) async fn known_subscription(
        &self,
        scope: &Scope,
        arn: &str,
    ) -> Result<(Arc<KnownTopic>, Arc<KnownSubscription>), ApiError> {
        let (topic, id) = arn::subscription(arn)?;
        let topic = self.served(scope, topic, "SubscriptionArn")?;
        self.table().catch_up().await?;
        let known = self.table().topic(&topic).map_err(|_| no_subscription())?;
        let subscription = self.table().subscription(&topic, id).ok_or_else(no_subscription)?;
        Ok((known, subscription))
    }
}

/// Why a subscription was not written.
enum Written {
    /// Somebody else was first.
    Again,
    Failed(ApiError),
}

fn listed(found: &[Arc<KnownSubscription>], prefix: &str) -> Value {
    let one = |known: &Arc<KnownSubscription>| {
        let subscription = &known.subscription;
        let arn = if subscription.pending.is_some() { "PendingConfirmation".to_owned() } else { subscription.arn() };
        json!({
            "SubscriptionArn": arn,
            "Owner": subscription.owner,
            "Protocol": subscription.protocol.text(),
            "Endpoint": subscription.endpoint,
            "TopicArn": subscription.topic.arn(),
        })
    };
    let mut answer = json!({ "Subscriptions": found.iter().take(PAGE).map(one).collect::<Vec<_>>() });
    if found.len() > PAGE {
        let key = found[PAGE - 1].subscription.key();
        answer["NextToken"] = Value::from(key.strip_prefix(prefix).unwrap_or_default());
    }
    answer
}

fn protocol(text: &str) -> Result<Protocol, ApiError> {
    match text {
        "lambda" => Ok(Protocol::Lambda),
        "sqs" => Ok(Protocol::Sqs),
        "http" => Ok(Protocol::Http),
        "https" => Ok(Protocol::Https),
        "email" | "email-json" | "sms" | "application" | "firehose" => {
            Err(invalid(format_args!("Protocol Reason: tindra does not deliver to the protocol {text}")))
        }
        _ => Err(invalid(format_args!("Amazon SNS does not support this protocol string: {text}"))),
    }
}

fn check_endpoint(topic: &Topic, protocol: Protocol, endpoint: &str) -> Result<(), ApiError> {
    if topic.is_fifo() && protocol != Protocol::Sqs {
        let protocol = protocol.text();
        return Err(invalid(format_args!("Invalid protocol type: {protocol}. FIFO topics deliver to queues alone")));
    }
    match protocol {
        Protocol::Lambda => {
            let is_arn = endpoint.starts_with("arn:") && FunctionReference::parse(endpoint).is_ok();
            if is_arn { Ok(()) } else { Err(invalid("Lambda endpoint ARN")) }
        }
        Protocol::Sqs => {
            let fields: Vec<&str> = endpoint.split(':').collect();
            let ["arn", "aws", "sqs", region, account, name] = fields[..] else {
                return Err(invalid("SQS endpoint ARN"));
            };
            if region.is_empty() || account.len() != 12 || name.is_empty() {
                return Err(invalid("SQS endpoint ARN"));
            }
            if name.ends_with(".fifo") && !topic.is_fifo() {
                let why = "FIFO SQS Queues can not be subscribed to standard SNS topics";
                return Err(invalid(format_args!("Invalid parameter: Endpoint Reason: {why}")));
            }
            Ok(())
        }
        Protocol::Http | Protocol::Https => {
            let scheme = format!("{}://", protocol.text());
            if !endpoint.starts_with(&scheme) || endpoint.len() > URL_BYTES_MAX {
                return Err(invalid("Endpoint must match the specified protocol"));
            }
            let uri = endpoint.parse::<http::Uri>();
            if uri.is_ok_and(|uri| uri.host().is_some()) { Ok(()) } else { Err(invalid("Endpoint")) }
        }
    }
}
