//! Which members a request may have for which kind of source.

use serde_json::Value;
use tindra_core::event_source_mapping::SourceKind;

use crate::error::ControlError;
use crate::unsupported::is_empty;

type Fits = fn(SourceKind) -> bool;

fn is_retrying(kind: SourceKind) -> bool {
    kind.is_stream() || kind.is_kafka()
}

fn has_position(kind: SourceKind) -> bool {
    is_retrying(kind) || kind == SourceKind::DocumentDb
}

fn has_access(kind: SourceKind) -> bool {
    kind.is_kafka() || matches!(kind, SourceKind::Mq | SourceKind::DocumentDb)
}

/// Members that not every kind has (AWS: the parameters of each event source).
const RULES: [(&str, Fits); 19] = [
    ("ScalingConfig", SourceKind::is_sqs),
    ("ProvisionedPollerConfig", |kind| kind.is_sqs() || kind.is_kafka()),
    ("FunctionResponseTypes", |kind| kind.is_sqs() || is_retrying(kind)),
    ("ParallelizationFactor", SourceKind::is_stream),
    ("TumblingWindowInSeconds", SourceKind::is_stream),
    ("DestinationConfig", is_retrying),
    ("MaximumRecordAgeInSeconds", is_retrying),
    ("MaximumRetryAttempts", is_retrying),
    ("BisectBatchOnFunctionError", is_retrying),
    ("StartingPosition", has_position),
    ("StartingPositionTimestamp", has_position),
    ("Topics", SourceKind::is_kafka),
    ("Queues", |kind| kind == SourceKind::Mq),
    ("SourceAccessConfigurations", has_access),
    ("SelfManagedEventSource", |kind| kind == SourceKind::SelfManagedKafka),
    ("AmazonManagedKafkaEventSourceConfig", |kind| kind == SourceKind::Msk),
    ("SelfManagedKafkaEventSourceConfig", |kind| kind == SourceKind::SelfManagedKafka),
    ("DocumentDBEventSourceConfig", |kind| kind == SourceKind::DocumentDb),
    ("LoggingConfig", SourceKind::is_kafka),
];

/// Whether a kind has a member.
pub(super) fn has(kind: SourceKind, member: &str) -> bool {
    RULES.iter().all(|(name, fits)| *name != member || fits(kind))
}

/// Refuses a request with a member that its kind of source does not have.
pub(super) fn check(kind: SourceKind, input: &Value) -> Result<(), ControlError> {
    let is_given = |name: &str| input.get(name).is_some_and(|value| !is_empty(value));
    match RULES.iter().find(|(name, fits)| is_given(name) && !fits(kind)) {
        Some((name, _)) => Err(not_valid(kind, name)),
        None => Ok(()),
    }
}

/// AWS's sentence about a member that a kind of source does not have.
pub(super) fn not_valid(kind: SourceKind, member: &str) -> ControlError {
    // It makes no difference between the two kinds of queue.
    let kind = if kind.is_sqs() { SourceKind::Sqs } else { kind };
    ControlError::Invalid(format!("{member} is not valid for {} event sources.", kind.as_str()))
}

/// AWS's sentence about a member that a kind of source must have.
pub(super) fn required(member: &str) -> ControlError {
    ControlError::Invalid(format!(
        "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null."
    ))
}
