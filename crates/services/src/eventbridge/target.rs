//! A target of a rule as it is asked for, stored and listed, and what it must be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::EventsError;
use super::input::{Path, Template};
use super::names::{BusName, Kind};
use crate::kinesis::stream_of_arn;

/// Variables of an input transformer (AWS).
const VARIABLES_MAX: usize = 100;
/// Retries after the first attempt (AWS).
const RETRIES_MAX: u32 = 185;
/// How old an event may become while it is tried (AWS).
const AGE_S: std::ops::RangeInclusive<u64> = 60..=86_400;

/// A target of a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Target {
    pub(super) id: String,
    pub(super) arn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) role_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) input_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) input_transformer: Option<InputTransformer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sqs_parameters: Option<SqsParameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kinesis_parameters: Option<KinesisParameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) http_parameters: Option<HttpParameters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) dead_letter_config: Option<DeadLetterConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retry_policy: Option<RetryPolicy>,
    /// What is for targets that are not served.
    #[serde(flatten)]
    pub(super) others: Map<String, Value>,
}

/// `InputTransformer`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InputTransformer {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) input_paths_map: BTreeMap<String, String>,
    pub(super) input_template: String,
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
    pub(super) partition_key_path: String,
}

/// `HttpParameters`. Values that begin with `$.` are read out of the event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HttpParameters {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) path_parameter_values: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) header_parameters: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) query_string_parameters: BTreeMap<String, String>,
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
#[serde(rename_all = "PascalCase")]
pub(super) struct RetryPolicy {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) maximum_retry_attempts: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) maximum_event_age_in_seconds: Option<u64>,
}

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Function,
    Queue,
    Topic,
    Bus,
    Stream,
    ApiDestination,
}

impl Sort {
    /// What an ARN names.
    pub(super) fn of(arn: &str) -> Result<Self, EventsError> {
        let fields: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, service, _, _, resource] = fields[..] else {
            return Err(EventsError::invalid(format!("Provided Arn is not in correct format: {arn}")));
        };
        match service {
            "lambda" if resource.starts_with("function:") => Ok(Self::Function),
            "sqs" => Ok(Self::Queue),
            "sns" => Ok(Self::Topic),
            "kinesis" if stream_of_arn(arn).is_some() => Ok(Self::Stream),
            "events" if BusName::parse_arn(arn).is_some() => Ok(Self::Bus),
            "events" if Kind::ApiDestination.parse_arn(arn).is_some() => Ok(Self::ApiDestination),
            _ => Err(EventsError::invalid(format!(
                "tindra does not support targets of {service}: {arn}. A target is a Lambda function, an SQS queue, an SNS topic, an event bus, a Kinesis stream or an API destination."
            ))),
        }
    }
}

impl Target {
    pub(super) fn check(&self) -> Result<(), EventsError> {
        let id = &self.id;
        if let Some(member) = self.others.keys().next() {
            return Err(EventsError::invalid(format!(
                "tindra does not support {member} of target {id}; leave it out."
            )));
        }
        let sort = Sort::of(&self.arn)?;
        self.check_input(sort)?;
        let applies = |member: &str, wanted: Sort, is_given: bool| match is_given && sort != wanted {
            true => Err(EventsError::invalid(format!("{member} of target {id} is not for {}.", self.arn))),
            false => Ok(()),
        };
        applies("SqsParameters", Sort::Queue, self.sqs_parameters.is_some())?;
        applies("KinesisParameters", Sort::Stream, self.kinesis_parameters.is_some())?;
        applies("HttpParameters", Sort::ApiDestination, self.http_parameters.is_some())?;
        if matches!(sort, Sort::ApiDestination | Sort::Stream) && self.role_arn.is_none() {
            return Err(EventsError::invalid(format!("RoleArn is required for target {}.", self.arn)));
        }
        if sort == Sort::Queue && self.arn.ends_with(".fifo") {
            let group = self.sqs_parameters.as_ref().and_then(|parameters| parameters.message_group_id.as_ref());
            if group.is_none() {
                return Err(EventsError::invalid(format!(
                    "Parameter(s) SqsParameters must be specified for target: {id}."
                )));
            }
        }
        self.check_patience()?;
        self.http_parameters.as_ref().map_or(Ok(()), HttpParameters::check)
    }

    fn check_input(&self, sort: Sort) -> Result<(), EventsError> {
        let id = &self.id;
        let given =
            [self.input.is_some(), self.input_path.is_some(), self.input_transformer.is_some()].map(usize::from);
        if given.iter().sum::<usize>() > 1 {
            return Err(EventsError::invalid(format!(
                "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
            )));
        }
        if sort == Sort::Bus && given.contains(&1) {
            return Err(EventsError::invalid(format!(
                "Input, InputPath and InputTransformer are not for target {id}, an event bus: it gets the event itself."
            )));
        }
        if let Some(input) = &self.input
            && serde_json::from_str::<serde::de::IgnoredAny>(input).is_err()
        {
            return Err(EventsError::invalid(format!("JSON syntax error in input for target {id}.")));
        }
        let path = |path: &str| Path::parse(path).map(drop).ok_or_else(|| invalid_path(path, id));
        if let Some(input_path) = &self.input_path {
            path(input_path)?;
        }
        if let Some(KinesisParameters { partition_key_path }) = &self.kinesis_parameters {
            path(partition_key_path)?;
        }
        let Some(transformer) = &self.input_transformer else { return Ok(()) };
        if transformer.input_paths_map.len() > VARIABLES_MAX {
            return Err(EventsError::invalid(format!(
                "InputPathsMap of target {id} may have at most {VARIABLES_MAX} variables."
            )));
        }
        for (name, variable) in &transformer.input_paths_map {
            if name.starts_with("aws.") {
                return Err(EventsError::invalid(format!(
                    "InputPathsMap of target {id} must not define {name}: names that begin with aws. are reserved."
                )));
            }
            path(variable)?;
        }
        Template::check(&transformer.input_template, &transformer.input_paths_map)
            .map_err(|why| EventsError::invalid(format!("Invalid InputTemplate for target {id} : {why}")))
    }

    fn check_patience(&self) -> Result<(), EventsError> {
        if let Some(RetryPolicy { maximum_retry_attempts, maximum_event_age_in_seconds }) = self.retry_policy {
            if maximum_retry_attempts.is_some_and(|retries| retries > RETRIES_MAX) {
                return Err(EventsError::invalid(format!("MaximumRetryAttempts must be between 0 and {RETRIES_MAX}.")));
            }
            if maximum_event_age_in_seconds.is_some_and(|age_s| !AGE_S.contains(&age_s)) {
                return Err(EventsError::invalid("MaximumEventAgeInSeconds must be between 60 and 86400."));
            }
        }
        let queue = self.dead_letter_config.as_ref().and_then(|config| config.arn.as_deref());
        match queue {
            Some(queue) if !matches!(Sort::of(queue), Ok(Sort::Queue)) || queue.ends_with(".fifo") => {
                Err(EventsError::invalid(format!(
                    "DeadLetterConfig of target {} must name a standard SQS queue, not {queue}.",
                    self.id
                )))
            }
            _ => Ok(()),
        }
    }
}

impl HttpParameters {
    fn check(&self) -> Result<(), EventsError> {
        let values = self.path_parameter_values.iter();
        let values = values.chain(self.header_parameters.values()).chain(self.query_string_parameters.values());
        for value in values.filter(|value| value.starts_with("$.")) {
            Path::parse(value).ok_or_else(|| EventsError::invalid(format!("{value} is no JSON path.")))?;
        }
        for (name, value) in &self.header_parameters {
            let is_header = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
            if !is_header || http::HeaderValue::from_str(value).is_err() {
                return Err(EventsError::invalid(format!("{name} is no header that can be sent.")));
            }
        }
        Ok(())
    }
}

fn invalid_path(path: &str, id: &str) -> EventsError {
    EventsError::invalid(format!(
        "Invalid JSON path {path} for target {id}: a path is $ and then .name, [index], [*] or .* as often as needed."
    ))
}
