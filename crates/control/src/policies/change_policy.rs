//! Changing a policy by compare-and-set, together with the revision of what it hangs on.

use tindra_core::function::Scope;
use tindra_core::name::FunctionName;
use tindra_core::policy::Policy;
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};
use uuid::Uuid;

use super::{PolicyRecord, Target};
use crate::Control;
use crate::error::ControlError;

impl Control {
    /// Changes the policy of what a name leads to, or makes or deletes it: `edit` gets the one there is and says
    /// which there shall be. The answer is the new revision.
    ///
    /// When another change comes in between, everything is looked at anew.
    pub(super) async fn change_policy(
        &self,
        scope: &Scope,
        name: &FunctionName,
        edit: impl Fn(&Target, Option<Policy>) -> Result<Option<Policy>, ControlError>,
    ) -> Result<Uuid, ControlError> {
        loop {
            let mut target = self.policy_target(scope, name).await?;
            let before = self.policy_under(&target.key).await?;
            let after = edit(&target, before)?;
            target.mark_changed();
            // Every change of the policy writes the target, whose precondition so covers the policy as well.
            let batch = match after {
                Some(policy) => {
                    let record = PolicyRecord { document: policy.to_string() };
                    Batch::default().put_json(target.key.clone(), Precondition::None, &record)?
                }
                None => Batch::default().delete(target.key.clone(), Precondition::None),
            };
            match self.store.metadata.commit(target.write(batch)?).await {
                Ok(_) => return Ok(target.revision_id()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Refuses a change by somebody who has not seen the latest revision; `reader` is the operation that tells it.
pub(super) fn check_revision(target: &Target, seen: Option<&str>, reader: &str) -> Result<(), ControlError> {
    match seen.filter(|seen| !seen.is_empty()) {
        Some(seen) if seen != target.revision_id().to_string() => Err(ControlError::Refused {
            code: "PreconditionFailedException",
            message: format!(
                "The Revision Id provided does not match the latest Revision Id. Call the {reader} API to retrieve the latest Revision Id"
            ),
        }),
        _ => Ok(()),
    }
}
