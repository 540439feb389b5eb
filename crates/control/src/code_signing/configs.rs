//! `CreateCodeSigningConfig`, `UpdateCodeSigningConfig`, `DeleteCodeSigningConfig`.

use serde_json::Value;
use tindra_model::Reply;
use tindra_model::lambda::code_signing::{
    CreateCodeSigningConfigRequest, CreateCodeSigningConfigResponse, DeleteCodeSigningConfigRequest,
    UpdateCodeSigningConfigRequest, UpdateCodeSigningConfigResponse,
};
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};
use uuid::Uuid;

use super::shown::{check_policies, configuration};
use super::{CodeSigning, not_found};
use crate::error::ControlError;
use crate::{Caller, Control, read, reply, tags};

/// Letters and digits of an id (model).
const ID_LENGTH: usize = 17;

impl Control {
    pub(crate) async fn create_code_signing(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: CreateCodeSigningConfigRequest = read(input)?;
        check_policies(request.code_signing_policies.as_ref())?;
        let tags = request.tags.unwrap_or_default();
        tags::check(&tags)?;
        let random = Uuid::new_v4().simple().to_string();
        let config = CodeSigning {
            // The last ones: all but two of their bits are random.
            id: format!("csc-{}", &random[random.len() - ID_LENGTH..]),
            scope: caller.scope.clone(),
            description: request.description,
            publishers: request.allowed_publishers.signing_profile_version_arns,
            tags,
            last_modified_ms: self.clock.unix_ms(),
        };
        let key = CodeSigning::key(&caller.scope, &config.id);
        let batch = Batch::default().put_json(key, Precondition::Absent, &config)?;
        self.store.metadata.commit(batch).await?;
        reply(CreateCodeSigningConfigResponse { code_signing_config: configuration(&config) })
    }

    pub(crate) async fn update_code_signing(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: UpdateCodeSigningConfigRequest = read(input)?;
        check_policies(request.code_signing_policies.as_ref())?;
        let arn = &request.code_signing_config_arn;
        loop {
            let mut record = self.code_signing(&caller.scope, arn).await?.ok_or_else(|| not_found(arn))?;
            let config = &mut record.value;
            if request.description.is_some() {
                config.description.clone_from(&request.description);
            }
            if let Some(publishers) = &request.allowed_publishers {
                config.publishers.clone_from(&publishers.signing_profile_version_arns);
            }
            config.last_modified_ms = self.clock.unix_ms();
            let precondition = Precondition::Revision(record.revision);
            let batch = Batch::default().put_json(record.key, precondition, &record.value)?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => {
                    return reply(UpdateCodeSigningConfigResponse {
                        code_signing_config: configuration(&record.value),
                    });
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(crate) async fn delete_code_signing(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: DeleteCodeSigningConfigRequest = read(input)?;
        let arn = &request.code_signing_config_arn;
        loop {
            let record = self.code_signing(&caller.scope, arn).await?.ok_or_else(|| not_found(arn))?;
            // A function that comes to use it meanwhile changes its record.
            let users = self.store.metadata.list(&CodeSigning::users_prefix(&caller.scope, arn), None, 1).await?;
            if !users.is_empty() {
                return Err(ControlError::Conflict(format!(
                    "The code signing configuration {arn} is in use by functions. Remove it from them first; ListFunctionsByCodeSigningConfig names them."
                )));
            }
            let batch = Batch::default().delete(record.key, Precondition::Revision(record.revision));
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok(Reply::default()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
