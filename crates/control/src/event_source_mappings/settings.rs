//! The settings that CreateEventSourceMapping and UpdateEventSourceMapping share: merged into what was before,
//! and checked against each other. A member that is absent changes nothing.

mod kafka;
mod pollers;

use tindra_core::event_source_mapping::{DocumentDbCollection, MappingSettings, SourceAccess, SourceKind};
use tindra_model::lambda::event_invoke_config::DestinationConfig;
use tindra_model::lambda::event_source_mappings::{
    AmazonManagedKafkaEventSourceConfig, CreateEventSourceMappingRequest, DocumentDBEventSourceConfig,
    EventSourceMappingLoggingConfig, EventSourceMappingMetricsConfig, FilterCriteria, ProvisionedPollerConfig,
    ScalingConfig, SelfManagedKafkaEventSourceConfig, SourceAccessConfiguration, UpdateEventSourceMappingRequest,
};

use super::{filters, members};
use crate::destinations::{DestinationKind, Destinations};
use crate::error::ControlError;

/// Youngest age that `MaximumRecordAgeInSeconds` can be set to (AWS; -1 is without end).
const RECORD_AGE_S_MIN: u32 = 60;
/// Messages of one batch that need no window (AWS), and the most of a FIFO queue (AWS).
const SMALL_BATCH_MAX: u32 = 10;

/// The members as they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    batch_size: Option<i32>,
    filter_criteria: Option<FilterCriteria>,
    kms_key_arn: Option<String>,
    metrics_config: Option<EventSourceMappingMetricsConfig>,
    logging_config: Option<EventSourceMappingLoggingConfig>,
    scaling_config: Option<ScalingConfig>,
    maximum_batching_window_in_seconds: Option<i32>,
    parallelization_factor: Option<i32>,
    destination_config: Option<DestinationConfig>,
    maximum_record_age_in_seconds: Option<i32>,
    bisect_batch_on_function_error: Option<bool>,
    maximum_retry_attempts: Option<i32>,
    tumbling_window_in_seconds: Option<i32>,
    source_access_configurations: Option<Vec<SourceAccessConfiguration>>,
    function_response_types: Option<Vec<String>>,
    amazon_managed_kafka_event_source_config: Option<AmazonManagedKafkaEventSourceConfig>,
    self_managed_kafka_event_source_config: Option<SelfManagedKafkaEventSourceConfig>,
    document_db_event_source_config: Option<DocumentDBEventSourceConfig>,
    provisioned_poller_config: Option<ProvisionedPollerConfig>,
}

macro_rules! settings {
    ($request:expr) => {
        Self {
            batch_size: $request.batch_size,
            filter_criteria: $request.filter_criteria,
            kms_key_arn: $request.kms_key_arn,
            metrics_config: $request.metrics_config,
            logging_config: $request.logging_config,
            scaling_config: $request.scaling_config,
            maximum_batching_window_in_seconds: $request.maximum_batching_window_in_seconds,
            parallelization_factor: $request.parallelization_factor,
            destination_config: $request.destination_config,
            maximum_record_age_in_seconds: $request.maximum_record_age_in_seconds,
            bisect_batch_on_function_error: $request.bisect_batch_on_function_error,
            maximum_retry_attempts: $request.maximum_retry_attempts,
            tumbling_window_in_seconds: $request.tumbling_window_in_seconds,
            source_access_configurations: $request.source_access_configurations,
            function_response_types: $request.function_response_types,
            amazon_managed_kafka_event_source_config: $request.amazon_managed_kafka_event_source_config,
            self_managed_kafka_event_source_config: $request.self_managed_kafka_event_source_config,
            document_db_event_source_config: $request.document_db_event_source_config,
            provisioned_poller_config: $request.provisioned_poller_config,
        }
    };
}

impl From<CreateEventSourceMappingRequest> for Settings {
    fn from(request: CreateEventSourceMappingRequest) -> Self {
        settings!(request)
    }
}

impl From<UpdateEventSourceMappingRequest> for Settings {
    fn from(request: UpdateEventSourceMappingRequest) -> Self {
        settings!(request)
    }
}

impl Settings {
    /// Sets what a new mapping has and no later change can set.
    pub(super) fn create(self, kind: SourceKind, settings: &mut MappingSettings) -> Result<(), ControlError> {
        if let Some(kafka) = settings.kafka.as_mut() {
            self.create_kafka(kafka);
        }
        self.merge(kind, settings)?;
        match kind {
            SourceKind::DocumentDb if settings.document_db.is_none() => {
                Err(members::required("documentDBEventSourceConfig"))
            }
            _ => Ok(()),
        }
    }

    /// Merges the members that came into settings.
    pub(super) fn merge(self, kind: SourceKind, settings: &mut MappingSettings) -> Result<(), ControlError> {
        if self.kms_key_arn.as_ref().is_some_and(|key| !key.is_empty()) {
            return Err(ControlError::invalid(
                "KMSKeyArn: keys of a key management service are not supported; data lies in the server's data directory.",
            ));
        }
        if let Some(kafka) = settings.kafka.as_mut() {
            self.merge_kafka(kafka)?;
        }
        self.merge_batching(settings)?;
        self.merge_retrying(kind, settings)?;
        if let Some(config) = self.scaling_config {
            settings.maximum_concurrency = config.maximum_concurrency.map(whole);
        }
        if let Some(config) = self.provisioned_poller_config {
            settings.provisioned_pollers = pollers::read(kind, config)?;
        }
        if let Some(access) = self.source_access_configurations {
            settings.source_access = read_access(kind, access)?;
        }
        if let Some(config) = self.document_db_event_source_config {
            settings.document_db = Some(read_document_db(config)?);
        }
        if let Some(config) = self.metrics_config {
            settings.metrics = read_metrics(kind, config)?;
        }
        if let Some(config) = self.logging_config {
            settings.system_log_level = config.system_log_level;
        }
        check(kind, settings)
    }

    fn merge_batching(&self, settings: &mut MappingSettings) -> Result<(), ControlError> {
        set(&mut settings.batch_size, self.batch_size.map(whole));
        if let Some(window) = self.maximum_batching_window_in_seconds {
            settings.batching_window_s = Some(whole(window));
        }
        if let Some(criteria) = &self.filter_criteria {
            settings.filters = filters::read(criteria)?;
        }
        if let Some(types) = &self.function_response_types {
            settings.reports_item_failures = !types.is_empty();
        }
        set(&mut settings.parallelization_factor, self.parallelization_factor.map(whole));
        set(&mut settings.tumbling_window_s, self.tumbling_window_in_seconds.map(whole));
        Ok(())
    }

    fn merge_retrying(&self, kind: SourceKind, settings: &mut MappingSettings) -> Result<(), ControlError> {
        set(&mut settings.bisect_on_error, self.bisect_batch_on_function_error);
        if let Some(age) = self.maximum_record_age_in_seconds {
            settings.maximum_record_age_s = bounded(age);
        }
        if let Some(attempts) = self.maximum_retry_attempts {
            settings.maximum_retry_attempts = bounded(attempts);
        }
        if let Some(config) = &self.destination_config {
            let mut kinds = vec![DestinationKind::Queue, DestinationKind::Topic, DestinationKind::Bucket];
            if kind.is_kafka() {
                kinds.push(DestinationKind::KafkaTopic);
            }
            settings.on_failure = Destinations::read(config, &[], &kinds)?.on_failure;
        }
        Ok(())
    }
}

/// Refuses settings that do not go together.
fn check(kind: SourceKind, settings: &MappingSettings) -> Result<(), ControlError> {
    let window_s = settings.batching_window_s.unwrap_or_default();
    if kind == SourceKind::SqsFifo && window_s > 0 {
        return Err(ControlError::invalid("Batching window is not supported for FIFO queues"));
    }
    if kind == SourceKind::SqsFifo && settings.batch_size > SMALL_BATCH_MAX {
        return Err(ControlError::Invalid(format!("Batch size must not exceed {SMALL_BATCH_MAX} for FIFO queues")));
    }
    if kind.is_sqs() && settings.batch_size > SMALL_BATCH_MAX && window_s == 0 {
        return Err(ControlError::Invalid(format!(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than {SMALL_BATCH_MAX}"
        )));
    }
    // The state of a window is one for the whole shard.
    if settings.tumbling_window_s > 0 && settings.parallelization_factor > 1 {
        return Err(ControlError::invalid("ParallelizationFactor must be 1 with TumblingWindowInSeconds."));
    }
    if settings.maximum_record_age_s.is_some_and(|age| age < RECORD_AGE_S_MIN) {
        return Err(ControlError::Invalid(format!(
            "MaximumRecordAgeInSeconds must be -1 or at least {RECORD_AGE_S_MIN}."
        )));
    }
    if settings.maximum_concurrency.is_some() && settings.provisioned_pollers.is_some() {
        return Err(ControlError::invalid(
            "MaximumConcurrency and ProvisionedPollerConfig cannot be specified together.",
        ));
    }
    if kind.is_kafka() { kafka::check(settings) } else { Ok(()) }
}

fn read_access(kind: SourceKind, access: Vec<SourceAccessConfiguration>) -> Result<Vec<SourceAccess>, ControlError> {
    let fits = |name: &str| match kind {
        SourceKind::Mq => matches!(name, "BASIC_AUTH" | "VIRTUAL_HOST"),
        SourceKind::DocumentDb => name == "BASIC_AUTH",
        SourceKind::Msk => !matches!(name, "BASIC_AUTH" | "VIRTUAL_HOST" | "VPC_SUBNET" | "VPC_SECURITY_GROUP"),
        _ => name != "VIRTUAL_HOST",
    };
    let read = |one: SourceAccessConfiguration| {
        let name = one.r#type.ok_or_else(|| members::required("sourceAccessConfigurations.type"))?;
        if !fits(&name) {
            return Err(members::not_valid(kind, &format!("The source access configuration {name}")));
        }
        let uri = one.uri.ok_or_else(|| members::required("sourceAccessConfigurations.uRI"))?;
        Ok(SourceAccess { kind: name, uri })
    };
    access.into_iter().map(read).collect()
}

fn read_document_db(config: DocumentDBEventSourceConfig) -> Result<DocumentDbCollection, ControlError> {
    let missing = || members::required("documentDBEventSourceConfig.databaseName");
    Ok(DocumentDbCollection {
        database: config.database_name.ok_or_else(missing)?,
        collection: config.collection_name,
        looks_up_updates: config.full_document.as_deref() == Some("UpdateLookup"),
    })
}

fn read_metrics(kind: SourceKind, config: EventSourceMappingMetricsConfig) -> Result<Vec<String>, ControlError> {
    let metrics = config.metrics.unwrap_or_default();
    match metrics.iter().any(|metric| metric == "KafkaMetrics") && !kind.is_kafka() {
        true => Err(members::not_valid(kind, "KafkaMetrics")),
        false => Ok(metrics),
    }
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

/// A figure whose smallest value the model holds at 0 or more.
fn whole(figure: i32) -> u32 {
    u32::try_from(figure).unwrap_or_default()
}

/// A figure whose -1 is without end.
fn bounded(figure: i32) -> Option<u32> {
    u32::try_from(figure).ok()
}
