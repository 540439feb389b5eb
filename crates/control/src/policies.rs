//! Resource policies of functions, versions and aliases: who else may use them.
//!
//! A policy's record is an [`Attachment`](crate::attachments::Attachment). As on AWS it has no revision of its
//! own: its `RevisionId` is that of the function, version or alias that it hangs on, and changing the policy
//! gives that a new one.

mod add_permission;
mod change_policy;
pub(crate) mod document;
mod get_policy;
mod known;
mod remove_permission;
mod resource_policy;
pub(crate) mod statement;
mod target;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tindra_core::function::Scope;
use tindra_core::policy::Policy;
use tindra_store::JsonRecords as _;

use crate::Control;
use crate::attachments::Attachment;
use crate::error::ControlError;
pub(crate) use known::KnownPolicies;
use target::Target;

pub(crate) use document::{with_statement, without_statement};
pub(crate) use statement::{grant, require};

/// What the keys of policies begin with.
pub(crate) const POLICY_PREFIX: &str = "policy/";

/// What the store keeps of a policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct PolicyRecord {
    /// The document as it is printed.
    document: String,
}

impl Control {
    /// The policy of a function, or of a version or an alias of it; none when it has none. Memory answers, unless a
    /// policy has changed.
    ///
    /// # Errors
    /// When the store fails, or holds a document that cannot be read.
    pub async fn resource_policy(
        &self,
        scope: &Scope,
        function: &str,
        qualifier: Option<&str>,
    ) -> Result<Option<Arc<Policy>>, ControlError> {
        let key = policy_key(scope, function, qualifier);
        let generation = match self.policies.get(&key) {
            Ok(policy) => return Ok(policy),
            Err(generation) => generation,
        };
        let policy = self.policy_under(&key).await?.map(Arc::new);
        self.policies.keep(generation, key, policy.clone());
        Ok(policy)
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
