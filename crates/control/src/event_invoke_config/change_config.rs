//! `PutFunctionEventInvokeConfig`, which replaces all, and `UpdateFunctionEventInvokeConfig`, which leaves a
//! member that is absent as it is.

use serde_json::Value;
use tindra_core::alias::Alias;
use tindra_core::event_invoke_config::EventInvokeConfig;
use tindra_core::function::{Function, Scope, Version};
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::event_invoke_config::{
    DestinationConfig, PutFunctionEventInvokeConfigRequest, UpdateFunctionEventInvokeConfigRequest,
};
use tindra_store::{Batch, JsonBatch as _, Precondition, Record, StoreError};

use super::{config_missing, configuration, function_missing, qualifier};
use crate::attachments::Attachment;
use crate::destinations::{DestinationKind, Destinations};
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

const ON_SUCCESS: [DestinationKind; 4] =
    [DestinationKind::Queue, DestinationKind::Topic, DestinationKind::Function, DestinationKind::EventBus];
const ON_FAILURE: [DestinationKind; 5] = [
    DestinationKind::Queue,
    DestinationKind::Topic,
    DestinationKind::Function,
    DestinationKind::EventBus,
    DestinationKind::Bucket,
];

/// The members as they came.
struct Members {
    maximum_retry_attempts: Option<u32>,
    maximum_event_age_s: Option<u32>,
    destinations: Option<Destinations>,
}

impl Members {
    fn read(
        attempts: Option<i32>,
        age: Option<i32>,
        destinations: Option<&DestinationConfig>,
    ) -> Result<Self, ControlError> {
        if attempts.is_none() && age.is_none() && destinations.is_none() {
            let message = "You must specify at least one of error handling or destination setting.";
            return Err(ControlError::invalid(message));
        }
        let whole = |figure: i32| u32::try_from(figure).unwrap_or_default();
        let read = |config| Destinations::read(config, &ON_SUCCESS, &ON_FAILURE);
        Ok(Self {
            maximum_retry_attempts: attempts.map(whole),
            maximum_event_age_s: age.map(whole),
            destinations: destinations.map(read).transpose()?,
        })
    }

    fn merge(&self, config: &mut EventInvokeConfig) {
        config.maximum_retry_attempts = self.maximum_retry_attempts.or(config.maximum_retry_attempts);
        config.maximum_event_age_s = self.maximum_event_age_s.or(config.maximum_event_age_s);
        if let Some(Destinations { on_success, on_failure }) = &self.destinations {
            config.on_success.clone_from(on_success);
            config.on_failure.clone_from(on_failure);
        }
    }
}

impl Control {
    pub(crate) async fn put_function_event_invoke_config(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: PutFunctionEventInvokeConfigRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, request.qualifier.as_deref(), &caller.scope)?;
        let (attempts, age) = (request.maximum_retry_attempts, request.maximum_event_age_in_seconds);
        let members = Members::read(attempts, age, request.destination_config.as_ref())?;
        self.change_event_invoke_config(&caller.scope, &name, members, false).await
    }

    pub(crate) async fn update_function_event_invoke_config(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: UpdateFunctionEventInvokeConfigRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, request.qualifier.as_deref(), &caller.scope)?;
        let (attempts, age) = (request.maximum_retry_attempts, request.maximum_event_age_in_seconds);
        let members = Members::read(attempts, age, request.destination_config.as_ref())?;
        self.change_event_invoke_config(&caller.scope, &name, members, true).await
    }

    async fn change_event_invoke_config(
        &self,
        scope: &Scope,
        name: &FunctionName,
        members: Members,
        merges: bool,
    ) -> Result<Reply, ControlError> {
        let key = Attachment::EventInvokeConfig.key(scope, &name.name, qualifier(name));
        loop {
            let owner = self.owner(scope, name).await?.ok_or_else(function_missing)?;
            let before = self.event_invoke_config(scope, name).await?;
            if let Some(destinations) = &members.destinations {
                self.check_function_destinations(scope, &name.name, destinations).await?;
            }
            let precondition =
                before.as_ref().map_or(Precondition::Absent, |record| Precondition::Revision(record.revision));
            let mut config = match before {
                Some(record) if merges => record.value,
                None if merges => return Err(config_missing(scope, name)),
                _ => empty(scope, name),
            };
            members.merge(&mut config);
            config.last_modified_ms = self.clock.unix_ms();
            // Writing the owner as it is makes the batch fail when it goes meanwhile.
            let batch = Batch::default().put(owner.key, Precondition::Revision(owner.revision), owner.value).put_json(
                key.clone(),
                precondition,
                &config,
            )?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => return reply(configuration(&config)),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The record of the version or alias that a name names, alias and version being different owners.
    async fn owner(&self, scope: &Scope, name: &FunctionName) -> Result<Option<Record>, ControlError> {
        let key = match Version::parse(qualifier(name)) {
            Some(version) => Function::version_key(scope, &name.name, version),
            None => Alias::key(scope, &name.name, qualifier(name)),
        };
        Ok(self.store.metadata.get(&key).await?)
    }
}

fn empty(scope: &Scope, name: &FunctionName) -> EventInvokeConfig {
    EventInvokeConfig {
        scope: scope.clone(),
        function_name: name.name.clone(),
        qualifier: qualifier(name).to_owned(),
        maximum_retry_attempts: None,
        maximum_event_age_s: None,
        on_success: None,
        on_failure: None,
        last_modified_ms: 0,
    }
}
