//! Universal targets: an operation of another service, whose parameters are the target's input.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use tindra_core::function::Scope;
use tindra_core::push::{Attribute, Content, QueueMessage, TopicMessage};

use super::error::SchedulerError;

/// An operation that can be a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UniversalCall {
    Invoke,
    SendMessage,
    Publish,
}

/// What is pushed for a call.
#[derive(Debug, PartialEq)]
pub(super) struct Called {
    pub(super) target_arn: String,
    pub(super) content: Content,
    pub(super) body: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Invoke {
    function_name: String,
    qualifier: Option<String>,
    /// Nobody waits for the answer, whatever is asked for.
    #[serde(default)]
    invocation_type: InvocationType,
    payload: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
enum InvocationType {
    #[default]
    RequestResponse,
    Event,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendMessage {
    queue_url: String,
    message_body: String,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
    #[serde(default)]
    message_attributes: BTreeMap<String, AttributeValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Publish {
    topic_arn: String,
    message: String,
    subject: Option<String>,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
    #[serde(default)]
    message_attributes: BTreeMap<String, AttributeValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct AttributeValue {
    data_type: String,
    string_value: Option<String>,
    binary_value: Option<String>,
}

impl UniversalCall {
    pub(super) fn of(operation: &str) -> Result<Self, SchedulerError> {
        match operation {
            "lambda:invoke" => Ok(Self::Invoke),
            "sqs:sendMessage" => Ok(Self::SendMessage),
            "sns:publish" => Ok(Self::Publish),
            _ => Err(SchedulerError::invalid(format!(
                "tindra does not support the universal target {operation}; lambda:invoke, sqs:sendMessage and sns:publish are."
            ))),
        }
    }

    pub(super) fn check(self, input: Option<&str>) -> Result<(), SchedulerError> {
        // Any account and region: only the form counts.
        let scope = Scope { account: "000000000000".to_owned(), region: "us-east-1".to_owned() };
        let read = self.read(input.unwrap_or("{}"), &scope).map(drop);
        read.map_err(|why| SchedulerError::invalid(format!("The Input is not what the target wants: {why}")))
    }

    /// What an input asks for.
    pub(super) fn read(self, input: &str, scope: &Scope) -> Result<Called, String> {
        match self {
            Self::Invoke => {
                let Invoke { function_name, qualifier, invocation_type, payload } = parse(input)?;
                match invocation_type {
                    InvocationType::RequestResponse | InvocationType::Event => {}
                }
                let Scope { account, region } = scope;
                let mut target_arn = match function_name.starts_with("arn:") {
                    true => function_name,
                    false => format!("arn:aws:lambda:{region}:{account}:function:{function_name}"),
                };
                if let Some(qualifier) = qualifier {
                    target_arn = format!("{target_arn}:{qualifier}");
                }
                let body = match payload {
                    None => "{}".to_owned(),
                    Some(Value::String(text)) => text,
                    Some(other) => other.to_string(),
                };
                Ok(Called { target_arn, content: Content::Function, body })
            }
            Self::SendMessage => {
                let asked: SendMessage = parse(input)?;
                let message = QueueMessage {
                    attributes: attributes(asked.message_attributes)?,
                    group_id: asked.message_group_id,
                    deduplication_id: asked.message_deduplication_id,
                };
                let target_arn = queue_arn(&asked.queue_url, scope)?;
                Ok(Called { target_arn, content: Content::Queue(message), body: asked.message_body })
            }
            Self::Publish => {
                let asked: Publish = parse(input)?;
                let message = QueueMessage {
                    attributes: attributes(asked.message_attributes)?,
                    group_id: asked.message_group_id,
                    deduplication_id: asked.message_deduplication_id,
                };
                let content = Content::Topic(TopicMessage { subject: asked.subject, message });
                Ok(Called { target_arn: asked.topic_arn, content, body: asked.message })
            }
        }
    }
}

fn parse<T: DeserializeOwned>(input: &str) -> Result<T, String> {
    serde_json::from_str(input).map_err(|error| error.to_string())
}

/// The queue of a URL, whose last two parts are the account and the name.
fn queue_arn(url: &str, scope: &Scope) -> Result<String, String> {
    let mut parts = url.rsplit('/');
    match (parts.next(), parts.next()) {
        (Some(name), Some(account)) if !name.is_empty() && account.len() == 12 => {
            Ok(format!("arn:aws:sqs:{}:{account}:{name}", scope.region))
        }
        _ => Err(format!("{url} is no URL of a queue")),
    }
}

fn attributes(all: BTreeMap<String, AttributeValue>) -> Result<Vec<Attribute>, String> {
    let one = |(name, AttributeValue { data_type, string_value, binary_value })| match string_value.or(binary_value) {
        Some(value) => Ok(Attribute { name, data_type, value }),
        None => Err(format!("the message attribute {name} has no value")),
    };
    all.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_read_as_the_operations_have_them() {
        let scope = Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() };
        let input = r#"{"FunctionName": "f", "InvocationType": "Event", "Payload": "{\"a\": 1}"}"#;
        let called = UniversalCall::Invoke.read(input, &scope).unwrap();
        assert_eq!(
            (called.target_arn.as_str(), called.body.as_str()),
            ("arn:aws:lambda:eu-west-1:123456789012:function:f", "{\"a\": 1}")
        );
        let input = r#"{"QueueUrl": "http://127.0.0.1:9000/123456789012/q", "MessageBody": "hello"}"#;
        let called = UniversalCall::SendMessage.read(input, &scope).unwrap();
        assert_eq!(called.target_arn, "arn:aws:sqs:eu-west-1:123456789012:q");
        for (call, input) in [
            (UniversalCall::Invoke, r#"{"Payload": "{}"}"#),
            (UniversalCall::Invoke, r#"{"FunctionName": "f", "LogType": "Tail"}"#),
            (UniversalCall::SendMessage, r#"{"QueueUrl": "q", "MessageBody": "hello"}"#),
            (UniversalCall::Publish, r#"{"Message": "hello"}"#),
        ] {
            assert!(call.check(Some(input)).is_err(), "{input}");
        }
    }
}
