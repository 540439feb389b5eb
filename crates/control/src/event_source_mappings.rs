//! Event source mappings: queues and streams whose records a function gets in batches.
//!
//! The operations write what is wanted; [`Settler`] ends the transitions; `events` follows the records, polls, and writes down
//! what the batches come to.

mod change_mapping;
mod check_source;
mod configuration;
mod create_mapping;
mod delete_mapping;
mod filters;
mod list_mappings;
mod members;
mod settings;
mod settle;
mod source;
mod update_mapping;

use tindra_core::event_source_mapping::{EventSourceMapping, ProcessingResult};
use tindra_core::function::Scope;
use tindra_core::name::{FunctionName, NameError};
use tindra_model::lambda::event_source_mappings::EventSourceMappingConfiguration;
use tindra_store::{JsonRecords as _, Versioned};
use uuid::Uuid;

use crate::error::ControlError;
use crate::{Control, tenancy};

use configuration::configuration;
pub(crate) use settle::Settler;

/// What AWS says of a mapping that is not there.
pub(crate) fn missing() -> ControlError {
    ControlError::Missing("The resource you requested does not exist.".to_owned())
}

impl Control {
    /// The record of a mapping.
    async fn mapping(&self, scope: &Scope, uuid: &str) -> Result<Versioned<EventSourceMapping>, ControlError> {
        let uuid = Uuid::parse_str(uuid).map_err(|_| missing())?;
        let key = EventSourceMapping::key(scope, uuid);
        self.store.metadata.get_json(&key).await?.ok_or_else(missing)
    }

    /// A mapping as it is shown, with what its last batch came to.
    async fn shown_mapping(
        &self,
        mapping: &EventSourceMapping,
    ) -> Result<EventSourceMappingConfiguration, ControlError> {
        let last: Option<Versioned<ProcessingResult>> = self.store.metadata.get_json(&mapping.result_key()).await?;
        Ok(configuration(mapping, last.map(|last| last.value)))
    }

    /// The function that a mapping is to invoke; AWS calls a missing one a bad parameter here.
    async fn mapped_function(&self, scope: &Scope, text: &str) -> Result<FunctionName, ControlError> {
        let name = FunctionName::read(text, None, scope)?;
        match self.find(scope, &name).await {
            Ok(function) => tenancy::check_mapping(&function.value).map(|()| name),
            Err(ControlError::Name(NameError::NotFound { .. })) => {
                Err(ControlError::invalid("Function does not exist"))
            }
            Err(error) => Err(error),
        }
    }
}
