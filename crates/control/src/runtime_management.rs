//! `PutRuntimeManagementConfig`, `GetRuntimeManagementConfig`: when a version of a function moves to a newer
//! version of its runtime.
//!
//! A server has one version of each runtime, that of the pack in use, and changes it only when its operator
//! installs another. `Auto` is what happens then; `FunctionUpdate` is stored and shown. `Manual` is accepted for
//! the version in use and for no other, because no other can be run.

use serde_json::Value;
use tindra_core::function::{Function, RuntimeUpdate, Version};
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::runtime_management::{
    GetRuntimeManagementConfigRequest, GetRuntimeManagementConfigResponse, PutRuntimeManagementConfigRequest,
    PutRuntimeManagementConfigResponse,
};
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};

use crate::change::check_changeable;
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn put_runtime_management(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: PutRuntimeManagementConfigRequest = read(input)?;
        let name = version_name(&request.function_name, request.qualifier.as_deref(), caller)?;
        loop {
            let mut record = self.find(&caller.scope, &name).await?;
            check_changeable(&record.value, None)?;
            let update = self.runtime_update(&record.value, &request)?;
            record.value.runtime_update = update;
            let precondition = Precondition::Revision(record.revision);
            let batch = Batch::default().put_json(record.key, precondition, &record.value)?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => {
                    let (update_runtime_on, runtime_version_arn) = shown(record.value.runtime_update);
                    return reply(PutRuntimeManagementConfigResponse {
                        update_runtime_on: update_runtime_on.to_owned(),
                        function_arn: name.arn(&caller.scope),
                        runtime_version_arn,
                    });
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(crate) async fn get_runtime_management(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: GetRuntimeManagementConfigRequest = read(input)?;
        let name = version_name(&request.function_name, request.qualifier.as_deref(), caller)?;
        let function = self.find(&caller.scope, &name).await?.value;
        let (update_runtime_on, runtime_version_arn) = shown(function.runtime_update);
        reply(GetRuntimeManagementConfigResponse {
            update_runtime_on: Some(update_runtime_on.to_owned()),
            function_arn: Some(name.arn(&caller.scope)),
            runtime_version_arn,
        })
    }

    /// What a request asks of a version of a function.
    fn runtime_update(
        &self,
        function: &Function,
        request: &PutRuntimeManagementConfigRequest,
    ) -> Result<RuntimeUpdate, ControlError> {
        match (request.update_runtime_on.as_str(), request.runtime_version_arn.as_deref()) {
            ("Manual", Some(arn)) => {
                self.check_runtime_version(function, arn)?;
                Ok(RuntimeUpdate::Manual { runtime_version_arn: arn.to_owned() })
            }
            ("Manual", None) => {
                Err(ControlError::invalid("RuntimeVersionArn is required when UpdateRuntimeOn is Manual."))
            }
            (mode, Some(_)) => Err(ControlError::Invalid(format!(
                "RuntimeVersionArn is allowed only when UpdateRuntimeOn is Manual, not when it is {mode}."
            ))),
            ("FunctionUpdate", None) => Ok(RuntimeUpdate::FunctionUpdate),
            (_, None) => Ok(RuntimeUpdate::Auto),
        }
    }

    fn check_runtime_version(&self, function: &Function, wanted: &str) -> Result<(), ControlError> {
        let runtime = &function.desired.configuration.runtime;
        let versions = self.options.runtime_versions.as_ref();
        match versions.and_then(|versions| versions.version_arn(runtime, &function.scope.region)) {
            Some(arn) if arn == wanted => Ok(()),
            Some(arn) => Err(ControlError::Invalid(format!(
                "The runtime version {wanted} is not available for the runtime {runtime}. The only one that this server has is {arn}."
            ))),
            None => Err(ControlError::Invalid(format!(
                "The runtime version {wanted} is not available: this server has no version of the runtime {runtime}."
            ))),
        }
    }
}

/// A name with `$LATEST`, a number or nothing behind it.
fn version_name(text: &str, qualifier: Option<&str>, caller: &Caller) -> Result<FunctionName, ControlError> {
    let name = FunctionName::read(text, qualifier, &caller.scope)?;
    match name.qualifier.as_deref() {
        Some(qualifier) if Version::parse(qualifier).is_none() => Err(ControlError::Invalid(format!(
            "The provided function name {} is invalid. Aliases are not allowed.",
            name.arn(&caller.scope)
        ))),
        _ => Ok(name),
    }
}

/// `UpdateRuntimeOn` and `RuntimeVersionArn`.
fn shown(update: RuntimeUpdate) -> (&'static str, Option<String>) {
    match update {
        RuntimeUpdate::Auto => ("Auto", None),
        RuntimeUpdate::FunctionUpdate => ("FunctionUpdate", None),
        RuntimeUpdate::Manual { runtime_version_arn } => ("Manual", Some(runtime_version_arn)),
    }
}
