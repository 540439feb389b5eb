//! The target of a schedule as it is asked for, stored and shown, and what it must be.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::calls::UniversalCall;
use super::error::SchedulerError;
use crate::kinesis::stream_of_arn;

/// What the ARNs of universal targets begin with.
const UNIVERSAL: &str = "arn:aws:scheduler:::aws-sdk:";

/// `Target`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Target {
    pub(super) arn: String,
    pub(super) role_arn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) dead_letter_config: Option<DeadLetterConfig>,
    #[serde(default)]
    pub(super) retry_policy: RetryPolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) event_bridge_parameters: Option<EventBridgeParameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sqs_parameters: Option<SqsParameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kinesis_parameters: Option<KinesisParameters>,
    /// What is for targets that are not served.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// `DeadLetterConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeadLetterConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) arn: Option<String>,
}

/// `RetryPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct RetryPolicy {
    pub(super) maximum_event_age_in_seconds: u64,
    pub(super) maximum_retry_attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { maximum_event_age_in_seconds: 86_400, maximum_retry_attempts: 185 }
    }
}

/// `EventBridgeParameters`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EventBridgeParameters {
    pub(super) detail_type: String,
    pub(super) source: String,
}

/// `SqsParameters`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SqsParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) message_group_id: Option<String>,
}

/// `KinesisParameters`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct KinesisParameters {
    pub(super) partition_key: String,
}

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Function,
    Queue,
    Topic,
    Bus,
    Stream,
    /// An operation of another service, whose parameters are the input.
    Universal(UniversalCall),
}

impl Sort {
    /// What an ARN names.
    pub(super) fn of(arn: &str) -> Result<Self, SchedulerError> {
        if let Some(operation) = arn.strip_prefix(UNIVERSAL) {
            return UniversalCall::of(operation).map(Self::Universal);
        }
        let fields: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, service, _, _, resource] = fields[..] else {
            return Err(SchedulerError::invalid(format!("Provided Arn is not in correct format: {arn}")));
        };
        match service {
            "lambda" if resource.starts_with("function:") => Ok(Self::Function),
            "sqs" => Ok(Self::Queue),
            "sns" => Ok(Self::Topic),
            "events" if resource.starts_with("event-bus/") => Ok(Self::Bus),
            "kinesis" if stream_of_arn(arn).is_some() => Ok(Self::Stream),
            _ => Err(SchedulerError::invalid(format!(
                "tindra does not support targets of {service}: {arn}. A target is a Lambda function, an SQS queue, an SNS topic, an event bus, a Kinesis stream, or {UNIVERSAL} with lambda:invoke, sqs:sendMessage or sns:publish."
            ))),
        }
    }
}

impl Target {
    pub(super) fn check(&self) -> Result<(), SchedulerError> {
        let invalid = SchedulerError::invalid;
        if let Some(member) = self.others.keys().next() {
            return Err(invalid(format!("tindra does not support {member} of targets; leave it out.")));
        }
        let sort = Sort::of(&self.arn)?;
        let applies = |member: &str, wanted: Sort, is_given: bool| match is_given && sort != wanted {
            true => Err(invalid(format!("{member} is not for target {}.", self.arn))),
            false => Ok(()),
        };
        applies("SqsParameters", Sort::Queue, self.sqs_parameters.is_some())?;
        applies("KinesisParameters", Sort::Stream, self.kinesis_parameters.is_some())?;
        applies("EventBridgeParameters", Sort::Bus, self.event_bridge_parameters.is_some())?;
        match sort {
            Sort::Function => {
                let is_json = |input: &String| serde_json::from_str::<serde::de::IgnoredAny>(input).is_ok();
                if !self.input.as_ref().is_none_or(is_json) {
                    return Err(invalid("The Input of a Lambda function must be JSON.".to_owned()));
                }
            }
            Sort::Queue => {
                let group = self.sqs_parameters.as_ref().and_then(|parameters| parameters.message_group_id.as_ref());
                if self.arn.ends_with(".fifo") && group.is_none() {
                    return Err(invalid("SqsParameters must give MessageGroupId for a FIFO queue.".to_owned()));
                }
            }
            Sort::Topic => {}
            Sort::Stream => {
                if self.kinesis_parameters.is_none() {
                    return Err(invalid("KinesisParameters must be given for a Kinesis stream.".to_owned()));
                }
            }
            Sort::Bus => {
                if self.event_bridge_parameters.is_none() {
                    return Err(invalid("EventBridgeParameters must be given for an event bus.".to_owned()));
                }
                let detail = self.input.as_ref().map(|input| serde_json::from_str::<Value>(input));
                if !detail.is_none_or(|detail| detail.is_ok_and(|detail| detail.is_object())) {
                    return Err(invalid(
                        "The Input of an event bus must be a JSON object, the event's detail.".to_owned(),
                    ));
                }
            }
            Sort::Universal(call) => call.check(self.input.as_deref())?,
        }
        let queue = self.dead_letter_config.as_ref().and_then(|config| config.arn.as_deref());
        match queue {
            Some(queue) if !matches!(Sort::of(queue), Ok(Sort::Queue)) || queue.ends_with(".fifo") => {
                Err(invalid(format!("DeadLetterConfig must name a standard SQS queue, not {queue}.")))
            }
            _ => Ok(()),
        }
    }
}
