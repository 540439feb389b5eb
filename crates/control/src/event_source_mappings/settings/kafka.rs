//! What Kafka sources have besides: consumer group, consumption mode, schema registry.

use tindra_core::event_source_mapping::{Kafka, MappingSettings};
use tindra_model::lambda::event_source_mappings::KafkaSchemaRegistryConfig;

use super::Settings;
use crate::error::ControlError;
use crate::event_source_mappings::source;

/// Ways to log in, of which a client knows one.
const LOGINS: [&str; 3] = ["BASIC_AUTH", "SASL_SCRAM_256_AUTH", "SASL_SCRAM_512_AUTH"];

impl Settings {
    /// The members of whichever of the two structures came.
    fn kafka(&self) -> (Option<&String>, Option<&KafkaSchemaRegistryConfig>, Option<&String>) {
        let (managed, own) =
            (&self.amazon_managed_kafka_event_source_config, &self.self_managed_kafka_event_source_config);
        match (managed, own) {
            (Some(config), _) => (config.consumer_group_id.as_ref(), config.schema_registry_config.as_ref(), None),
            (None, Some(config)) => (
                config.consumer_group_id.as_ref(),
                config.schema_registry_config.as_ref(),
                config.consumption_mode.as_ref(),
            ),
            (None, None) => (None, None, None),
        }
    }

    /// Sets what cannot be changed later.
    pub(super) fn create_kafka(&self, kafka: &mut Kafka) {
        let (group, _, mode) = self.kafka();
        if let Some(group) = group {
            kafka.consumer_group_id.clone_from(group);
        }
        if let Some(mode) = mode {
            kafka.mode = source::consumption_mode(mode);
        }
    }

    pub(super) fn merge_kafka(&self, kafka: &mut Kafka) -> Result<(), ControlError> {
        let (group, registry, mode) = self.kafka();
        if group.is_some_and(|group| *group != kafka.consumer_group_id) {
            return Err(ControlError::invalid("ConsumerGroupId cannot be changed."));
        }
        if mode.is_some_and(|mode| source::consumption_mode(mode) != kafka.mode) {
            return Err(ControlError::invalid("ConsumptionMode cannot be changed."));
        }
        if let Some(registry) = registry {
            // An empty one asks for nothing.
            if *registry != KafkaSchemaRegistryConfig::default() {
                return Err(ControlError::invalid(
                    "SchemaRegistryConfig is not supported: records are given to the function as they are in the topic; leave it out.",
                ));
            }
        }
        Ok(())
    }
}

/// Refuses what no poller does, and what goes together with nothing.
pub(super) fn check(settings: &MappingSettings) -> Result<(), ControlError> {
    if settings.on_failure.as_deref().is_some_and(|arn| arn.starts_with("kafka://")) {
        return Err(ControlError::invalid(
            "A Kafka topic as the destination of records that are given up is not supported; name an SQS queue, an SNS topic or an S3 bucket.",
        ));
    }
    let logins: Vec<&str> = settings.source_access.iter().map(|access| access.kind.as_str()).collect();
    if logins.iter().filter(|kind| LOGINS.contains(*kind)).count() > 1 {
        return Err(ControlError::Invalid(format!(
            "Only one of {} can be in SourceAccessConfigurations.",
            LOGINS.join(", ")
        )));
    }
    Ok(())
}
