//! `CreateFunctionUrlConfig`.

use serde_json::Value;
use tindra_core::alias::Alias;
use tindra_core::function::Scope;
use tindra_core::function_url::{FunctionUrl, UrlAuth, UrlInvokeMode};
use tindra_core::name::{FunctionName, NameError};
use tindra_model::Reply;
use tindra_model::lambda::function_urls::{CreateFunctionUrlConfigRequest, CreateFunctionUrlConfigResponse};
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};
use uuid::Uuid;

use super::{cors, no_function, shown};
use crate::error::ControlError;
use crate::{Caller, Control, read, reply, tenancy};

impl Control {
    pub(crate) async fn create_function_url(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: CreateFunctionUrlConfigRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, request.qualifier.as_deref(), &caller.scope)?;
        let now_ms = self.clock.unix_ms();
        let url = FunctionUrl {
            // 32 lower-case letters and digits.
            id: Uuid::new_v4().simple().to_string(),
            scope: caller.scope.clone(),
            function_name: name.name.clone(),
            alias: name.qualifier.clone(),
            auth: UrlAuth::parse(&request.auth_type).unwrap_or(UrlAuth::AwsIam),
            invoke_mode: request.invoke_mode.as_deref().and_then(UrlInvokeMode::parse).unwrap_or_default(),
            cors: request.cors.and_then(cors::read),
            created_ms: now_ms,
            last_modified_ms: now_ms,
        };
        let key = FunctionUrl::key(&caller.scope, &name.name, name.qualifier.as_deref());
        loop {
            let batch = self.hold_qualifier(Batch::default(), &caller.scope, &name).await?;
            if self.store.metadata.get(&key).await?.is_some() {
                return Err(already_there(&url));
            }
            let batch = batch.put_json(key.clone(), Precondition::Absent, &url)?.put_json(
                FunctionUrl::id_key(&url.id),
                Precondition::Absent,
                &url.target(),
            )?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => {
                    return reply(CreateFunctionUrlConfigResponse {
                        function_url: shown::address(&url, caller),
                        function_arn: url.function_arn(),
                        auth_type: url.auth.as_str().to_owned(),
                        cors: url.cors.map(cors::write),
                        creation_time: shown::time(url.created_ms),
                        // Left out unless it was asked for (AWS).
                        invoke_mode: request.invoke_mode,
                    });
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes the function and the alias as they are, so that the batch fails when one of them goes meanwhile.
    async fn hold_qualifier(&self, batch: Batch, scope: &Scope, name: &FunctionName) -> Result<Batch, ControlError> {
        let whole = FunctionName { name: name.name.clone(), qualifier: None };
        let function = match self.find(scope, &whole).await {
            Err(ControlError::Name(NameError::NotFound { .. })) => return Err(no_function()),
            found => found?,
        };
        tenancy::check_url(&function.value)?;
        let batch = batch.put_json(function.key, Precondition::Revision(function.revision), &function.value)?;
        let Some(alias) = name.qualifier.as_deref() else { return Ok(batch) };
        let key = Alias::key(scope, &name.name, alias);
        let alias: Versioned<Alias> = self.store.metadata.get_json(&key).await?.ok_or_else(no_function)?;
        Ok(batch.put_json(alias.key, Precondition::Revision(alias.revision), &alias.value)?)
    }
}

fn already_there(url: &FunctionUrl) -> ControlError {
    ControlError::Conflict(format!(
        "Failed to create function url config for [functionArn = {}]. Error message:  FunctionUrlConfig exists for this Lambda function",
        url.function_arn()
    ))
}
