//! `UpdateFunctionUrlConfig`: a member that is absent stays as it is; `Cors` is replaced as a whole.

use serde_json::Value;
use tindra_core::function_url::{FunctionUrl, UrlAuth, UrlInvokeMode};
use tindra_core::name::{FunctionName, NameError};
use tindra_model::Reply;
use tindra_model::lambda::function_urls::UpdateFunctionUrlConfigRequest;
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};

use super::{cors, no_function, no_url, shown};
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn update_function_url(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: UpdateFunctionUrlConfigRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, request.qualifier.as_deref(), &caller.scope)?;
        loop {
            match self.find(&caller.scope, &name).await {
                Err(ControlError::Name(NameError::NotFound { .. })) => return Err(no_function()),
                found => found?,
            };
            let mut record = self.function_url(&caller.scope, &name).await?.ok_or_else(no_url)?;
            edit(&mut record.value, &request);
            record.value.last_modified_ms = self.clock.unix_ms();
            let precondition = Precondition::Revision(record.revision);
            let batch = Batch::default().put_json(record.key, precondition, &record.value)?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => return reply(shown::configuration(&record.value, caller)),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn edit(url: &mut FunctionUrl, request: &UpdateFunctionUrlConfigRequest) {
    if let Some(auth) = request.auth_type.as_deref().and_then(UrlAuth::parse) {
        url.auth = auth;
    }
    if let Some(mode) = request.invoke_mode.as_deref().and_then(UrlInvokeMode::parse) {
        url.invoke_mode = mode;
    }
    if let Some(cors) = &request.cors {
        url.cors = cors::read(cors.clone());
    }
}
