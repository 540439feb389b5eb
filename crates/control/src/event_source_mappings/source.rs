//! Where the records come from: `EventSourceArn` or `SelfManagedEventSource`, and `StartingPosition`.

use tindra_core::event_source_mapping::{ConsumptionMode, EventSource, SourceKind, StartingPosition};
use tindra_model::lambda::event_source_mappings::CreateEventSourceMappingRequest;

use super::members::required;
use crate::error::ControlError;

/// The key of `SelfManagedEventSource.Endpoints`; the model has no other.
pub(super) const BOOTSTRAP_SERVERS: &str = "KAFKA_BOOTSTRAP_SERVERS";

/// The kind of source that a request names.
pub(super) fn kind(request: &CreateEventSourceMappingRequest) -> Result<SourceKind, ControlError> {
    let unrecognized = || ControlError::invalid("Unrecognized event source.");
    match (request.event_source_arn.as_deref(), &request.self_managed_event_source) {
        (Some(_), Some(_)) => {
            Err(ControlError::invalid("EventSourceArn and SelfManagedEventSource cannot be specified together."))
        }
        (Some(arn), None) => SourceKind::of_arn(arn).ok_or_else(unrecognized),
        (None, Some(_)) => Ok(SourceKind::SelfManagedKafka),
        (None, None) => Err(unrecognized()),
    }
}

/// The source with all that never changes.
pub(super) fn read(kind: SourceKind, request: &CreateEventSourceMappingRequest) -> Result<EventSource, ControlError> {
    let endpoints = request.self_managed_event_source.as_ref().and_then(|source| source.endpoints.as_ref());
    let source = EventSource {
        kind,
        arn: request.event_source_arn.clone(),
        bootstrap_servers: endpoints
            .and_then(|endpoints| endpoints.get(BOOTSTRAP_SERVERS))
            .cloned()
            .unwrap_or_default(),
        topics: request.topics.clone().unwrap_or_default(),
        queues: request.queues.clone().unwrap_or_default(),
        starting_position: position(kind, request)?,
    };
    match kind {
        SourceKind::SelfManagedKafka if source.bootstrap_servers.is_empty() => {
            Err(required("selfManagedEventSource.endpoints"))
        }
        SourceKind::Msk | SourceKind::SelfManagedKafka if source.topics.is_empty() => Err(required("topics")),
        SourceKind::Mq if source.queues.is_empty() => Err(required("queues")),
        _ => Ok(source),
    }
}

fn position(
    kind: SourceKind,
    request: &CreateEventSourceMappingRequest,
) -> Result<Option<StartingPosition>, ControlError> {
    let takes_position = kind.is_stream() || kind.is_kafka() || kind == SourceKind::DocumentDb;
    let (position, timestamp) = (request.starting_position.as_deref(), request.starting_position_timestamp);
    if is_share_group(request) {
        return Err(ControlError::invalid(
            "ConsumptionMode Queue is not supported: topics are read by consumer groups, not by share groups; leave ConsumptionMode out.",
        ));
    }
    if timestamp.is_some() && position != Some("AT_TIMESTAMP") && position.is_some() {
        return Err(ControlError::invalid("Timestamp only valid with StartingPosition AT_TIMESTAMP"));
    }
    match position {
        None if takes_position => Err(required("startingPosition")),
        None => Ok(None),
        Some("AT_TIMESTAMP") if kind == SourceKind::DynamoDb => Err(ControlError::Invalid(format!(
            "Unsupported starting position for arn type: {}",
            request.event_source_arn.as_deref().unwrap_or_default()
        ))),
        Some("AT_TIMESTAMP") => at_timestamp(timestamp).map(Some),
        Some("LATEST") => Ok(Some(StartingPosition::Latest)),
        Some(_) => Ok(Some(StartingPosition::TrimHorizon)),
    }
}

fn is_share_group(request: &CreateEventSourceMappingRequest) -> bool {
    let config = request.self_managed_kafka_event_source_config.as_ref();
    let mode = config.and_then(|config| config.consumption_mode.as_deref());
    mode.is_some_and(|mode| consumption_mode(mode) == ConsumptionMode::Queue)
}

/// `ConsumptionMode` of a request.
pub(super) fn consumption_mode(text: &str) -> ConsumptionMode {
    if text == "Queue" { ConsumptionMode::Queue } else { ConsumptionMode::Stream }
}

fn at_timestamp(timestamp: Option<f64>) -> Result<StartingPosition, ControlError> {
    let timestamp = timestamp.ok_or_else(|| required("startingPositionTimestamp"))?;
    if !(0.0..=253_402_300_799.0).contains(&timestamp) {
        return Err(ControlError::invalid(
            "Received Exception while reading from provided stream. class java.lang.Long can not be converted to a Timestamp",
        ));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a time of four-digit years"
    )]
    let unix_ms = (timestamp * 1000.0).round() as u64;
    Ok(StartingPosition::AtTimestamp(unix_ms))
}
