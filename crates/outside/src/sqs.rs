//! Messages to queues of SQS, in its JSON protocol.
//!
//! Requests name a queue by its URL, which is looked up once. The URL may name a host that only the service itself
//! knows, so that requests go to the endpoint and not there.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Map, Value, json};

use super::call::{ANSWER_BYTES_MAX, Call, post_json};
use super::target::Target;
use super::{MessageAttribute, Outside, OutsideError, OutsideService};

const JSON: &str = "application/x-amz-json-1.0";
/// How many URLs are remembered; a server that sends to more queues asks again.
const QUEUE_URLS_MAX: usize = 10_000;
/// Longer than a receive waits.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(30);
/// Ten messages of 1 MB with what JSON adds to them.
const RECEIVED_BYTES_MAX: usize = 24 << 20;

/// Queue URLs by ARN.
#[derive(Debug, Default)]
pub(super) struct QueueUrls(Mutex<HashMap<String, String>>);

impl Outside {
    /// Sends a message to a standard queue. `trace_header` becomes the message's `AWSTraceHeader`.
    ///
    /// # Errors
    /// See [`OutsideError`].
    pub async fn send_message(
        &self,
        queue_arn: &str,
        body: &str,
        attributes: &[MessageAttribute],
        trace_header: Option<&str>,
    ) -> Result<(), OutsideError> {
        let target = Target::standard(queue_arn, OutsideService::Sqs)?;
        self.attempt(OutsideService::Sqs, async {
            let url = self.queue_url(target).await?;
            let message = message(&url, body, attributes, trace_header);
            let sent = self.call(call(target, "SendMessage", "AmazonSQS.SendMessage", &message)).await;
            if sent.as_ref().is_err_and(is_of_missing_queue) {
                self.0.queue_urls.forget(queue_arn);
            }
            let (answer, asked) = sent?;
            member(&answer, "MessageId").map(|_| ()).ok_or_else(|| asked.misunderstood())
        })
        .await
    }

    /// Asks a queue something by an operation of SQS's JSON protocol; the members of the input are without `QueueUrl`. A
    /// receive may wait for as long as SQS lets it.
    ///
    /// # Errors
    /// See [`OutsideError`].
    pub async fn ask_queue(
        &self,
        queue_arn: &str,
        operation: &'static str,
        mut input: Value,
    ) -> Result<Value, OutsideError> {
        let target = Target::read(queue_arn, OutsideService::Sqs)?;
        let header = format!("AmazonSQS.{operation}");
        self.attempt_within(RECEIVE_TIMEOUT, OutsideService::Sqs, async {
            input["QueueUrl"] = self.queue_url(target).await?.into();
            let mut call = call(target, operation, "", &input);
            call.answer_bytes_max = RECEIVED_BYTES_MAX;
            if let Ok(header) = HeaderValue::from_str(&header) {
                call.request.headers_mut().insert("x-amz-target", header);
            }
            let answered = self.call(call).await;
            if answered.as_ref().is_err_and(is_of_missing_queue) {
                self.0.queue_urls.forget(queue_arn);
            }
            let (answer, asked) = answered?;
            match answer.is_empty() {
                true => Ok(json!({})),
                false => serde_json::from_slice(&answer).map_err(|_| asked.misunderstood()),
            }
        })
        .await
    }

    async fn queue_url(&self, target: Target<'_>) -> Result<String, OutsideError> {
        if let Some(url) = self.0.queue_urls.get(target.arn) {
            return Ok(url);
        }
        let question = json!({ "QueueName": target.resource, "QueueOwnerAWSAccountId": target.account });
        let (answer, asked) = self.call(call(target, "GetQueueUrl", "AmazonSQS.GetQueueUrl", &question)).await?;
        let url = member(&answer, "QueueUrl").ok_or_else(|| asked.misunderstood())?;
        self.0.queue_urls.remember(target.arn, &url);
        Ok(url)
    }
}

impl QueueUrls {
    fn get(&self, arn: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(arn).cloned()
    }

    fn remember(&self, arn: &str, url: &str) {
        let mut urls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if urls.len() >= QUEUE_URLS_MAX {
            urls.clear();
        }
        urls.insert(arn.to_owned(), url.to_owned());
    }

    fn forget(&self, arn: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(arn);
    }
}

fn call<'a>(target: Target<'a>, operation: &'static str, header: &'static str, body: &Value) -> Call<'a> {
    Call {
        service: OutsideService::Sqs,
        operation,
        target: target.arn,
        region: target.region,
        request: post_json(JSON, header, body.to_string()),
        answer_bytes_max: ANSWER_BYTES_MAX,
    }
}

fn message(url: &str, body: &str, attributes: &[MessageAttribute], trace_header: Option<&str>) -> Value {
    let value = |data_type: &str, text: &str| json!({ "DataType": data_type, "StringValue": text });
    let mut message = json!({ "QueueUrl": url, "MessageBody": body });
    if !attributes.is_empty() {
        let named = attributes.iter().map(|one| (one.name.clone(), value(one.kind.data_type(), &one.value)));
        message["MessageAttributes"] = Value::Object(Map::from_iter(named));
    }
    if let Some(trace_header) = trace_header {
        message["MessageSystemAttributes"] = json!({ "AWSTraceHeader": value("String", trace_header) });
    }
    message
}

fn member(answer: &Bytes, name: &str) -> Option<String> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    answer.get(name)?.as_str().map(str::to_owned)
}

/// In the words of the JSON protocol, or in those of the Query protocol before it, which some servers keep.
fn is_of_missing_queue(error: &OutsideError) -> bool {
    let codes = ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"];
    matches!(error, OutsideError::Refused { code, .. } if codes.contains(&code.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_only_what_it_was_given() {
        assert_eq!(message("u", "b", &[], None), json!({ "QueueUrl": "u", "MessageBody": "b" }));
        let attributes = [MessageAttribute::string("RequestID", "r"), MessageAttribute::number("ErrorCode", 200)];
        assert_eq!(
            message("u", "b", &attributes, Some("Root=1")),
            json!({
                "QueueUrl": "u",
                "MessageBody": "b",
                "MessageAttributes": {
                    "RequestID": { "DataType": "String", "StringValue": "r" },
                    "ErrorCode": { "DataType": "Number", "StringValue": "200" },
                },
                "MessageSystemAttributes": { "AWSTraceHeader": { "DataType": "String", "StringValue": "Root=1" } },
            })
        );
    }

    #[test]
    fn remembered_urls_are_bounded() {
        let urls = QueueUrls::default();
        for number in 0..=QUEUE_URLS_MAX {
            urls.remember(&number.to_string(), "url");
        }
        assert_eq!((urls.get("0"), urls.get(&QUEUE_URLS_MAX.to_string())), (None, Some("url".to_owned())));
    }
}
