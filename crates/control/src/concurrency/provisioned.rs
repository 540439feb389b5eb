//! The four operations of provisioned concurrency. Machines watch the records, make the environments and say so.

use serde_json::Value;
use tindra_core::clock::UnixMs;
use tindra_core::function::{Function, Scope, Version};
use tindra_core::limits;
use tindra_core::name::{self, FunctionName, LATEST};
use tindra_core::provisioned::{Provisioned, ProvisionedStatus};
use tindra_model::lambda::concurrency::{
    DeleteProvisionedConcurrencyConfigRequest, GetProvisionedConcurrencyConfigRequest,
    GetProvisionedConcurrencyConfigResponse, ListProvisionedConcurrencyConfigsRequest,
    ListProvisionedConcurrencyConfigsResponse, ProvisionedConcurrencyConfigListItem,
    PutProvisionedConcurrencyConfigRequest, PutProvisionedConcurrencyConfigResponse,
};
use tindra_model::{ApiError, Reply};
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};
use uuid::Uuid;

use super::Reserves;
use crate::error::ControlError;
use crate::shape::{last_modified, small};
use crate::{Caller, Control, managed_instances, read, reply, snap_start, tenancy};

const STATUS: u16 = 202;

impl Control {
    pub(crate) async fn put_provisioned_concurrency(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: PutProvisionedConcurrencyConfigRequest = read(input)?;
        let requested = u32::try_from(request.provisioned_concurrent_executions).unwrap_or(0);
        let record = self.provision(&caller.scope, &request.function_name, &request.qualifier, requested).await?;
        Ok(Reply { status: Some(STATUS), ..reply(put_response(&record))? })
    }

    /// Sets the provisioned concurrency of a version or alias as its operations do, for who scales it; 0 takes it away.
    ///
    /// # Errors
    /// Those of the operations.
    pub async fn scale_provisioned_concurrency(
        &self,
        scope: &Scope,
        function_name: &str,
        qualifier: &str,
        executions: u32,
    ) -> Result<(), ApiError> {
        match executions {
            0 => self.unprovision(scope, function_name, qualifier).await?,
            executions => drop(self.provision(scope, function_name, qualifier, executions).await?),
        }
        Ok(())
    }

    async fn provision(
        &self,
        scope: &Scope,
        function_name: &str,
        qualifier: &str,
        requested: u32,
    ) -> Result<Provisioned, ControlError> {
        let (name, qualifier) = qualified(function_name, qualifier, scope)?;
        loop {
            let whole = FunctionName { name: name.name.clone(), qualifier: None };
            let latest = self.find(scope, &whole).await?;
            let version = self.find(scope, &name).await?.value;
            let reserves = Reserves::read(&self.store, scope).await?;
            self.check_room(&reserves, &latest.value, &qualifier, requested).await?;
            tenancy::check_provisioned(&version)?;
            snap_start::check_provisioned(&version)?;
            managed_instances::check_provisioned(&version)?;
            self.check_exclusive(&version, &qualifier).await?;
            let key = Provisioned::key(scope, &name.name, &qualifier);
            let before: Option<Versioned<Provisioned>> = self.store.metadata.get_json(&key).await?;
            let precondition = before.map_or(Precondition::Absent, |before| Precondition::Revision(before.revision));
            let record = Provisioned {
                scope: scope.clone(),
                function_name: name.name.clone(),
                qualifier: qualifier.clone(),
                id: Uuid::new_v4(),
                requested,
                allocated: 0,
                status: ProvisionedStatus::InProgress,
                status_reason: None,
                last_modified_ms: self.clock.unix_ms(),
            };
            // Writing the function as it is makes the batch fail when it changes or goes meanwhile.
            let batch = Batch::default()
                .put_json(latest.key, Precondition::Revision(latest.revision), &latest.value)?
                .put_json(key, precondition, &record)?;
            // The same of the reserves: their sum and what is provisioned beside them have to fit together.
            match self.store.metadata.commit(reserves.write(batch)?).await {
                Ok(_) => return Ok(record),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(crate) async fn get_provisioned_concurrency(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: GetProvisionedConcurrencyConfigRequest = read(input)?;
        let (name, qualifier) = qualified(&request.function_name, &request.qualifier, &caller.scope)?;
        self.find(&caller.scope, &name).await?;
        let key = Provisioned::key(&caller.scope, &name.name, &qualifier);
        let record: Option<Versioned<Provisioned>> = self.store.metadata.get_json(&key).await?;
        match record {
            Some(record) => reply(get_response(&record.value)),
            None => Err(ControlError::Refused {
                code: "ProvisionedConcurrencyConfigNotFoundException",
                message: "No Provisioned Concurrency Config found for this function".to_owned(),
            }),
        }
    }

    pub(crate) async fn list_provisioned_concurrency(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: ListProvisionedConcurrencyConfigsRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        self.find(&caller.scope, &name).await?;
        let prefix = Provisioned::key_prefix(&caller.scope, &name.name);
        let page = self.page::<Provisioned>(&prefix, request.marker.as_deref(), request.max_items).await?;
        reply(ListProvisionedConcurrencyConfigsResponse {
            provisioned_concurrency_configs: Some(page.items.iter().map(list_item).collect()),
            next_marker: page.next_marker,
        })
    }

    pub(crate) async fn delete_provisioned_concurrency(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: DeleteProvisionedConcurrencyConfigRequest = read(input)?;
        self.unprovision(&caller.scope, &request.function_name, &request.qualifier).await?;
        Ok(Reply::default())
    }

    async fn unprovision(&self, scope: &Scope, function_name: &str, qualifier: &str) -> Result<(), ControlError> {
        let (name, qualifier) = qualified(function_name, qualifier, scope)?;
        self.find(scope, &name).await?;
        let key = Provisioned::key(scope, &name.name, &qualifier);
        self.store.metadata.commit(Batch::default().delete(key, Precondition::None)).await?;
        Ok(())
    }

    /// Not above the function's reserve, or else not above what the account may give away.
    async fn check_room(
        &self,
        reserves: &Reserves,
        function: &Function,
        qualifier: &str,
        requested: u32,
    ) -> Result<(), ControlError> {
        let all: Vec<Provisioned> = self.all(&Provisioned::scope_prefix(&function.scope)).await?;
        let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.function_name == function.name);
        let own: u32 = own.iter().filter(|one| one.qualifier != qualifier).map(|one| one.requested).sum();
        let wanted = u64::from(requested) + u64::from(own);
        if let Some(reserve) = function.reserved_concurrency {
            return match wanted > u64::from(reserve) {
                true => Err(ControlError::Invalid(format!(
                    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function. Requested: {wanted}, reserved: {reserve}."
                ))),
                false => Ok(()),
            };
        }
        let kept = reserves.sum().saturating_add(reserves.sum_outside(&others));
        let unreserved = self.options.concurrent_executions_max.saturating_sub(kept);
        let available = unreserved.saturating_sub(limits::UNRESERVED_CONCURRENCY_MIN);
        match wanted > u64::from(available) {
            true => Err(ControlError::Invalid(format!(
                "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{available}]."
            ))),
            false => Ok(()),
        }
    }

    /// A version and an alias that leads to it cannot both have it (AWS).
    async fn check_exclusive(&self, version: &Function, qualifier: &str) -> Result<(), ControlError> {
        let prefix = Provisioned::key_prefix(&version.scope, &version.name);
        for other in self.all::<Provisioned>(&prefix).await? {
            if other.qualifier == qualifier {
                continue;
            }
            let leads_to = match Version::parse(&other.qualifier) {
                Some(other) => Some(other),
                None => self.alias(&version.scope, &version.name, &other.qualifier).await?.map(|alias| alias.version),
            };
            if leads_to == Some(version.version) {
                let message = match Version::parse(qualifier) {
                    Some(_) => "Version is pointed by a Provisioned Concurrency alias",
                    None => {
                        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
                    }
                };
                return Err(ControlError::Conflict(message.to_owned()));
            }
        }
        Ok(())
    }
}

/// A function's name with the qualifier that these operations need.
fn qualified(name: &str, qualifier: &str, scope: &Scope) -> Result<(FunctionName, String), ControlError> {
    let name = FunctionName::read(name, Some(qualifier), scope)?;
    match name.qualifier.clone() {
        Some(qualifier) if qualifier != LATEST => Ok((name, qualifier)),
        _ => Err(ControlError::invalid(
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
        )),
    }
}

fn put_response(record: &Provisioned) -> PutProvisionedConcurrencyConfigResponse {
    let item = list_item(record);
    PutProvisionedConcurrencyConfigResponse {
        requested_provisioned_concurrent_executions: item.requested_provisioned_concurrent_executions,
        allocated_provisioned_concurrent_executions: item.allocated_provisioned_concurrent_executions,
        available_provisioned_concurrent_executions: item.available_provisioned_concurrent_executions,
        status: item.status,
        status_reason: item.status_reason,
        last_modified: item.last_modified,
    }
}

fn get_response(record: &Provisioned) -> GetProvisionedConcurrencyConfigResponse {
    let item = list_item(record);
    GetProvisionedConcurrencyConfigResponse {
        requested_provisioned_concurrent_executions: item.requested_provisioned_concurrent_executions,
        allocated_provisioned_concurrent_executions: item.allocated_provisioned_concurrent_executions,
        available_provisioned_concurrent_executions: item.available_provisioned_concurrent_executions,
        status: item.status,
        status_reason: item.status_reason,
        last_modified: item.last_modified,
    }
}

fn list_item(record: &Provisioned) -> ProvisionedConcurrencyConfigListItem {
    let modified: UnixMs = record.last_modified_ms;
    ProvisionedConcurrencyConfigListItem {
        function_arn: Some(name::arn(&record.scope, &record.function_name, Some(&record.qualifier))),
        requested_provisioned_concurrent_executions: Some(small(record.requested)),
        allocated_provisioned_concurrent_executions: Some(small(record.allocated)),
        available_provisioned_concurrent_executions: Some(small(record.allocated)),
        status: Some(record.status.as_str().to_owned()),
        status_reason: record.status_reason.clone(),
        last_modified: Some(last_modified(modified)),
    }
}
