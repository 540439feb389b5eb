//! `DeleteFunctionUrlConfig`.

use serde_json::Value;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::function_urls::DeleteFunctionUrlConfigRequest;
use tindra_store::{Batch, StoreError};

use super::{delete, no_url};
use crate::error::ControlError;
use crate::{Caller, Control, read};

impl Control {
    pub(crate) async fn delete_function_url(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: DeleteFunctionUrlConfigRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, request.qualifier.as_deref(), &caller.scope)?;
        loop {
            let record = self.function_url(&caller.scope, &name).await?.ok_or_else(no_url)?;
            match self.store.metadata.commit(delete(Batch::default(), &record)).await {
                Ok(_) => return Ok(Reply::default()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
