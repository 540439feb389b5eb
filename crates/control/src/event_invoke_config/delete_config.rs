//! `DeleteFunctionEventInvokeConfig`.

use serde_json::Value;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::event_invoke_config::DeleteFunctionEventInvokeConfigRequest;
use tindra_store::{Batch, Precondition, StoreError};

use super::config_missing;
use crate::error::ControlError;
use crate::{Caller, Control, read};

impl Control {
    pub(crate) async fn delete_function_event_invoke_config(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: DeleteFunctionEventInvokeConfigRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, request.qualifier.as_deref(), &caller.scope)?;
        loop {
            let record = self.event_invoke_config(&caller.scope, &name).await?;
            let record = record.ok_or_else(|| config_missing(&caller.scope, &name))?;
            let batch = Batch::default().delete(record.key, Precondition::Revision(record.revision));
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok(Reply::default()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
