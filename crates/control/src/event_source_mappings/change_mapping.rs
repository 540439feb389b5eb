//! What every change of a mapping obeys: one transition at a time, one mapping for each pair of source and function.

use tindra_core::event_source_mapping::EventSourceMapping;
use tindra_store::JsonRecords as _;
use uuid::Uuid;

use crate::Control;
use crate::error::ControlError;

/// Refuses to change a mapping in a transition; `attempt` is `update` or `delete`.
pub(super) fn check_settled(mapping: &EventSourceMapping, attempt: &str) -> Result<(), ControlError> {
    if mapping.state.is_settled() {
        return Ok(());
    }
    Err(ControlError::Refused {
        code: "ResourceInUseException",
        message: format!("Cannot {attempt} the event source mapping because it is in use."),
    })
}

impl Control {
    /// Refuses a mapping whose source another one has joined with the same function.
    pub(super) async fn check_unpaired(&self, mapping: &EventSourceMapping) -> Result<(), ControlError> {
        let Some(other) = self.store.metadata.get_json::<Uuid>(&mapping.pair_key()).await? else { return Ok(()) };
        let (source, function, other) = (&mapping.source, &mapping.function_name, other.value);
        let arn = source.arn.clone().unwrap_or_else(|| source.bootstrap_servers.join(","));
        let mapped = match source.kind.is_sqs() {
            true => format!(
                "An event source mapping with SQS arn (\" {arn} \") and function (\" {function} \") already exists."
            ),
            false => format!(
                "The event source arn (\" {arn} \") and function (\" {function} \") provided mapping already exists."
            ),
        };
        Err(ControlError::Conflict(format!("{mapped} Please update or delete the existing mapping with UUID {other}")))
    }
}

#[cfg(test)]
mod tests {
    use tindra_core::event_source_mapping::{
        EventSource, EventSourceMapping, MappingSettings, MappingState, SourceKind,
    };
    use tindra_model::ApiError;
    use tindra_testkit::scope;
    use uuid::Uuid;

    use super::check_settled;

    #[test]
    fn nothing_is_changed_in_a_transition() {
        let mut mapping = EventSourceMapping {
            uuid: Uuid::nil(),
            scope: scope(),
            function_name: "thing".to_owned(),
            qualifier: None,
            source: EventSource {
                kind: SourceKind::Sqs,
                arn: None,
                bootstrap_servers: Vec::new(),
                topics: Vec::new(),
                queues: Vec::new(),
                starting_position: None,
            },
            settings: MappingSettings::new(SourceKind::Sqs, Uuid::nil()),
            is_enabled: true,
            state: MappingState::Enabled,
            last_modified_ms: 0,
            tags: std::collections::BTreeMap::new(),
        };
        for state in [MappingState::Enabled, MappingState::Disabled] {
            mapping.state = state;
            assert!(check_settled(&mapping, "update").is_ok());
        }
        for state in [
            MappingState::Creating,
            MappingState::Enabling,
            MappingState::Disabling,
            MappingState::Updating,
            MappingState::Deleting,
        ] {
            mapping.state = state;
            let error = ApiError::from(check_settled(&mapping, "delete").unwrap_err());
            assert_eq!(error.code(), "ResourceInUseException");
            assert_eq!(error.message(), "Cannot delete the event source mapping because it is in use.");
        }
    }
}
