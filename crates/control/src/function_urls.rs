//! Function URLs: their configurations. What comes in over a URL is not this part's business.

mod cors;
mod create_url;
mod delete_url;
mod read_urls;
mod shown;
mod update_url;

use tindra_core::function::Scope;
use tindra_core::function_url::FunctionUrl;
use tindra_core::name::FunctionName;
use tindra_store::{Batch, JsonRecords as _, Precondition, Versioned};

use crate::Control;
use crate::error::ControlError;

/// AWS names neither the function nor the alias here.
fn no_function() -> ControlError {
    ControlError::Missing("Function does not exist".to_owned())
}

fn no_url() -> ControlError {
    ControlError::Missing("The resource you requested does not exist.".to_owned())
}

impl Control {
    /// The URL of a function or of one of its aliases.
    async fn function_url(
        &self,
        scope: &Scope,
        name: &FunctionName,
    ) -> Result<Option<Versioned<FunctionUrl>>, ControlError> {
        let key = FunctionUrl::key(scope, &name.name, name.qualifier.as_deref());
        Ok(self.store.metadata.get_json(&key).await?)
    }

    /// Adds to a batch that the URL of a version or alias goes, if there is one. The batch fails when one
    /// comes or changes meanwhile, so that no id is left behind.
    pub(crate) async fn drop_url(
        &self,
        batch: Batch,
        scope: &Scope,
        function: &str,
        qualifier: &str,
    ) -> Result<Batch, ControlError> {
        let key = FunctionUrl::key(scope, function, Some(qualifier));
        let record: Option<Versioned<FunctionUrl>> = self.store.metadata.get_json(&key).await?;
        Ok(match record {
            Some(record) => delete(batch, &record),
            None => batch.delete(key, Precondition::Absent),
        })
    }

    /// Adds to a batch that the ids of all URLs of a function go. New URLs change the function's record.
    pub(crate) async fn drop_url_ids(
        &self,
        batch: Batch,
        scope: &Scope,
        function: &str,
    ) -> Result<Batch, ControlError> {
        let urls: Vec<FunctionUrl> = self.all(&FunctionUrl::key_prefix(scope, function)).await?;
        Ok(urls.iter().fold(batch, |batch, url| batch.delete(FunctionUrl::id_key(&url.id), Precondition::None)))
    }
}

fn delete(batch: Batch, record: &Versioned<FunctionUrl>) -> Batch {
    batch
        .delete(record.key.clone(), Precondition::Revision(record.revision))
        .delete(FunctionUrl::id_key(&record.value.id), Precondition::None)
}
