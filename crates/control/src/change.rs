//! Reading a function, and changing it by compare-and-set.

use tindra_core::function::{Function, Reason, Scope, State, UpdateStatus, Version};
use tindra_core::name::FunctionName;
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, StoreError, Versioned};
use uuid::Uuid;

use crate::Control;
use crate::error::ControlError;
use crate::versions::Numbered;

/// What a function that waits for its preparation says of itself; AWS says so of updates too.
pub(crate) fn creating() -> Reason {
    Reason { code: "Creating".to_owned(), message: "The function is being created.".to_owned() }
}

impl Control {
    /// The record of the version that a name leads to; an alias leads to its main version.
    pub(crate) async fn find(&self, scope: &Scope, name: &FunctionName) -> Result<Versioned<Function>, ControlError> {
        let not_found = || ControlError::from(name.not_found(scope));
        let version = match name.qualifier.as_deref() {
            None => Version::Latest,
            Some(qualifier) => match Version::parse(qualifier) {
                Some(version) => version,
                None => self.alias(scope, &name.name, qualifier).await?.ok_or_else(not_found)?.version,
            },
        };
        let key = Function::version_key(scope, &name.name, version);
        self.store.metadata.get_json(&key).await?.ok_or_else(not_found)
    }

    /// Changes a function, and leaves it to be prepared.
    ///
    /// When another change comes in between, everything is looked at anew: the function may be gone, be busy
    /// with that change, or no longer be at the revision that the caller has seen. With `publish` the change is
    /// published in the same commit, and the answer is the new version.
    pub(crate) async fn change(
        &self,
        scope: &Scope,
        name: &FunctionName,
        revision_id: Option<&str>,
        publish: bool,
        edit: impl Fn(&mut Function) -> Result<(), ControlError>,
    ) -> Result<Function, ControlError> {
        loop {
            let record = self.find(scope, name).await?;
            let mut function = record.value;
            check_changeable(&function, revision_id)?;
            edit(&mut function)?;
            self.mark_changed(&mut function);
            let precondition = Precondition::Revision(record.revision);
            let batch = Batch::default().put_json(record.key, precondition, &function)?;
            let (answer, batch) = match publish {
                true => {
                    let Numbered { version, batch, .. } = self.number(&function, None, batch).await?;
                    (version, batch)
                }
                false => (function, batch),
            };
            match self.store.metadata.commit(batch).await {
                Ok(_) => return Ok(answer),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn mark_changed(&self, function: &mut Function) {
        function.revision_id = Uuid::new_v4();
        function.last_modified_ms = self.clock.unix_ms();
        function.desired.generation = Uuid::new_v4();
        function.update_status = UpdateStatus::InProgress;
        function.update_reason = Some(creating());
    }
}

/// Refuses a change to a function that has not settled, cannot be mended, or has changed since the caller
/// looked.
pub(crate) fn check_changeable(function: &Function, revision_id: Option<&str>) -> Result<(), ControlError> {
    if function.is_unsettled() {
        return Err(ControlError::Busy { arn: function.arn() });
    }
    if function.state == State::Failed {
        return Err(ControlError::Failed);
    }
    match revision_id {
        Some(seen) if seen != function.revision_id.to_string() => Err(ControlError::RevisionMismatch),
        _ => Ok(()),
    }
}
