//! A mapping as the API shows it (`EventSourceMappingConfiguration`).

use std::collections::BTreeMap;

use tindra_core::event_source_mapping::{
    ConsumptionMode, EventSourceMapping, Kafka, MappingSettings, MappingState, ProcessingResult, SchemaRegistry,
    SourceAccess, SourceKind, StartingPosition,
};
use tindra_model::lambda::event_invoke_config::{DestinationConfig, OnFailure};
use tindra_model::lambda::event_source_mappings::{
    AmazonManagedKafkaEventSourceConfig, DocumentDBEventSourceConfig, EventSourceMappingConfiguration,
    EventSourceMappingLoggingConfig, EventSourceMappingMetricsConfig, Filter, FilterCriteria,
    KafkaSchemaRegistryAccessConfig, KafkaSchemaRegistryConfig, KafkaSchemaValidationConfig, ProvisionedPollerConfig,
    ScalingConfig, SelfManagedEventSource, SelfManagedKafkaEventSourceConfig, SourceAccessConfiguration,
};

use super::members::has;
use super::source::BOOTSTRAP_SERVERS;
use crate::shape::{epoch_s, small};

/// What `LastProcessingResult` tells of a mapping that is enabled and whose source is of a kind that nobody polls here.
const NOT_POLLED: &str = "PROBLEM: this server does not poll sources of this kind yet; no records are processed.";
/// Before the first batch.
const NOTHING_YET: &str = "No records processed";

/// The members of `EventSourceMappingConfiguration`, of which each kind of source has its own.
/// `last` is what the last batch came to.
pub(super) fn configuration(
    mapping: &EventSourceMapping,
    last: Option<ProcessingResult>,
) -> EventSourceMappingConfiguration {
    let (source, kind) = (&mapping.source, mapping.source.kind);
    let is_polled = kind.is_sqs() || kind.is_stream();
    let result = match last {
        Some(last) => last.text,
        None if mapping.state == MappingState::Enabled && !is_polled => NOT_POLLED.to_owned(),
        None => NOTHING_YET.to_owned(),
    };
    let reason = if kind.is_stream() { "User action" } else { "USER_INITIATED" };
    let list = |items: &[String]| (!items.is_empty()).then(|| items.to_vec());
    EventSourceMappingConfiguration {
        uuid: Some(mapping.uuid.to_string()),
        event_source_mapping_arn: Some(mapping.arn()),
        event_source_arn: source.arn.clone(),
        function_arn: Some(mapping.function_arn()),
        last_modified: Some(epoch_s(mapping.last_modified_ms)),
        last_processing_result: Some(result),
        state: Some(mapping.state.as_str().to_owned()),
        state_transition_reason: Some(reason.to_owned()),
        starting_position: source.starting_position.map(|position| position.as_str().to_owned()),
        starting_position_timestamp: source.starting_position.and_then(timestamp),
        topics: list(&source.topics),
        queues: list(&source.queues),
        self_managed_event_source: self_managed(&source.bootstrap_servers),
        ..settings(kind, &mapping.settings)
    }
}

fn settings(kind: SourceKind, settings: &MappingSettings) -> EventSourceMappingConfiguration {
    let response_types =
        if settings.reports_item_failures { vec!["ReportBatchItemFailures".to_owned()] } else { Vec::new() };
    let (managed, own) = kafka(kind, settings.kafka.as_ref());
    let only = |member: &str| has(kind, member);
    EventSourceMappingConfiguration {
        batch_size: Some(small(settings.batch_size)),
        maximum_batching_window_in_seconds: settings.batching_window_s.map(small),
        parallelization_factor: only("ParallelizationFactor").then(|| small(settings.parallelization_factor)),
        filter_criteria: filter_criteria(&settings.filters),
        metrics_config: (!settings.metrics.is_empty())
            .then(|| EventSourceMappingMetricsConfig { metrics: Some(settings.metrics.clone()) }),
        logging_config: settings
            .system_log_level
            .clone()
            .map(|level| EventSourceMappingLoggingConfig { system_log_level: Some(level) }),
        scaling_config: settings
            .maximum_concurrency
            .map(|maximum| ScalingConfig { maximum_concurrency: Some(small(maximum)) }),
        destination_config: only("DestinationConfig").then(|| DestinationConfig {
            on_success: None,
            on_failure: Some(OnFailure { destination: settings.on_failure.clone() }),
        }),
        source_access_configurations: access(&settings.source_access),
        maximum_record_age_in_seconds: only("MaximumRecordAgeInSeconds")
            .then(|| settings.maximum_record_age_s.map_or(-1, small)),
        bisect_batch_on_function_error: only("BisectBatchOnFunctionError").then_some(settings.bisect_on_error),
        maximum_retry_attempts: only("MaximumRetryAttempts").then(|| settings.maximum_retry_attempts.map_or(-1, small)),
        tumbling_window_in_seconds: only("TumblingWindowInSeconds").then(|| small(settings.tumbling_window_s)),
        function_response_types: only("FunctionResponseTypes").then_some(response_types),
        amazon_managed_kafka_event_source_config: managed,
        self_managed_kafka_event_source_config: own,
        document_db_event_source_config: settings.document_db.as_ref().map(|config| DocumentDBEventSourceConfig {
            database_name: Some(config.database.clone()),
            collection_name: config.collection.clone(),
            full_document: Some(if config.looks_up_updates { "UpdateLookup" } else { "Default" }.to_owned()),
        }),
        provisioned_poller_config: settings.provisioned_pollers.as_ref().map(|pollers| ProvisionedPollerConfig {
            minimum_pollers: Some(small(pollers.minimum)),
            maximum_pollers: Some(small(pollers.maximum)),
            poller_group_name: pollers.group.clone(),
        }),
        ..EventSourceMappingConfiguration::default()
    }
}

fn timestamp(position: StartingPosition) -> Option<f64> {
    match position {
        StartingPosition::AtTimestamp(unix_ms) => Some(epoch_s(unix_ms)),
        StartingPosition::TrimHorizon | StartingPosition::Latest => None,
    }
}

fn self_managed(servers: &[String]) -> Option<SelfManagedEventSource> {
    (!servers.is_empty()).then(|| SelfManagedEventSource {
        endpoints: Some(BTreeMap::from([(BOOTSTRAP_SERVERS.to_owned(), servers.to_vec())])),
    })
}

fn filter_criteria(patterns: &[String]) -> Option<FilterCriteria> {
    let filters = patterns.iter().map(|pattern| Filter { pattern: Some(pattern.clone()) });
    (!patterns.is_empty()).then(|| FilterCriteria { filters: Some(filters.collect()) })
}

fn access(access: &[SourceAccess]) -> Option<Vec<SourceAccessConfiguration>> {
    let one =
        |one: &SourceAccess| SourceAccessConfiguration { r#type: Some(one.kind.clone()), uri: Some(one.uri.clone()) };
    (!access.is_empty()).then(|| access.iter().map(one).collect())
}

fn kafka(
    kind: SourceKind,
    kafka: Option<&Kafka>,
) -> (Option<AmazonManagedKafkaEventSourceConfig>, Option<SelfManagedKafkaEventSourceConfig>) {
    let Some(kafka) = kafka else { return (None, None) };
    let consumer_group_id = Some(kafka.consumer_group_id.clone());
    let schema_registry_config = kafka.schema_registry.as_ref().map(registry);
    if kind == SourceKind::Msk {
        return (Some(AmazonManagedKafkaEventSourceConfig { consumer_group_id, schema_registry_config }), None);
    }
    let consumption_mode = (kafka.mode == ConsumptionMode::Queue).then(|| "Queue".to_owned());
    let own = SelfManagedKafkaEventSourceConfig { consumer_group_id, schema_registry_config, consumption_mode };
    (None, Some(own))
}

fn registry(registry: &SchemaRegistry) -> KafkaSchemaRegistryConfig {
    let access = registry
        .access
        .iter()
        .map(|one| KafkaSchemaRegistryAccessConfig { r#type: Some(one.kind.clone()), uri: Some(one.uri.clone()) });
    let validated =
        registry.validated.iter().map(|attribute| KafkaSchemaValidationConfig { attribute: Some(attribute.clone()) });
    KafkaSchemaRegistryConfig {
        schema_registry_uri: Some(registry.uri.clone()),
        event_record_format: Some(registry.record_format.clone()),
        access_configs: Some(access.collect()),
        schema_validation_configs: Some(validated.collect()),
    }
}
