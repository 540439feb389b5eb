//! `DeleteEventSourceMapping`: the mapping is gone once what it was at has ended.

use serde_json::Value;
use tindra_core::event_source_mapping::MappingState;
use tindra_model::Reply;
use tindra_model::lambda::event_source_mappings::DeleteEventSourceMappingRequest;
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};

use super::change_mapping::check_settled;
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn delete_event_source_mapping(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: DeleteEventSourceMappingRequest = read(input)?;
        loop {
            let record = self.mapping(&caller.scope, &request.uuid).await?;
            let mut mapping = record.value;
            check_settled(&mapping, "delete")?;
            mapping.state = MappingState::Deleting;
            mapping.last_modified_ms = self.clock.unix_ms();
            let batch = Batch::default().put_json(record.key, Precondition::Revision(record.revision), &mapping)?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => return reply(self.shown_mapping(&mapping).await?),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
