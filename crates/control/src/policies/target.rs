//! What a policy hangs on: a function, one of its published versions, or an alias.

use tindra_core::alias::Alias;
use tindra_core::function::{Function, Scope, Version};
use tindra_core::name::{FunctionName, LATEST};
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Versioned};
use uuid::Uuid;

use super::policy_key;
use crate::Control;
use crate::error::ControlError;

/// It with the records that decide whether it still exists.
pub(super) struct Target {
    /// The key of its policy.
    pub(super) key: String,
    function: Versioned<Function>,
    qualified: Qualified,
}

enum Qualified {
    No,
    Version(Box<Versioned<Function>>),
    Alias(Versioned<Alias>),
}

impl Target {
    /// The revision of the function, version or alias, which is the policy's too.
    pub(super) fn revision_id(&self) -> Uuid {
        match &self.qualified {
            Qualified::No => self.function.value.revision_id,
            Qualified::Version(version) => version.value.revision_id,
            Qualified::Alias(alias) => alias.value.revision_id,
        }
    }

    /// Gives it a new revision.
    pub(super) fn mark_changed(&mut self) {
        let revision_id = match &mut self.qualified {
            Qualified::No => &mut self.function.value.revision_id,
            Qualified::Version(version) => &mut version.value.revision_id,
            Qualified::Alias(alias) => &mut alias.value.revision_id,
        };
        *revision_id = Uuid::new_v4();
    }

    /// Adds it to a batch, so that the batch fails when it or its function has changed or gone meanwhile.
    pub(super) fn write(&self, batch: Batch) -> Result<Batch, ControlError> {
        let batch = put(batch, &self.function)?;
        match &self.qualified {
            Qualified::No => Ok(batch),
            Qualified::Version(version) => put(batch, version),
            Qualified::Alias(alias) => put(batch, alias),
        }
    }
}

fn put<T: serde::Serialize>(batch: Batch, record: &Versioned<T>) -> Result<Batch, ControlError> {
    Ok(batch.put_json(record.key.clone(), Precondition::Revision(record.revision), &record.value)?)
}

impl Control {
    /// What a name leads to. An alias is itself here and not the version it leads to.
    pub(super) async fn policy_target(&self, scope: &Scope, name: &FunctionName) -> Result<Target, ControlError> {
        let not_found = || ControlError::from(name.not_found(scope));
        let metadata = &self.store.metadata;
        let function = metadata.get_json(&Function::key(scope, &name.name)).await?.ok_or_else(not_found)?;
        let qualifier = name.qualifier.as_deref().filter(|qualifier| *qualifier != LATEST);
        let qualified = match qualifier.map(|qualifier| (qualifier, Version::parse(qualifier))) {
            None => Qualified::No,
            Some((_, Some(version))) => {
                let key = Function::version_key(scope, &name.name, version);
                Qualified::Version(Box::new(metadata.get_json(&key).await?.ok_or_else(not_found)?))
            }
            Some((alias, None)) => {
                let key = Alias::key(scope, &name.name, alias);
                Qualified::Alias(metadata.get_json(&key).await?.ok_or_else(not_found)?)
            }
        };
        let key = policy_key(scope, &name.name, qualifier);
        Ok(Target { key, function, qualified })
    }
}
