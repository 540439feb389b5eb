//! How the records of a mapping are taken.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::source::SourceKind;

/// The window of Kafka, MQ and DocumentDB where none is named (AWS).
const BATCHING_WINDOW_MS_DEFAULT: u64 = 500;

/// Every setting of every kind of source; one that a kind does not have stays at what [`MappingSettings::new`] gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingSettings {
    /// `BatchSize`.
    pub batch_size: u32,
    /// `MaximumBatchingWindowInSeconds`; none for the half second that Kafka, MQ and DocumentDB have by default.
    pub batching_window_s: Option<u32>,
    /// `FilterCriteria`: patterns, of which one must match. None lets every record pass.
    pub filters: Vec<String>,
    /// `ParallelizationFactor`: batches of one shard at once.
    pub parallelization_factor: u32,
    /// `MaximumRecordAgeInSeconds`; none without end.
    pub maximum_record_age_s: Option<u32>,
    /// `MaximumRetryAttempts`; none without end.
    pub maximum_retry_attempts: Option<u32>,
    /// `BisectBatchOnFunctionError`.
    pub bisect_on_error: bool,
    /// `TumblingWindowInSeconds`; 0 for none.
    pub tumbling_window_s: u32,
    /// `DestinationConfig.OnFailure.Destination`.
    pub on_failure: Option<String>,
    /// `FunctionResponseTypes` has `ReportBatchItemFailures`.
    pub reports_item_failures: bool,
    /// `ScalingConfig.MaximumConcurrency`.
    pub maximum_concurrency: Option<u32>,
    /// `ProvisionedPollerConfig`.
    pub provisioned_pollers: Option<ProvisionedPollers>,
    /// `SourceAccessConfigurations`.
    pub source_access: Vec<SourceAccess>,
    /// Of Kafka sources.
    pub kafka: Option<Kafka>,
    /// `DocumentDBEventSourceConfig`.
    pub document_db: Option<DocumentDbCollection>,
    /// `MetricsConfig.Metrics`.
    pub metrics: Vec<String>,
    /// `LoggingConfig.SystemLogLevel`.
    pub system_log_level: Option<String>,
}

/// `ProvisionedPollerConfig`, with the defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionedPollers {
    /// `MinimumPollers`.
    pub minimum: u32,
    /// `MaximumPollers`.
    pub maximum: u32,
    /// `PollerGroupName`.
    pub group: Option<String>,
}

/// One of `SourceAccessConfigurations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceAccess {
    /// `Type`, for example `BASIC_AUTH`.
    pub kind: String,
    /// `URI`: a secret's ARN or a name.
    pub uri: String,
}

/// `ConsumptionMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsumptionMode {
    /// As a consumer group, partition by partition.
    #[default]
    Stream,
    /// As a share group, record by record.
    Queue,
}

/// `AmazonManagedKafkaEventSourceConfig` or `SelfManagedKafkaEventSourceConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kafka {
    /// `ConsumerGroupId`.
    pub consumer_group_id: String,
    /// `ConsumptionMode`.
    pub mode: ConsumptionMode,
    /// `SchemaRegistryConfig`.
    pub schema_registry: Option<SchemaRegistry>,
}

/// `SchemaRegistryConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaRegistry {
    /// `SchemaRegistryURI`.
    pub uri: String,
    /// `EventRecordFormat`: `JSON` or `SOURCE`.
    pub record_format: String,
    /// `AccessConfigs`.
    pub access: Vec<SourceAccess>,
    /// `SchemaValidationConfigs`: `KEY`, `VALUE` or both.
    pub validated: Vec<String>,
}

/// `DocumentDBEventSourceConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentDbCollection {
    /// `DatabaseName`.
    pub database: String,
    /// `CollectionName`; none for all of the database.
    pub collection: Option<String>,
    /// `FullDocument` is `UpdateLookup`.
    pub looks_up_updates: bool,
}

impl MappingSettings {
    /// `MaximumBatchingWindowInSeconds`, or what holds without it (AWS), in milliseconds.
    #[must_use]
    pub fn batching_window_ms(&self) -> u64 {
        self.batching_window_s.map_or(BATCHING_WINDOW_MS_DEFAULT, |window_s| u64::from(window_s) * 1_000)
    }

    /// The virtual host of a broker; `/` where none is named.
    #[must_use]
    pub fn virtual_host(&self) -> &str {
        self.access("VIRTUAL_HOST").unwrap_or("/")
    }

    /// The `URI` of the source access configuration of a type.
    #[must_use]
    pub fn access(&self, kind: &str) -> Option<&str> {
        self.source_access.iter().find(|access| access.kind == kind).map(|access| access.uri.as_str())
    }

    /// What holds where nothing was asked for (AWS).
    #[must_use]
    pub fn new(kind: SourceKind, uuid: Uuid) -> Self {
        let kafka = kind.is_kafka().then(|| Kafka {
            consumer_group_id: uuid.to_string(),
            mode: ConsumptionMode::default(),
            schema_registry: None,
        });
        Self {
            batch_size: if kind.is_sqs() { 10 } else { 100 },
            batching_window_s: (kind.is_sqs() || kind.is_stream()).then_some(0),
            filters: Vec::new(),
            parallelization_factor: 1,
            maximum_record_age_s: None,
            maximum_retry_attempts: None,
            bisect_on_error: false,
            tumbling_window_s: 0,
            on_failure: None,
            reports_item_failures: false,
            maximum_concurrency: None,
            provisioned_pollers: None,
            source_access: Vec::new(),
            kafka,
            document_db: None,
            metrics: Vec::new(),
            system_log_level: None,
        }
    }
}
