//! From one message to a push for each subscription that wants it.

use std::collections::HashMap;

use bytes::Bytes;
use tindra_core::clock::UnixMs;
use tindra_core::push::{Attribute, Content, DeadLetter, HttpRequest, Push, PushPolicy, QueueMessage, Source};
use tindra_model::ApiError;

use super::SnsService;
use super::attributes::dead_letter_queue;
use super::delivery_policy::{Effective, of_aws_endpoints};
use super::envelope::{Notice, Signed};
use super::error::failure;
use super::message::Message;
use super::records::{Protocol, Subscription, Topic};
use super::signature::{Key, SignatureVersion};
use super::stamp::stamp;
use super::table::KnownTopic;

/// The answer of an HTTP endpoint must be here by then (AWS).
const HTTP_TIMEOUT_MS: u64 = 15_000;
/// A queue's message has no more; one with more cannot be delivered raw (AWS).
const RAW_ATTRIBUTES_MAX: usize = 10;
/// The principal of topics in policies.
pub(super) const PRINCIPAL: &str = "sns.amazonaws.com";
const USER_AGENT: &str = "Amazon Simple Notification Service Agent";

/// A message that is being published.
#[derive(Clone, Copy, Debug)]
pub(super) struct Publication<'a> {
    pub(super) message: &'a Message,
    pub(super) message_id: &'a str,
    /// Of topics that keep an order.
    pub(super) sequence: Option<&'a str>,
    pub(super) at_ms: UnixMs,
}

impl SnsService {
    /// A push for each subscription that wants the message.
    pub(super) async fn fan_out(
        &self,
        known: &KnownTopic,
        publication: Publication<'_>,
    ) -> Result<Vec<(Push, Bytes)>, ApiError> {
        let subscriptions = self.table().subscriptions(&known.topic);
        let wants = |filter: &Option<super::filter::Filter>| {
            filter.as_ref().is_none_or(|filter| filter.lets_pass(publication.message))
        };
        let confirmed = subscriptions.iter().filter(|known| known.subscription.pending.is_none());
        let chosen: Vec<_> = confirmed.filter(|known| wants(&known.filter)).map(|known| &known.subscription).collect();
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let (topic_arn, timestamp) = (known.topic.name.arn(), stamp(publication.at_ms));
        let notice = Notice {
            message: publication.message,
            message_id: publication.message_id,
            topic_arn: &topic_arn,
            timestamp: &timestamp,
            sequence: publication.sequence,
        };
        let key =
            if known.topic.is_fifo() { None } else { Some(self.keys().key().await.map_err(|error| failure(&error))?) };
        let mut forms =
            Forms { notice, key: key.as_deref(), version: signature_version(&known.topic), signed: HashMap::new() };
        let push = |subscription: &&Subscription| forms.push(&known.topic, subscription, publication);
        Ok(chosen.iter().filter_map(push).collect())
    }

    /// Asks an endpoint to confirm.
    pub(super) async fn confirmation_push(
        &self,
        topic: &Topic,
        subscription: &Subscription,
        token: &str,
        at_ms: UnixMs,
    ) -> Result<(Push, Bytes), ApiError> {
        let key = self.keys().key().await.map_err(|error| failure(&error))?;
        let id = uuid::Uuid::new_v4().to_string();
        let (timestamp, version) = (stamp(at_ms), signature_version(topic));
        let body = super::envelope::confirmation(subscription, token, &id, &timestamp, &key, version);
        let (content, policy) = match subscription.protocol {
            Protocol::Http | Protocol::Https => {
                let effective = Effective::of(topic, subscription);
                let request = http_request(topic, subscription, "SubscriptionConfirmation", &id, &effective);
                (Content::Http(request), effective.push_policy())
            }
            Protocol::Sqs | Protocol::Lambda => (Content::Queue(QueueMessage::default()), of_aws_endpoints()),
        };
        let mut push = bare(topic, subscription, content, policy, at_ms);
        push.dead_letter = None;
        Ok((push, body.into()))
    }
}

/// `SignatureVersion` of a topic.
pub(super) fn signature_version(topic: &Topic) -> SignatureVersion {
    if topic.attribute("SignatureVersion") == Some("2") { SignatureVersion::Two } else { SignatureVersion::One }
}

/// The forms of one message; each body is signed once.
struct Forms<'a> {
    notice: Notice<'a>,
    key: Option<&'a Key>,
    version: SignatureVersion,
    signed: HashMap<&'a str, Signed>,
}

impl<'a> Forms<'a> {
    /// None for a message that a queue cannot take raw.
    fn push(
        &mut self,
        topic: &Topic,
        subscription: &Subscription,
        publication: Publication<'a>,
    ) -> Option<(Push, Bytes)> {
        let protocol = subscription.protocol;
        let message = publication.message;
        let is_raw = subscription.is_raw();
        let signed = if is_raw { None } else { self.signed(protocol) };
        let notification = |notice: &Notice<'_>, signed: Option<&Signed>| notice.notification(subscription, signed);
        let body = match protocol {
            Protocol::Lambda => self.notice.event(subscription, &signed.clone()?),
            _ if is_raw => message.body_for(protocol).to_owned(),
            _ => notification(&self.notice, signed.as_ref()),
        };
        let queue_message = QueueMessage {
            attributes: if is_raw { raw_attributes(message) } else { Vec::new() },
            group_id: message.group_id.clone(),
            deduplication_id: topic.is_fifo().then(|| message.deduplication_id.clone()).flatten(),
        };
        if protocol == Protocol::Sqs && queue_message.attributes.len() > RAW_ATTRIBUTES_MAX {
            let (subscription, attributes) = (subscription.arn(), queue_message.attributes.len());
            tracing::warn!(
                subscription,
                attributes,
                "a message has too many attributes to be delivered raw; it is dropped"
            );
            return None;
        }
        let letter = DeadLetter {
            queue_arn: dead_letter_queue(subscription).unwrap_or_default(),
            body: (protocol == Protocol::Lambda).then(|| notification(&self.notice, signed.as_ref())),
            message: queue_message.clone(),
            tells_why: false,
        };
        let (content, policy) = match protocol {
            Protocol::Lambda => (Content::Function, of_aws_endpoints()),
            Protocol::Sqs => (Content::Queue(queue_message), of_aws_endpoints()),
            Protocol::Http | Protocol::Https => {
                let effective = Effective::of(topic, subscription);
                let id = publication.message_id;
                let request = http_request(topic, subscription, "Notification", id, &effective);
                (Content::Http(request), effective.push_policy())
            }
        };
        let mut push = bare(topic, subscription, content, policy, publication.at_ms);
        push.dead_letter = Some(letter).filter(|letter| !letter.queue_arn.is_empty());
        push.trace_id = publication.message.trace_id.clone();
        Some((push, body.into()))
    }

    fn signed(&mut self, protocol: Protocol) -> Option<Signed> {
        let (notice, key, version) = (self.notice, self.key?, self.version);
        let body = notice.message.body_for(protocol);
        Some(self.signed.entry(body).or_insert_with(|| notice.sign(protocol, key, version)).clone())
    }
}

fn bare(topic: &Topic, subscription: &Subscription, content: Content, policy: PushPolicy, at_ms: UnixMs) -> Push {
    Push {
        source: Source { principal: PRINCIPAL.to_owned(), arn: topic.name.arn(), scope: topic.name.scope.clone() },
        target_arn: subscription.endpoint.clone(),
        role_arn: None,
        content,
        policy,
        dead_letter: None,
        trace_id: None,
        at_ms,
        attempts: 0,
        last_error: None,
    }
}

fn raw_attributes(message: &Message) -> Vec<Attribute> {
    let attributes = message.attributes.iter();
    let one = attributes.map(|(name, attribute)| Attribute {
        name: name.clone(),
        data_type: attribute.data_type.clone(),
        value: attribute.value.clone(),
    });
    one.collect()
}

fn http_request(
    topic: &Topic,
    subscription: &Subscription,
    kind: &str,
    message_id: &str,
    effective: &Effective,
) -> HttpRequest {
    let mut headers = vec![
        ("x-amz-sns-message-type".to_owned(), kind.to_owned()),
        ("x-amz-sns-message-id".to_owned(), message_id.to_owned()),
        ("x-amz-sns-topic-arn".to_owned(), topic.name.arn()),
    ];
    if kind == "Notification" {
        headers.push(("x-amz-sns-subscription-arn".to_owned(), subscription.arn()));
    }
    if kind == "Notification" && subscription.is_raw() {
        headers.push(("x-amz-sns-rawdelivery".to_owned(), "true".to_owned()));
    }
    headers.push(("content-type".to_owned(), effective.content_type.clone()));
    headers.push(("user-agent".to_owned(), USER_AGENT.to_owned()));
    HttpRequest {
        method: "POST".to_owned(),
        url: subscription.endpoint.clone(),
        headers,
        timeout_ms: HTTP_TIMEOUT_MS,
        connection_arn: None,
    }
}
