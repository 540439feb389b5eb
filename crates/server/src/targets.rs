//! Reaching the targets of pushes: functions through the invoke path, things of the services here, and what the operator
//! says is elsewhere.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;
use tindra_core::clock::Timer;
use tindra_core::function::Scope;
use tindra_core::push::{Attribute, Content, Push, PushError, QueueMessage};
use tindra_doors::front_door::Functions;
use tindra_events::{PushTo, Pushed, event_message};
use tindra_invoke::environments::Environments;
use tindra_invoke::{InvokeError, InvokeRequest, Invoker, Mode};
use tindra_outside::{MessageAttribute, Outside, OutsideError, OutsideService, PutEvent};
use tindra_services::kinesis::stream_of_arn;
use tindra_services::receive::Receive;
use tindra_store::BoxFuture;
use uuid::Uuid;

use crate::authorise::{OnBehalf, RoleAuthority};

/// The services that take pushes; one that is switched off does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Receivers {
    pub(crate) sqs: Option<Arc<dyn Receive>>,
    pub(crate) sns: Option<Arc<dyn Receive>>,
    pub(crate) eventbridge: Option<Arc<dyn Receive>>,
    pub(crate) kinesis: Option<Arc<dyn Receive>>,
}

impl Receivers {
    /// Without those that the operator says are elsewhere.
    pub(crate) fn here(&self, outside: &Outside) -> Self {
        let is_here = |service: OutsideService| !outside.is_known(service);
        Self {
            sqs: self.sqs.clone().filter(|_| is_here(OutsideService::Sqs)),
            sns: self.sns.clone().filter(|_| is_here(OutsideService::Sns)),
            eventbridge: self.eventbridge.clone().filter(|_| is_here(OutsideService::EventBridge)),
            kinesis: self.kinesis.clone().filter(|_| is_here(OutsideService::Kinesis)),
        }
    }

    /// The one that takes what goes to a target here; none when the target is elsewhere or its service is switched off.
    pub(crate) fn find(&self, push: &Push) -> Option<&Arc<dyn Receive>> {
        match push.content {
            Content::Function => None,
            Content::Queue(_) => self.sqs.as_ref(),
            Content::Topic(_) => self.sns.as_ref(),
            Content::Bus => self.eventbridge.as_ref(),
            Content::Stream(_) => self.kinesis.as_ref(),
            Content::Http(_) if push.source.principal.starts_with("sns.") => self.sns.as_ref(),
            Content::Http(_) => self.eventbridge.as_ref(),
        }
    }
}

/// Reaches the targets of pushes.
pub(crate) struct Targets<E> {
    pub(crate) invoker: Invoker<E>,
    pub(crate) functions: Arc<dyn Functions>,
    pub(crate) receivers: Receivers,
    pub(crate) outside: Outside,
    pub(crate) timer: Arc<dyn Timer>,
    /// What roles may do; none where everybody may do everything.
    pub(crate) authority: Option<RoleAuthority>,
}

impl<E> fmt::Debug for Targets<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Targets").field("receivers", &self.receivers).finish_non_exhaustive()
    }
}

impl<E: Environments> PushTo for Targets<E> {
    fn push<'a>(&'a self, push: &'a Push, id: Uuid, body: &'a Bytes) -> BoxFuture<'a, Result<Pushed, PushError>> {
        Box::pin(async move {
            self.authorise(push).await?;
            let body = &with_attempt(push, body);
            if push.content == Content::Function {
                return self.invoke(push, id, body).await;
            }
            if self.is_outside(push) {
                return self.send_outside(push, body).await.map(|()| Pushed::default());
            }
            let Some(receiver) = self.receivers.find(push) else {
                let message = format!("the service of {} is switched off here", push.target_arn);
                return Err(PushError::lasting("NO_RESOURCE", message));
            };
            let received = receiver.receive(push, id, body).await?;
            Ok(Pushed { batch: received.batch, messages: received.messages })
        })
    }

    fn pushed(&self, push: &Push) {
        if let Some(receiver) = self.receivers.find(push).filter(|_| !self.is_outside(push)) {
            receiver.received(push);
        }
    }
}

impl<E: Environments> Targets<E> {
    /// Whether the operator has said that the service of the target is elsewhere.
    fn is_outside(&self, push: &Push) -> bool {
        let service = match push.content {
            Content::Queue(_) => OutsideService::Sqs,
            Content::Topic(_) => OutsideService::Sns,
            Content::Bus => OutsideService::EventBridge,
            Content::Stream(_) => OutsideService::Kinesis,
            Content::Function | Content::Http(_) => return false,
        };
        self.outside.is_known(service)
    }

    /// Refuses what the role of the push may not do. Without a role the target's policy decides, which its service asks.
    async fn authorise(&self, push: &Push) -> Result<(), PushError> {
        let (Some(authority), Some(role)) = (&self.authority, &push.role_arn) else { return Ok(()) };
        let action = match push.content {
            Content::Function => "lambda:InvokeFunction",
            Content::Queue(_) => "sqs:SendMessage",
            Content::Topic(_) => "sns:Publish",
            Content::Bus => "events:PutEvents",
            Content::Stream(_) => "kinesis:PutRecord",
            Content::Http(_) => "events:InvokeApiDestination",
        };
        let session = push.source.arn.rsplit([':', '/']).next().unwrap_or_default();
        let on_behalf = OnBehalf { role, service: &push.source.principal, session };
        let checked = authority.check_service(on_behalf, action, &push.target_arn, None).await;
        checked.map_err(|message| PushError::lasting("NO_PERMISSIONS", message))
    }

    async fn invoke(&self, push: &Push, id: Uuid, body: &Bytes) -> Result<Pushed, PushError> {
        let target = push.target_arn.as_str();
        let mut fields = target.split(':').skip(3);
        let (Some(region), Some(account)) = (fields.next(), fields.next()) else {
            return Err(PushError::lasting("INVALID_PARAMETER", format!("{target} is no function's ARN")));
        };
        let source = &push.source;
        let lets_in = push.role_arn.is_some()
            || self.functions.lets_in(&source.scope, target, &source.principal, &source.arn).await;
        if !lets_in {
            let message = format!("{target} does not let {} invoke it for {}", source.principal, source.arn);
            return Err(PushError::lasting("NO_PERMISSIONS", message));
        }
        let request = InvokeRequest {
            scope: Scope { account: account.to_owned(), region: region.to_owned() },
            function: target.to_owned(),
            qualifier: None,
            mode: Mode::Event,
            tenant: None,
            log_tail: false,
            client_context: None,
            payload: body.clone(),
            request_id: id.to_string(),
            trace_id: push.trace_id.clone(),
        };
        let event = self.invoker.event(request).await.map_err(refused)?;
        let message = event_message(event, self.timer.unix_ms());
        let message = message.map_err(|error| PushError::passing("SDK_CLIENT_ERROR", error.to_string()))?;
        Ok(Pushed { messages: vec![message], ..Pushed::default() })
    }

    async fn send_outside(&self, push: &Push, body: &Bytes) -> Result<(), PushError> {
        let (target, trace) = (push.target_arn.as_str(), push.trace_id.as_deref());
        let text = String::from_utf8_lossy(body);
        let sent = match &push.content {
            Content::Queue(message) => self.outside.send_message(target, &text, &attributes(message), trace).await,
            Content::Topic(topic) => self.outside.publish(target, &text, &attributes(&topic.message), trace).await,
            Content::Stream(record) => {
                let name = stream_of_arn(target).map(|(_, name)| name);
                let input =
                    json!({ "StreamName": name, "PartitionKey": record.partition_key, "Data": STANDARD.encode(body) });
                let region = target.split(':').nth(3).unwrap_or_default();
                self.outside.ask_stream(target, region, "PutRecord", input).await.map(drop)
            }
            _ => self.outside.put_event(target, put_event(push, body)).await,
        };
        sent.map_err(|error: OutsideError| match error.is_passing() {
            true => PushError::passing("SDK_CLIENT_ERROR", error.to_string()),
            false => PushError::lasting("SDK_CLIENT_ERROR", error.to_string()),
        })
    }
}

/// What a schedule sends may tell which attempt it is.
fn with_attempt(push: &Push, body: &Bytes) -> Bytes {
    const ATTEMPT: &str = "<aws.scheduler.attempt-number>";
    match std::str::from_utf8(body) {
        Ok(text) if push.source.principal.starts_with("scheduler.") && text.contains(ATTEMPT) => {
            text.replace(ATTEMPT, &push.attempts.saturating_add(1).to_string()).into()
        }
        _ => body.clone(),
    }
}

/// Why an invoke was refused that nobody waits for. What may pass is tried again.
fn refused(error: InvokeError) -> PushError {
    match &error {
        InvokeError::Internal { .. } => PushError::passing("SDK_CLIENT_ERROR", error.to_string()),
        InvokeError::Name(_) => PushError::lasting("NO_RESOURCE", error.to_string()),
        _ => PushError::lasting("INVALID_PARAMETER", error.to_string()),
    }
}

/// As the clients of services outside send attributes: texts and whole numbers.
pub(crate) fn attributes(message: &QueueMessage) -> Vec<MessageAttribute> {
    let one = |Attribute { name, data_type, value }: &Attribute| match value.parse() {
        Ok(number) if data_type == "Number" => MessageAttribute::number(name, number),
        _ => MessageAttribute::string(name, value),
    };
    message.attributes.iter().map(one).collect()
}

/// The entry of an event that is whole already.
fn put_event(push: &Push, body: &Bytes) -> PutEvent {
    let event: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |member: &str| event[member].as_str().unwrap_or_default().to_owned();
    let resources = event["resources"].as_array().into_iter().flatten();
    PutEvent {
        source: text("source"),
        detail_type: text("detail-type"),
        detail: event["detail"].to_string(),
        resources: resources.filter_map(|resource| resource.as_str().map(str::to_owned)).collect(),
        time_ms: push.at_ms,
        trace_header: push.trace_id.clone(),
    }
}
