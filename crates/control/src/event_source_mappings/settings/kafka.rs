//! What Kafka sources have besides: consumer group, consumption mode, schema registry.

use tindra_core::event_source_mapping::{Kafka, SchemaRegistry, SourceAccess};
use tindra_model::lambda::event_source_mappings::KafkaSchemaRegistryConfig;

use super::Settings;
use crate::error::ControlError;
use crate::event_source_mappings::{members, source};

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
            kafka.schema_registry = read_registry(registry)?;
        }
        Ok(())
    }
}

/// An empty one takes the registry away.
fn read_registry(config: &KafkaSchemaRegistryConfig) -> Result<Option<SchemaRegistry>, ControlError> {
    if *config == KafkaSchemaRegistryConfig::default() {
        return Ok(None);
    }
    let missing = |member: &str| members::required(&format!("schemaRegistryConfig.{member}"));
    let access = config.access_configs.iter().flatten().map(|one| {
        Ok(SourceAccess {
            kind: one.r#type.clone().ok_or_else(|| missing("accessConfigs.type"))?,
            uri: one.uri.clone().ok_or_else(|| missing("accessConfigs.uRI"))?,
        })
    });
    let validated = config.schema_validation_configs.iter().flatten().filter_map(|one| one.attribute.clone());
    Ok(Some(SchemaRegistry {
        uri: config.schema_registry_uri.clone().ok_or_else(|| missing("schemaRegistryURI"))?,
        record_format: config.event_record_format.clone().ok_or_else(|| missing("eventRecordFormat"))?,
        access: access.collect::<Result<_, ControlError>>()?,
        validated: validated.collect(),
    }))
}
