//! `GetResourcePolicy`, `PutResourcePolicy`, `DeleteResourcePolicy`: the same policies as whole documents.

use serde_json::Value;
use tindra_core::name::FunctionName;
use tindra_core::policy::{Policy, PolicyError, Selection};
use tindra_model::Reply;
use tindra_model::lambda::policies::{
    DeleteResourcePolicyRequest, GetResourcePolicyRequest, GetResourcePolicyResponse, PutResourcePolicyRequest,
    PutResourcePolicyResponse,
};

use super::add_permission::check_not_latest;
use super::change_policy::check_revision;
use super::document::check_length;
use super::no_policy;
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

const READER: &str = "GetResourcePolicy";

impl Control {
    pub(crate) async fn get_resource_policy(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: GetResourcePolicyRequest = read(input)?;
        let name = FunctionName::read(&request.resource_arn, None, &caller.scope)?;
        let (policy, revision_id) = self.policy_with_revision(caller, &name).await?;
        reply(GetResourcePolicyResponse { policy: Some(policy), revision_id: Some(revision_id) })
    }

    pub(crate) async fn put_resource_policy(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: PutResourcePolicyRequest = read(input)?;
        let name = FunctionName::read(&request.resource_arn, None, &caller.scope)?;
        check_not_latest(&name)?;
        let policy = document(&request.policy)?;
        let revision_id = self
            .change_policy(&caller.scope, &name, |target, _| {
                check_revision(target, request.revision_id.as_deref(), READER)?;
                Ok(Some(policy.clone()))
            })
            .await?;
        let (policy, revision_id) = (Some(policy.to_string()), Some(revision_id.to_string()));
        reply(PutResourcePolicyResponse { policy, revision_id })
    }

    pub(crate) async fn delete_resource_policy(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: DeleteResourcePolicyRequest = read(input)?;
        let name = FunctionName::read(&request.resource_arn, None, &caller.scope)?;
        check_not_latest(&name)?;
        self.change_policy(&caller.scope, &name, |target, policy| {
            policy.ok_or_else(no_policy)?;
            check_revision(target, request.revision_id.as_deref(), READER)?;
            Ok(None)
        })
        .await?;
        Ok(Reply::default())
    }
}

/// Reads a document that shall hang on a function.
fn document(text: &str) -> Result<Policy, ControlError> {
    let refuse = |error: PolicyError| ControlError::invalid(format!("The provided policy is not valid: {error}"));
    let policy = Policy::parse(text).map_err(refuse)?;
    policy.check_for_resource().map_err(refuse)?;
    for (index, statement) in policy.statements.iter().enumerate() {
        let place = |element: &str| format!("The provided policy is not valid: Statement[{index}].{element}");
        if statement.resources.is_none() {
            return Err(ControlError::invalid(format!("{}: missing", place("Resource"))));
        }
        let (Selection::Only(actions) | Selection::AllBut(actions)) = &statement.actions;
        if let Some(action) = actions.iter().find(|action| !is_of_lambda(action)) {
            let message = format!("{}: \"{action}\" is not an action of lambda", place("Action"));
            return Err(ControlError::invalid(message));
        }
    }
    check_length(&policy)?;
    Ok(policy)
}

fn is_of_lambda(action: &str) -> bool {
    action == "*" || action.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("lambda:"))
}
