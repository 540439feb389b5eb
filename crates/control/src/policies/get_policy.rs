//! `GetPolicy`.

use serde_json::Value;
use tindra_core::name::{FunctionName, LATEST};
use tindra_model::Reply;
use tindra_model::lambda::policies::{GetPolicyRequest, GetPolicyResponse};

use super::no_policy;
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn get_policy(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: GetPolicyRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, request.qualifier.as_deref(), &caller.scope)?;
        let (policy, revision_id) = self.policy_with_revision(caller, &name).await?;
        reply(GetPolicyResponse { policy: Some(policy), revision_id: Some(revision_id) })
    }

    /// A policy as it is printed, and its revision. `$LATEST` by name has none, only the unqualified function.
    pub(super) async fn policy_with_revision(
        &self,
        caller: &Caller,
        name: &FunctionName,
    ) -> Result<(String, String), ControlError> {
        let target = self.policy_target(&caller.scope, name).await?;
        if name.qualifier.as_deref() == Some(LATEST) {
            return Err(no_policy());
        }
        let policy = self.policy_under(&target.key).await?.ok_or_else(no_policy)?;
        Ok((policy.to_string(), target.revision_id().to_string()))
    }
}
