//! `DeleteAlias`: one that is not there is as good as deleted.

use serde_json::Value;
use tindra_core::alias::Alias;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::aliases::DeleteAliasRequest;
use tindra_store::{Batch, Precondition, StoreError};

use crate::error::ControlError;
use crate::{Caller, Control, read};

impl Control {
    pub(crate) async fn delete_alias(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: DeleteAliasRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        let key = Alias::key(&caller.scope, &name.name, &request.name);
        loop {
            self.find(&caller.scope, &name).await?;
            let batch = Batch::default().delete(key.clone(), Precondition::None);
            let batch = self.detach(batch, &caller.scope, &name.name, &request.name).await?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok(Reply::default()),
                // A URL has come or gone meanwhile; the next batch knows it.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
