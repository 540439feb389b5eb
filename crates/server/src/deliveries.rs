//! Telling destinations and dead-letter queues: functions through the invoke path, all others through the clients of
//! services outside.
//!
//! The forms are those of the page "Capturing records of Lambda asynchronous invocations" of AWS's developer guide.

use std::fmt;

use bytes::Bytes;
use tindra_core::async_invoke::Condition;
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_core::name;
use tindra_events::{Deliver, DeliverError, Delivery, Purpose};
use tindra_invoke::environments::Environments;
use tindra_invoke::{InvokeRequest, Invoker, Mode};
use tindra_outside::{MessageAttribute, Outside, PutEvent};
use tindra_s3::{S3Service, Visitor};
use tindra_store::BoxFuture;
use uuid::Uuid;

use crate::authorise::RoleAuthority;
use crate::code_source::visitor_of_tindra;

/// `source` of events about invokes: what real ones have, whatever the guide prints.
const EVENT_SOURCE: &str = "lambda";

/// Reaches destinations.
pub(crate) struct Deliveries<E> {
    pub(crate) invoker: Invoker<E>,
    pub(crate) outside: Outside,
    /// Where objects go when no S3 elsewhere is configured.
    pub(crate) own_s3: Option<S3Service>,
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
            let key = object_key(&delivery.function_name, delivery.at_ms, Uuid::new_v4());
            self.authorise(delivery, service, &key).await?;
            let outcome = match service {
                Some("sqs") => self.outside.send_message(target, &text(), &attributes(delivery), trace).await,
                Some("sns") => self.outside.publish(target, &text(), &attributes(delivery), trace).await,
                Some("events") => self.outside.put_event(target, event(delivery, text())).await,
                Some("s3") => {
                    let bucket = target.rsplit(':').next().unwrap_or_default();
                    if let Some(own) = &self.own_s3 {
                        let visitor =
                            Visitor { trace_id: trace.map(str::to_owned), ..visitor_of_tindra(&delivery.scope) };
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
fn attributes(delivery: &Delivery) -> Vec<MessageAttribute> {
    match &delivery.purpose {
        Purpose::Record { .. } => Vec::new(),
        Purpose::DeadLetter { error_code, error_message } => {
            let mut attributes = vec![
                MessageAttribute::string("RequestID", &delivery.request_id),
                MessageAttribute::number("ErrorCode", i64::from(*error_code)),
            ];
            // SQS and SNS take no attribute without a value.
            if !error_message.is_empty() {
                attributes.push(MessageAttribute::string("ErrorMessage", error_message));
            }
            attributes
        }
    }
}

fn event(delivery: &Delivery, detail: String) -> PutEvent {
    let result = match &delivery.purpose {
        Purpose::Record { condition: Condition::Success } => "Success",
        Purpose::Record { .. } | Purpose::DeadLetter { .. } => "Failure",
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

/// `aws/lambda/async/NAME/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-UUID`.
fn object_key(function: &str, at_ms: UnixMs, id: Uuid) -> String {
    let at = i64::try_from(at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    format!("aws/lambda/async/{function}/{}-{id}", at.strftime("%Y/%m/%d/%Y-%m-%dT%H.%M.%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_lie_by_day() {
        let key = object_key("thing", 1_573_755_365_568, Uuid::nil());
        assert_eq!(key, "aws/lambda/async/thing/2019/11/14/2019-11-14T18.16.05-00000000-0000-0000-0000-000000000000");
    }
}
