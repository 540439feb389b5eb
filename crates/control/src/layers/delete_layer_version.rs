//! `DeleteLayerVersion`: functions that use it go on; one that is not there is as good as deleted.

use serde_json::Value;
use tindra_model::Reply;
use tindra_model::lambda::layers::DeleteLayerVersionRequest;
use tindra_store::{Batch, Precondition};

use super::named;
use super::permissions::policy_key;
use crate::error::ControlError;
use crate::{Caller, Control, read};

impl Control {
    pub(crate) async fn delete_layer_version(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: DeleteLayerVersionRequest = read(input)?;
        let (layer, version) = named(&request.layer_name, request.version_number, &caller.scope)?;
        if layer.scope == caller.scope {
            let batch = Batch::default()
                .delete(layer.key(version), Precondition::None)
                .delete(policy_key(&layer, version), Precondition::None);
            self.store.metadata.commit(batch).await?;
        }
        Ok(Reply::default())
    }
}
