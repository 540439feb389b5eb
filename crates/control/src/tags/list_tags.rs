//! `ListTags`.

use serde::de::DeserializeOwned;
use serde_json::Value;
use tindra_core::event_source_mapping::EventSourceMapping;
use tindra_core::function::Function;
use tindra_model::Reply;
use tindra_model::lambda::tags::{ListTagsRequest, ListTagsResponse};
use tindra_store::{JsonRecords as _, Versioned};

use super::resource::Resource;
use super::{Tagged, Tags};
use crate::capacity::Provider;
use crate::code_signing::CodeSigning;
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn list_tags(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: ListTagsRequest = read(input)?;
        let resource = Resource::read(&request.resource, &caller.scope)?;
        let key = resource.key(&caller.scope);
        let tags = match &resource {
            Resource::Function(_) => self.tags_of::<Function>(&key).await?,
            Resource::EventSourceMapping(_) => self.tags_of::<EventSourceMapping>(&key).await?,
            Resource::CodeSigning(_) => self.tags_of::<CodeSigning>(&key).await?,
            Resource::CapacityProvider(_) => self.tags_of::<Provider>(&key).await?,
        };
        let tags = tags.ok_or_else(|| resource.missing(&request.resource))?;
        reply(ListTagsResponse { tags: Some(tags) })
    }

    async fn tags_of<T: Tagged + DeserializeOwned>(&self, key: &str) -> Result<Option<Tags>, ControlError> {
        let record: Option<Versioned<T>> = self.store.metadata.get_json(key).await?;
        Ok(record.map(|record| record.value.tags().clone()))
    }
}
