//! `AddPermission`.

use serde_json::Value;
use tindra_core::name::{FunctionName, LATEST};
use tindra_core::policy::{Comparison, Statement};
use tindra_model::Reply;
use tindra_model::lambda::policies::{AddPermissionRequest, AddPermissionResponse};

use super::change_policy::check_revision;
use super::document::with_statement;
use super::statement::{grant, require};
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn add_permission(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: AddPermissionRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, request.qualifier.as_deref(), &caller.scope)?;
        check_not_latest(&name)?;
        check_url_members(&request)?;
        let statement = statement(&request, &name.arn(&caller.scope))?;
        self.change_policy(&caller.scope, &name, |target, policy| {
            check_revision(target, request.revision_id.as_deref(), "GetPolicy")?;
            with_statement(policy, statement.clone()).map(Some)
        })
        .await?;
        reply(AddPermissionResponse { statement: Some(statement.to_string()) })
    }
}

/// What is granted to the unpublished version is granted to the unqualified function.
pub(super) fn check_not_latest(name: &FunctionName) -> Result<(), ControlError> {
    match name.qualifier.as_deref() {
        Some(LATEST) => Err(ControlError::invalid("We currently do not support adding policies for $LATEST.")),
        _ => Ok(()),
    }
}

/// The members about function URLs say something about one action each.
fn check_url_members(request: &AddPermissionRequest) -> Result<(), ControlError> {
    let is_for = |action: &str| request.action == action || request.action == "lambda:*" || request.action == "*";
    if request.function_url_auth_type.is_some() && !is_for("lambda:InvokeFunctionUrl") {
        let message = "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action";
        return Err(ControlError::invalid(message));
    }
    if request.invoked_via_function_url.is_some() && !is_for("lambda:InvokeFunction") {
        let message = "InvokedViaFunctionUrl is only supported for lambda:InvokeFunction action";
        return Err(ControlError::invalid(message));
    }
    Ok(())
}

/// The conditions are in AWS's order.
fn statement(request: &AddPermissionRequest, arn: &str) -> Result<Statement, ControlError> {
    let mut statement = grant(&request.statement_id, &request.principal, &request.action, arn)?;
    let via_url = request.invoked_via_function_url.map(|via_url| via_url.to_string());
    for (comparison, key, value) in [
        (Comparison::StringEquals, "lambda:FunctionUrlAuthType", request.function_url_auth_type.as_deref()),
        (Comparison::StringEquals, "aws:PrincipalOrgID", request.principal_org_id.as_deref()),
        (Comparison::StringEquals, "AWS:SourceAccount", request.source_account.as_deref()),
        (Comparison::StringEquals, "lambda:EventSourceToken", request.event_source_token.as_deref()),
        (Comparison::Bool, "lambda:InvokedViaFunctionUrl", via_url.as_deref()),
        (Comparison::ArnLike, "AWS:SourceArn", request.source_arn.as_deref()),
    ] {
        require(&mut statement, comparison, key, value);
    }
    Ok(statement)
}
