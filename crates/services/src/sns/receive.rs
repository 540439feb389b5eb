//! What others push to topics, and what topics push to HTTP endpoints.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use tindra_core::policy::{Context, Decision, Request as Asked, Requester, evaluate};
use tindra_core::push::{Content, HttpRequest, Push, PushError, TopicMessage};
use tindra_outside::anywhere::{Bounds, fetch};
use tindra_store::BoxFuture;
use tokio::time::Instant;
use uuid::Uuid;

use super::SnsService;
use super::arn::TopicName;
use super::deduplication::{Seen, deduplication_id};
use super::delivery_policy::Effective;
use super::fan_out::Publication;
use super::message::Message;
use super::publish::{Intake, Published};
use super::records::{Protocol, subscription_key};
use super::table::KnownTopic;
use crate::outbox::push_message;
use crate::receive::{Receive, Received};

/// What an endpoint answers is not looked at.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Subscriptions whose pace is kept at once; those that are not at it are forgotten.
const PACED_MAX: usize = 10_000;

/// When the next message of a subscription may go out, for those with `maxReceivesPerSecond`. Real time: it is about how
/// much an endpoint can take.
#[derive(Debug, Default)]
pub(super) struct Paces(Mutex<HashMap<String, Instant>>);

impl Paces {
    /// Waits for a turn.
    async fn wait(&self, subscription: &str, per_s_max: u32) {
        let now = Instant::now();
        let turn = {
            let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if paces.len() >= PACED_MAX {
                paces.retain(|_, next| *next > now);
            }
            let next = paces.entry(subscription.to_owned()).or_insert(now);
            let turn = (*next).max(now);
            *next = turn + Duration::from_secs(1) / per_s_max.max(1);
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

impl Receive for SnsService {
    fn receive<'a>(&'a self, push: &'a Push, id: Uuid, body: &'a Bytes) -> BoxFuture<'a, Result<Received, PushError>> {
        Box::pin(async move {
            match &push.content {
                Content::Topic(message) => self.take(push, message, id, body).await,
                Content::Http(request) => self.send(request, body).await.map(|()| Received::default()),
                _ => Err(PushError::lasting("INVALID_PARAMETER", "a topic takes messages alone")),
            }
        })
    }

    fn admit<'a>(&'a self, push: &'a Push) -> BoxFuture<'a, Result<(), PushError>> {
        Box::pin(async move {
            match &push.content {
                Content::Topic(_) => self.admitting(push).await.map(drop),
                _ => Ok(()),
            }
        })
    }
}

impl SnsService {
    async fn take(&self, push: &Push, message: &TopicMessage, id: Uuid, body: &Bytes) -> Result<Received, PushError> {
        let known = self.admitting(push).await?;
        let mut message = Message::pushed(message, body, push.trace_id.as_deref());
        let at_ms = self.around().timer.unix_ms();
        let mut intake = Intake::default();
        let mut published = Published { message_id: id.to_string(), sequence: None };
        if known.topic.is_fifo() {
            message.deduplication_id = deduplication_id(&known.topic, &message);
            if message.group_id.is_none() || message.deduplication_id.is_none() {
                let why = "a message to a FIFO topic needs a group id and a deduplication id";
                return Err(PushError::lasting("INVALID_PARAMETER", why));
            }
            let key = Seen::key(&known.topic, &message);
            if self.seen(&key, at_ms).await.map_err(passing)?.0.is_some() {
                return Ok(Received::default());
            }
            published.sequence = Some(self.next_sequence(at_ms));
            let precondition = tindra_store::Precondition::None;
            self.remember(&key, &published, precondition, at_ms, &mut intake).map_err(passing)?;
        }
        let publication = Publication {
            message: &message,
            message_id: &published.message_id,
            sequence: published.sequence.as_deref(),
            at_ms,
        };
        let pushes = self.fan_out(&known, publication).await.map_err(passing)?;
        intake.messages.extend(pushes.into_iter().map(|(push, body)| push_message(&push, body, at_ms)));
        Ok(Received { batch: intake.batch, messages: intake.messages })
    }

    /// Asks the topic's policy whether the source may publish; a role's rights were looked at before.
    /// The topic that a push is for, if it lets the source in.
    async fn admitting(&self, push: &Push) -> Result<Arc<KnownTopic>, PushError> {
        self.table().catch_up().await.map_err(passing)?;
        let known = TopicName::parse(&push.target_arn, "TopicArn").and_then(|name| self.table().topic(&name));
        let known = known.map_err(|error| PushError::lasting("NO_RESOURCE", error.message().to_owned()))?;
        self.check_policy(push, &known)?;
        Ok(known)
    }

    fn check_policy(&self, push: &Push, known: &Arc<KnownTopic>) -> Result<(), PushError> {
        if !self.around().is_checked || push.role_arn.is_some() {
            return Ok(());
        }
        let requester = Requester::Service { name: push.source.principal.clone() };
        let context = Context::default()
            .with("aws:SourceArn", push.source.arn.as_str())
            .with("aws:SourceAccount", push.source.scope.account.as_str())
            .with("aws:PrincipalIsAWSService", "true");
        let asked =
            Asked { requester: &requester, action: "sns:Publish", resource: &push.target_arn, context: &context };
        if evaluate(asked, known.policy.as_deref()) == Decision::Allowed {
            return Ok(());
        }
        let message =
            format!("{} does not let {} publish for {}", push.target_arn, push.source.principal, push.source.arn);
        Err(PushError::lasting("NO_PERMISSIONS", message))
    }

    /// Sends a message to an HTTP endpoint. What it refuses as wrong is not sent again.
    async fn send(&self, request: &HttpRequest, body: &Bytes) -> Result<(), PushError> {
        self.keep_pace(request).await;
        let built = request.headers.iter().fold(
            Request::builder().method(request.method.as_str()).uri(request.url.as_str()),
            |builder, (name, value)| builder.header(name, value),
        );
        let built = built.body(body.clone());
        let built = built.map_err(|error| PushError::lasting("INVALID_PARAMETER", error.to_string()))?;
        let bounds = Bounds { timeout: Duration::from_millis(request.timeout_ms), bytes_max: ANSWER_BYTES_MAX };
        let answer = fetch(built, bounds, self.around().reach.as_ref()).await;
        let answer =
            answer.map_err(|problem| PushError::passing("SDK_CLIENT_ERROR", format!("{}: {problem}", request.url)))?;
        let status = answer.status();
        let message = || format!("{} answered {status}", request.url);
        match status {
            _ if status.is_success() => Ok(()),
            StatusCode::TOO_MANY_REQUESTS => Err(PushError::passing("THROTTLING", message())),
            _ if status.is_client_error() => Err(PushError::lasting("SDK_CLIENT_ERROR", message())),
            _ => Err(PushError::passing("SDK_CLIENT_ERROR", message())),
        }
    }

    /// Waits as long as the subscription's `maxReceivesPerSecond` says.
    async fn keep_pace(&self, request: &HttpRequest) {
        let arn = request.headers.iter().find(|(name, _)| name == "x-amz-sns-topic-arn");
        let Some(Ok(name)) = arn.map(|(_, arn)| TopicName::parse(arn, "TopicArn")) else { return };
        let protocol = if request.url.starts_with("https:") { Protocol::Https } else { Protocol::Http };
        let key = subscription_key(&name, protocol, &request.url);
        let (Ok(topic), Some(known)) = (self.table().topic(&name), self.table().by_key(&key)) else { return };
        let effective = Effective::of(&topic.topic, &known.subscription);
        if let Some(per_s_max) = effective.receives_per_s_max {
            self.paces().wait(&key, per_s_max).await;
        }
    }
}

fn passing(error: tindra_model::ApiError) -> PushError {
    PushError::passing("SDK_CLIENT_ERROR", error.message().to_owned())
}
