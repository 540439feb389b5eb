//! `CreateCapacityProvider`, `UpdateCapacityProvider`, `DeleteCapacityProvider`.

use serde_json::Value;
use tindra_core::limits;
use tindra_model::Reply;
use tindra_model::lambda::capacity::{
    CreateCapacityProviderRequest, CreateCapacityProviderResponse, DeleteCapacityProviderRequest,
    DeleteCapacityProviderResponse, InstanceRequirements, UpdateCapacityProviderRequest,
    UpdateCapacityProviderResponse,
};
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};

use super::{Provider, name_of};
use crate::error::ControlError;
use crate::{Caller, Control, read, reply, tags};

impl Control {
    /// Its answer is `Pending`, as on AWS; the next look finds it `Active`, since there is nothing to wait for.
    pub(crate) async fn create_capacity_provider(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: CreateCapacityProviderRequest = read(input)?;
        let Some(name) = name_of(&request.capacity_provider_name, &caller.scope) else {
            return Err(ControlError::Invalid(format!(
                "{} is not of this account and region.",
                request.capacity_provider_name
            )));
        };
        check_requirements(request.instance_requirements.as_ref())?;
        let tags = request.tags.unwrap_or_default();
        tags::check(&tags)?;
        self.check_providers_room(caller).await?;
        let provider = Provider {
            name: name.to_owned(),
            scope: caller.scope.clone(),
            vpc: request.vpc_config,
            permissions: request.permissions_config,
            requirements: request.instance_requirements,
            scaling: request.capacity_provider_scaling_config,
            kms_key_arn: request.kms_key_arn,
            propagate_tags: request.propagate_tags,
            telemetry: request.telemetry_config,
            tags,
            last_modified_ms: self.clock.unix_ms(),
        };
        let key = Provider::key(&caller.scope, &provider.name);
        match self.store.metadata.commit(Batch::default().put_json(key, Precondition::Absent, &provider)?).await {
            Ok(_) => reply(CreateCapacityProviderResponse { capacity_provider: provider.shown("Pending") }),
            Err(StoreError::Conflict { .. }) => {
                Err(ControlError::Conflict(format!("Capacity provider already exists: {}", provider.arn())))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Creations at the same moment may overstep the limit a little; it only keeps the list short.
    async fn check_providers_room(&self, caller: &Caller) -> Result<(), ControlError> {
        let limit = limits::CAPACITY_PROVIDERS_MAX;
        let prefix = Provider::key_prefix(&caller.scope);
        if self.store.metadata.list(&prefix, None, limit).await?.len() < limit {
            return Ok(());
        }
        Err(ControlError::Refused {
            code: "CapacityProviderLimitExceededException",
            message: format!("An account can have at most {limit} capacity providers in a region."),
        })
    }

    pub(crate) async fn update_capacity_provider(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: UpdateCapacityProviderRequest = read(input)?;
        loop {
            let mut record = self.provider(&caller.scope, &request.capacity_provider_name).await?;
            let provider = &mut record.value;
            if request.capacity_provider_scaling_config.is_some() {
                provider.scaling.clone_from(&request.capacity_provider_scaling_config);
            }
            if request.propagate_tags.is_some() {
                provider.propagate_tags.clone_from(&request.propagate_tags);
            }
            if request.telemetry_config.is_some() {
                provider.telemetry.clone_from(&request.telemetry_config);
            }
            provider.last_modified_ms = self.clock.unix_ms();
            let precondition = Precondition::Revision(record.revision);
            let batch = Batch::default().put_json(record.key, precondition, &record.value)?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => {
                    let capacity_provider = record.value.shown("Active");
                    return reply(UpdateCapacityProviderResponse { capacity_provider });
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(crate) async fn delete_capacity_provider(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: DeleteCapacityProviderRequest = read(input)?;
        loop {
            let record = self.provider(&caller.scope, &request.capacity_provider_name).await?;
            self.check_unused(&caller.scope, &record.value.arn()).await?;
            let batch = Batch::default().delete(record.key, Precondition::Revision(record.revision));
            match self.store.metadata.commit(batch).await {
                Ok(_) => {
                    let capacity_provider = record.value.shown("Deleting");
                    return reply(DeleteCapacityProviderResponse { capacity_provider });
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn check_requirements(requirements: Option<&InstanceRequirements>) -> Result<(), ControlError> {
    let is_given = |types: &Option<Vec<String>>| types.as_ref().is_some_and(|types| !types.is_empty());
    match requirements {
        Some(both) if is_given(&both.allowed_instance_types) && is_given(&both.excluded_instance_types) => {
            Err(ControlError::invalid(
                "InstanceRequirements can have AllowedInstanceTypes or ExcludedInstanceTypes, but not both.",
            ))
        }
        _ => Ok(()),
    }
}
