//! `DeleteAlias`: one that is not there is as good as deleted.

use serde_json::Value;
use tindra_core::alias::Alias;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::aliases::DeleteAliasRequest;
use tindra_store::{Batch, Precondition};

use crate::error::ControlError;
use crate::{Caller, Control, read};

impl Control {
    pub(crate) async fn delete_alias(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: DeleteAliasRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        self.find(&caller.scope, &name).await?;
        let key = Alias::key(&caller.scope, &name.name, &request.name);
        let batch = Batch::default().delete(key, Precondition::None);
        let batch = self.detach(batch, &caller.scope, &name.name, &request.name);
        self.store.metadata.commit(batch).await?;
        Ok(Reply::default())
    }
}
