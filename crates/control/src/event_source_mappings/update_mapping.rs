//! `UpdateEventSourceMapping`: a member that is absent stays as it is.

use serde_json::Value;
use tindra_core::event_source_mapping::MappingState;
use tindra_model::Reply;
use tindra_model::lambda::event_source_mappings::UpdateEventSourceMappingRequest;
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};

use super::change_mapping::check_settled;
use super::members;
use super::settings::Settings;
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn update_event_source_mapping(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let mut request: UpdateEventSourceMappingRequest = read(input.clone())?;
        let (uuid, enabled) = (std::mem::take(&mut request.uuid), request.enabled);
        let function_name = request.function_name.take();
        let settings = Settings::from(request);
        loop {
            let record = self.mapping(&caller.scope, &uuid).await?;
            let before = record.value;
            check_settled(&before, "update")?;
            members::check(before.source.kind, &input)?;
            let mut mapping = before.clone();
            settings.clone().merge(mapping.source.kind, &mut mapping.settings)?;
            if let Some(text) = &function_name {
                let name = self.mapped_function(&caller.scope, text).await?;
                (mapping.function_name, mapping.qualifier) = (name.name, name.qualifier);
            }
            mapping.is_enabled = enabled.unwrap_or(before.is_enabled);
            self.check_source(&mapping).await?;
            mapping.state = transition(before.is_enabled, mapping.is_enabled);
            mapping.last_modified_ms = self.clock.unix_ms();
            let mut batch = Batch::default().put_json(record.key, Precondition::Revision(record.revision), &mapping)?;
            if mapping.pair_key() != before.pair_key() {
                self.check_unpaired(&mapping).await?;
                batch = batch.delete(before.pair_key(), Precondition::None).put_json(
                    mapping.pair_key(),
                    Precondition::Absent,
                    &mapping.uuid,
                )?;
            }
            match self.store.metadata.commit(batch).await {
                Ok(_) => return reply(self.shown_mapping(&mapping).await?),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn transition(was_enabled: bool, is_enabled: bool) -> MappingState {
    match (was_enabled, is_enabled) {
        (false, true) => MappingState::Enabling,
        (true, false) => MappingState::Disabling,
        _ => MappingState::Updating,
    }
}
