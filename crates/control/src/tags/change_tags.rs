//! `TagResource` and `UntagResource`.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tindra_core::event_source_mapping::EventSourceMapping;
use tindra_core::function::Function;
use tindra_model::Reply;
use tindra_model::lambda::tags::{TagResourceRequest, UntagResourceRequest};
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};

use super::resource::Resource;
use super::{Tagged, Tags, check};
use crate::capacity::Provider;
use crate::code_signing::CodeSigning;
use crate::error::ControlError;
use crate::{Caller, Control, read};

impl Control {
    pub(crate) async fn tag_resource(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: TagResourceRequest = read(input)?;
        if request.tags.is_empty() {
            return Err(ControlError::invalid("An error occurred and the request cannot be processed."));
        }
        check(&request.tags)?;
        self.change_tags(caller, &request.resource, |tags| tags.extend(request.tags.clone())).await
    }

    pub(crate) async fn untag_resource(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: UntagResourceRequest = read(input)?;
        self.change_tags(caller, &request.resource, |tags| tags.retain(|key, _| !request.tag_keys.contains(key))).await
    }

    async fn change_tags(
        &self,
        caller: &Caller,
        arn: &str,
        edit: impl Fn(&mut Tags) + Send,
    ) -> Result<Reply, ControlError> {
        let resource = Resource::read(arn, &caller.scope)?;
        let (key, missing) = (resource.key(&caller.scope), || resource.missing(arn));
        match &resource {
            Resource::Function(_) => self.change_tagged::<Function>(&key, missing, edit).await?,
            Resource::EventSourceMapping(_) => self.change_tagged::<EventSourceMapping>(&key, missing, edit).await?,
            Resource::CodeSigning(_) => self.change_tagged::<CodeSigning>(&key, missing, edit).await?,
            Resource::CapacityProvider(_) => self.change_tagged::<Provider>(&key, missing, edit).await?,
        }
        Ok(Reply::default())
    }

    async fn change_tagged<T: Tagged + Serialize + DeserializeOwned>(
        &self,
        key: &str,
        missing: impl Fn() -> ControlError,
        edit: impl Fn(&mut Tags),
    ) -> Result<(), ControlError> {
        loop {
            let record: Option<Versioned<T>> = self.store.metadata.get_json(key).await?;
            let mut record = record.ok_or_else(&missing)?;
            let before = record.value.tags().clone();
            let tags = record.value.tags_mut()?;
            edit(tags);
            check(tags)?;
            if *tags == before {
                return Ok(());
            }
            let batch =
                Batch::default().put_json(record.key, Precondition::Revision(record.revision), &record.value)?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
