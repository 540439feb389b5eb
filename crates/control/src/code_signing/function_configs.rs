//! `PutFunctionCodeSigningConfig`, `GetFunctionCodeSigningConfig`, `DeleteFunctionCodeSigningConfig`.

use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::code_signing::{
    DeleteFunctionCodeSigningConfigRequest, GetFunctionCodeSigningConfigRequest, GetFunctionCodeSigningConfigResponse,
    PutFunctionCodeSigningConfigRequest, PutFunctionCodeSigningConfigResponse,
};
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};

use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn put_function_code_signing(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: PutFunctionCodeSigningConfigRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        self.set_code_signing(&caller.scope, &name, Some(&request.code_signing_config_arn)).await?;
        reply(PutFunctionCodeSigningConfigResponse {
            code_signing_config_arn: request.code_signing_config_arn,
            function_name: name.name,
        })
    }

    /// A function without one is answered with its name alone: tools ask this of every function.
    pub(crate) async fn get_function_code_signing(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: GetFunctionCodeSigningConfigRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        let function = self.find(&caller.scope, &name).await?.value;
        match function.code_signing_config_arn {
            Some(code_signing_config_arn) => {
                reply(GetFunctionCodeSigningConfigResponse { code_signing_config_arn, function_name: name.name })
            }
            None => reply(json!({ "FunctionName": name.name })),
        }
    }

    /// One that is not there is as good as removed.
    pub(crate) async fn delete_function_code_signing(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: DeleteFunctionCodeSigningConfigRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        self.set_code_signing(&caller.scope, &name, None).await?;
        Ok(Reply::default())
    }

    /// It is no change of code or configuration: the revision id stays, and nothing is prepared anew.
    async fn set_code_signing(
        &self,
        scope: &Scope,
        name: &FunctionName,
        arn: Option<&str>,
    ) -> Result<(), ControlError> {
        loop {
            let batch = match arn {
                Some(arn) => self.use_code_signing(Batch::default(), scope, &name.name, arn).await?,
                None => Batch::default(),
            };
            let mut record = self.find(scope, name).await?;
            if record.value.code_signing_config_arn.as_deref() == arn {
                return Ok(());
            }
            let batch = self.leave_code_signing(batch, &record.value);
            record.value.code_signing_config_arn = arn.map(str::to_owned);
            let precondition = Precondition::Revision(record.revision);
            let batch = batch.put_json(record.key, precondition, &record.value)?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
