//! Configurations of asynchronous invokes: retries, age and destinations of a version or an alias.
//!
//! The `events` crate heeds them.

mod change_config;
mod delete_config;
mod read_configs;

use tindra_core::event_invoke_config::EventInvokeConfig;
use tindra_core::function::Scope;
use tindra_core::name::{FunctionName, LATEST};
use tindra_model::lambda::event_invoke_config::{DestinationConfig, FunctionEventInvokeConfig, OnFailure, OnSuccess};
use tindra_store::{JsonRecords as _, Versioned};

use crate::Control;
use crate::attachments::Attachment;
use crate::error::ControlError;
use crate::shape::{epoch_s, small};

/// A configuration as the API shows it.
fn configuration(config: &EventInvokeConfig) -> FunctionEventInvokeConfig {
    FunctionEventInvokeConfig {
        last_modified: Some(epoch_s(config.last_modified_ms)),
        function_arn: Some(config.function_arn()),
        maximum_retry_attempts: config.maximum_retry_attempts.map(small),
        maximum_event_age_in_seconds: config.maximum_event_age_s.map(small),
        destination_config: Some(DestinationConfig {
            on_success: Some(OnSuccess { destination: config.on_success.clone() }),
            on_failure: Some(OnFailure { destination: config.on_failure.clone() }),
        }),
    }
}

fn qualifier(name: &FunctionName) -> &str {
    name.qualifier.as_deref().unwrap_or(LATEST)
}

fn function_missing() -> ControlError {
    ControlError::Missing("The function doesn't exist.".to_owned())
}

fn config_missing(scope: &Scope, name: &FunctionName) -> ControlError {
    let named = FunctionName { qualifier: Some(qualifier(name).to_owned()), ..name.clone() };
    ControlError::Missing(format!("The function {} doesn't have an EventInvokeConfig", named.arn(scope)))
}

impl Control {
    /// The record of the configuration that a name leads to.
    async fn event_invoke_config(
        &self,
        scope: &Scope,
        name: &FunctionName,
    ) -> Result<Option<Versioned<EventInvokeConfig>>, ControlError> {
        let key = Attachment::EventInvokeConfig.key(scope, &name.name, qualifier(name));
        Ok(self.store.metadata.get_json(&key).await?)
    }
}
