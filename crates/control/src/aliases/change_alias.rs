//! Reading an alias, and changing it by compare-and-set.

use tindra_core::alias::Alias;
use tindra_core::function::Version;
use tindra_core::name::FunctionName;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};
use uuid::Uuid;

use super::{arn, routing};
use crate::error::ControlError;
use crate::{Caller, Control};

impl Control {
    pub(super) async fn change_alias(
        &self,
        caller: &Caller,
        name: &FunctionName,
        alias: &str,
        revision_id: Option<&str>,
        edit: impl Fn(&mut Alias) -> Result<(), ControlError>,
    ) -> Result<Alias, ControlError> {
        let key = Alias::key(&caller.scope, &name.name, alias);
        loop {
            let function = self.find(&caller.scope, name).await?;
            let record: Option<Versioned<Alias>> = self.store.metadata.get_json(&key).await?;
            let Some(mut record) = record else {
                let arn = arn(&caller.scope, &name.name, alias);
                return Err(ControlError::Missing(format!("Alias not found: {arn}")));
            };
            if revision_id.is_some_and(|seen| seen != record.value.revision_id.to_string()) {
                return Err(ControlError::RevisionMismatch);
            }
            edit(&mut record.value)?;
            let changed = &mut record.value;
            changed.revision_id = Uuid::new_v4();
            routing::check(changed.version, changed.additional)?;
            self.check_version(&caller.scope, &name.name, alias, changed.version).await?;
            if let Some(additional) = changed.additional {
                let version = Version::Published(additional.version);
                self.check_version(&caller.scope, &name.name, alias, version).await?;
            }
            let batch = Batch::default()
                .put_json(function.key, Precondition::Revision(function.revision), &function.value)?
                .put_json(record.key, Precondition::Revision(record.revision), &record.value)?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok(record.value),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
