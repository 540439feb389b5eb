//! `CreateEventSourceMapping`: a source joined with a function, in a state that is yet to settle.

use serde_json::Value;
use tindra_core::event_source_mapping::{EventSourceMapping, MappingSettings, MappingState};
use tindra_model::Reply;
use tindra_model::lambda::event_source_mappings::CreateEventSourceMappingRequest;
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};
use uuid::Uuid;

use super::configuration::configuration;
use super::settings::Settings;
use super::{members, source};
use crate::error::ControlError;
use crate::{Caller, Control, read, reply, tags};

impl Control {
    pub(crate) async fn create_event_source_mapping(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let mut request: CreateEventSourceMappingRequest = read(input.clone())?;
        let kind = source::kind(&request)?;
        members::check(kind, &input)?;
        let source = source::read(kind, &request)?;
        let (is_enabled, tags) = (request.enabled != Some(false), request.tags.take().unwrap_or_default());
        tags::check(&tags)?;
        let name = self.mapped_function(&caller.scope, &request.function_name).await?;
        let uuid = Uuid::new_v4();
        let mut settings = MappingSettings::new(kind, uuid);
        Settings::from(request).create(kind, &mut settings)?;
        let mapping = EventSourceMapping {
            uuid,
            scope: caller.scope.clone(),
            function_name: name.name,
            qualifier: name.qualifier,
            source,
            settings,
            is_enabled,
            state: MappingState::Creating,
            last_modified_ms: self.clock.unix_ms(),
            tags,
        };
        self.check_source(&mapping).await?;
        loop {
            self.check_unpaired(&mapping).await?;
            let batch = Batch::default().put_json(mapping.pair_key(), Precondition::Absent, &uuid)?.put_json(
                EventSourceMapping::key(&caller.scope, uuid),
                Precondition::Absent,
                &mapping,
            )?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => return reply(configuration(&mapping, None)),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
