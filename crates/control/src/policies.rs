//! Resource policies of functions, versions and aliases: who else may use them.
//!
//! A policy's record is an [`Attachment`](crate::attachments::Attachment). As on AWS it has no revision of its
//! own: its `RevisionId` is that of the function, version or alias that it hangs on, and changing the policy
//! gives that a new one.

mod add_permission;
mod change_policy;
mod document;
mod get_policy;
mod remove_permission;
mod resource_policy;
mod statement;
mod target;

use serde::{Deserialize, Serialize};
use tindra_core::function::Scope;
use tindra_core::policy::Policy;
use tindra_store::JsonRecords as _;

use crate::Control;
use crate::attachments::Attachment;
use crate::error::ControlError;
use target::Target;

/// What the store keeps of a policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct PolicyRecord {
    /// The document as it is printed.
    document: String,
}

impl Control {
    /// The policy of a function, or of a version or an alias of it; none when it has none.
    ///
    /// # Errors
    /// When the store fails, or holds a document that cannot be read.
    pub async fn resource_policy(
        &self,
        scope: &Scope,
        function: &str,
        qualifier: Option<&str>,
    ) -> Result<Option<Policy>, ControlError> {
        self.policy_under(&policy_key(scope, function, qualifier)).await
    }

    async fn policy_under(&self, key: &str) -> Result<Option<Policy>, ControlError> {
        let record = self.store.metadata.get_json::<PolicyRecord>(key).await?;
        record.map(|record| Policy::parse(&record.value.document).map_err(ControlError::Policy)).transpose()
    }
}

fn policy_key(scope: &Scope, function: &str, qualifier: Option<&str>) -> String {
    Attachment::Policy.key(scope, function, qualifier.unwrap_or(tindra_core::name::LATEST))
}

/// There is no policy, or nothing that could have one.
fn no_policy() -> ControlError {
    ControlError::Missing("The resource you requested does not exist.".to_owned())
}
