//! Telling destinations and dead-letter queues: functions through the invoke path, queues, topics and buses that are here through
//! the services that have them, all others through the clients of services outside.
//!
//! The forms are those of the page "Capturing records of Lambda asynchronous invocations" of AWS's developer guide.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tindra_core::async_invoke::Condition;
use tindra_core::function::Scope;
use tindra_core::name;
use tindra_core::push::{Attribute, Content, Push, PushPolicy, QueueMessage, Source, TopicMessage};
use tindra_events::{Deliver, DeliverError, Delivery, Purpose};
use tindra_invoke::environments::Environments;
use tindra_invoke::{InvokeRequest, Invoker, Mode};
use tindra_outside::{Outside, OutsideService, PutEvent};
use tindra_s3::{S3Service, Visitor};
use tindra_services::outbox::Outbox;
use tindra_services::receive::Received;
use tindra_store::BoxFuture;
use uuid::Uuid;

use crate::authorise::RoleAuthority;
use crate::code_source::{rights_of_account, visitor_of_tindra};
use crate::targets::{self, Receivers};

/// `source` of events about invokes: what real ones have, whatever the guide prints.
const EVENT_SOURCE: &str = "lambda";

/// Reaches destinations.
pub(crate) struct Deliveries<E> {
    pub(crate) invoker: Invoker<E>,
    pub(crate) outside: Outside,
    /// Where objects go when no S3 elsewhere is configured.
    pub(crate) own_s3: Option<S3Service>,
    /// Who has the queues, topics and buses that are here.
    pub(crate) receivers: Receivers,
    pub(crate) outbox: Arc<dyn Outbox>,
    /// What the functions' roles may do; none where everybody may do everything.
    pub(crate) authority: Option<RoleAuthority>,
}

impl<E> fmt::Debug for Deliveries<E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Deliveries").field("outside", &self.outside).finish_non_exhaustive()
    }
}

impl<E: Environments> Deliver for Deliveries<E> {
    fn deliver<'a>(&'a self, delivery: &'a Delivery, body: Bytes) -> BoxFuture<'a, Result<(), DeliverError>> {
        Box::pin(async move {
            let text = || String::from_utf8_lossy(&body).into_owned();
            let target = delivery.target_arn.as_str();
            let trace = Some(delivery.trace_id.as_str());
            let service = target.split(':').nth(2);
            let key = object_key(delivery, Uuid::new_v4());
            self.authorise(delivery, service, &key).await?;
            if let Some(push) = self.push_here(delivery, service) {
                let body = bus_event(&push, delivery, &body).unwrap_or(body);
                return self.push(&push, &body).await;
            }
            let message = QueueMessage { attributes: attributes(delivery), ..QueueMessage::default() };
            let told = targets::attributes(&message);
            let outcome = match service {
                Some("sqs") => self.outside.send_message(target, &text(), &told, trace).await,
                Some("sns") => self.outside.publish(target, &text(), &told, trace).await,
                Some("events") => self.outside.put_event(target, event(delivery, text())).await,
                Some("s3") => {
                    let bucket = target.rsplit(':').next().unwrap_or_default();
                    if let Some(own) = &self.own_s3 {
                        // The role has been asked; a bucket of another account opens itself by its policy.
                        let visitor = Visitor {
                            trace_id: trace.map(str::to_owned),
                            rights: self.authority.as_ref().map(|_| rights_of_account(&delivery.scope)),
                            ..visitor_of_tindra(&delivery.scope)
                        };
                        let put = own.write(visitor, bucket, &key, "application/json", body).await;
                        return put.map_err(|error| DeliverError { message: error.to_string() });
                    }
                    self.outside.put_object(bucket, &key, "application/json", body, &delivery.scope.region).await
                }
                Some("lambda") => return self.invoke(delivery, body).await,
                _ => return Err(DeliverError { message: format!("{target} is no target that can be reached") }),
            };
            outcome.map_err(|error| DeliverError { message: error.to_string() })
        })
    }
}

impl<E: Environments> Deliveries<E> {
    /// Refuses what the function's role may not do: the keys with which Tindra asks are not the function's.
    async fn authorise(&self, delivery: &Delivery, service: Option<&str>, key: &str) -> Result<(), DeliverError> {
        let Some(authority) = &self.authority else { return Ok(()) };
        let target = &delivery.target_arn;
        let (action, resource) = match service {
            Some("sqs") => ("sqs:SendMessage", target.clone()),
            Some("sns") => ("sns:Publish", target.clone()),
            Some("events") => ("events:PutEvents", target.clone()),
            Some("s3") => ("s3:PutObject", format!("{target}/{key}")),
            _ => ("lambda:InvokeFunction", target.clone()),
        };
        let checked = match &delivery.role_arn {
            Some(role) => {
                let function = name::arn(&delivery.scope, &delivery.function_name, None);
                authority.check(role, &function, action, &resource).await
            }
            None => Err("the function has gone, and with it the role on whose behalf this was to be told".to_owned()),
        };
        checked.map_err(|message| DeliverError { message })
    }

    /// The push of a delivery to a queue, topic or bus of a service that is served here and that the operator has not said to be
    /// elsewhere.
    fn push_here(&self, delivery: &Delivery, service: Option<&str>) -> Option<Push> {
        let message = || QueueMessage { attributes: attributes(delivery), ..QueueMessage::default() };
        let (outside, content) = match service? {
            "sqs" => (OutsideService::Sqs, Content::Queue(message())),
            "sns" => (OutsideService::Sns, Content::Topic(TopicMessage { subject: None, message: message() })),
            "events" => (OutsideService::EventBridge, Content::Bus),
            _ => return None,
        };
        let push = Push {
            source: Source {
                principal: "lambda.amazonaws.com".to_owned(),
                arn: name::arn(&delivery.scope, &delivery.function_name, None),
                scope: delivery.scope.clone(),
            },
            target_arn: delivery.target_arn.clone(),
            // Checked already; with auth off there may be none, and nobody asks for it.
            role_arn: delivery.role_arn.clone(),
            content,
            policy: PushPolicy::default(),
            dead_letter: None,
            trace_id: Some(delivery.trace_id.clone()),
            at_ms: delivery.at_ms,
            attempts: 0,
            last_error: None,
        };
        (!self.outside.is_known(outside) && self.receivers.find(&push).is_some()).then_some(push)
    }

    /// Hands a push to the service that has its target, and makes durable what comes of it.
    async fn push(&self, push: &Push, body: &Bytes) -> Result<(), DeliverError> {
        let failed = |message: String| DeliverError { message };
        let Some(receiver) = self.receivers.find(push) else {
            return Err(failed(format!("the service of {} is not served here", push.target_arn)));
        };
        let received = receiver.receive(push, Uuid::now_v7(), body).await;
        let Received { batch, messages } = received.map_err(|error| failed(error.to_string()))?;
        self.outbox.commit(batch, messages).await.map_err(|error| failed(error.to_string()))?;
        receiver.received(push);
        Ok(())
    }

    /// Invokes a function with the record, asynchronously, as an event of the chain that the record is about.
    async fn invoke(&self, delivery: &Delivery, body: Bytes) -> Result<(), DeliverError> {
        let mut parts = delivery.target_arn.split(':').skip(3);
        let (Some(region), Some(account)) = (parts.next(), parts.next()) else {
            return Err(DeliverError { message: format!("{} is no function's ARN", delivery.target_arn) });
        };
        let request = InvokeRequest {
            scope: Scope { account: account.to_owned(), region: region.to_owned() },
            function: delivery.target_arn.clone(),
            qualifier: None,
            mode: Mode::Event,
            tenant: None,
            log_tail: false,
            client_context: None,
            payload: body,
            request_id: Uuid::new_v4().to_string(),
            trace_id: Some(delivery.trace_id.clone()),
        };
        match self.invoker.invoke(request).await {
            Ok(_) => Ok(()),
            Err(error) => Err(DeliverError { message: error.to_string() }),
        }
    }
}

/// A dead letter says beside the event why it is one; a record says it itself.
fn attributes(delivery: &Delivery) -> Vec<Attribute> {
    match &delivery.purpose {
        Purpose::Record { .. } | Purpose::Shard { .. } => Vec::new(),
        Purpose::DeadLetter { error_code, error_message } => {
            let mut attributes = vec![
                Attribute::string("RequestID", &delivery.request_id),
                Attribute { data_type: "Number".to_owned(), ..Attribute::string("ErrorCode", error_code.to_string()) },
            ];
            // SQS and SNS take no attribute without a value.
            if !error_message.is_empty() {
                attributes.push(Attribute::string("ErrorMessage", error_message));
            }
            attributes
        }
    }
}

fn event(delivery: &Delivery, detail: String) -> PutEvent {
    let result = match &delivery.purpose {
        Purpose::Record { condition: Condition::Success } => "Success",
        Purpose::Record { .. } | Purpose::Shard { .. } | Purpose::DeadLetter { .. } => "Failure",
    };
    PutEvent {
        source: EVENT_SOURCE.to_owned(),
        detail_type: format!("Lambda Function Invocation Result - {result}"),
        detail,
        resources: vec![delivery.function_arn.clone(), delivery.target_arn.clone()],
        time_ms: delivery.at_ms,
        trace_header: Some(delivery.trace_id.clone()),
    }
}

/// The whole event that a bus is given; none for what is no bus.
fn bus_event(push: &Push, delivery: &Delivery, body: &Bytes) -> Option<Bytes> {
    if push.content != Content::Bus {
        return None;
    }
    let PutEvent { source, detail_type, resources, .. } = event(delivery, String::new());
    let at = i64::try_from(delivery.at_ms / 1_000).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
    let event = serde_json::json!({
        "version": "0",
        "id": Uuid::new_v4(),
        "detail-type": detail_type,
        "source": source,
        "account": delivery.scope.account,
        "time": at.unwrap_or_default().to_string(),
        "region": delivery.scope.region,
        "resources": resources,
        "detail": serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default(),
    });
    Some(event.to_string().into())
}

/// `aws/lambda/async/NAME/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-UUID`; for records of a shard, `MAPPING/SHARD` stands in place of
/// `async/NAME`.
fn object_key(delivery: &Delivery, id: Uuid) -> String {
    let about = match &delivery.purpose {
        Purpose::Shard { mapping, shard_id } => format!("{mapping}/{shard_id}"),
        Purpose::Record { .. } | Purpose::DeadLetter { .. } => format!("async/{}", delivery.function_name),
    };
    let at = i64::try_from(delivery.at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    format!("aws/lambda/{about}/{}-{id}", at.unwrap_or_default().strftime("%Y/%m/%d/%Y-%m-%dT%H.%M.%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(purpose: Purpose) -> Delivery {
        Delivery {
            target_arn: "arn:aws:s3:::told".to_owned(),
            scope: Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() },
            function_name: "thing".to_owned(),
            function_arn: String::new(),
            role_arn: None,
            request_id: String::new(),
            trace_id: String::new(),
            at_ms: 1_573_755_365_568,
            purpose,
            attempts: 0,
            last_error: None,
        }
    }

    #[test]
    fn objects_lie_by_day() {
        let day = "2019/11/14/2019-11-14T18.16.05-00000000-0000-0000-0000-000000000000";
        let of_event = delivery(Purpose::Record { condition: Condition::RetriesExhausted });
        assert_eq!(object_key(&of_event, Uuid::nil()), format!("aws/lambda/async/thing/{day}"));
        let of_shard = delivery(Purpose::Shard { mapping: Uuid::nil(), shard_id: "shardId-000000000001".to_owned() });
        let mapping = Uuid::nil();
        let expected = format!("aws/lambda/{mapping}/shardId-000000000001/{day}");
        assert_eq!(object_key(&of_shard, Uuid::nil()), expected);
    }
}
