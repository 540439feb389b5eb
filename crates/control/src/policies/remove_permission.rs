//! `RemovePermission`.

use serde_json::Value;
use tindra_core::name::{FunctionName, NameError};
use tindra_model::Reply;
use tindra_model::lambda::policies::RemovePermissionRequest;

use super::change_policy::check_revision;
use super::document::without_statement;
use crate::error::ControlError;
use crate::{Caller, Control, read};

impl Control {
    pub(crate) async fn remove_permission(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: RemovePermissionRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, request.qualifier.as_deref(), &caller.scope)?;
        let removed = self.change_policy(&caller.scope, &name, |target, policy| {
            let rest = without_statement(policy, &request.statement_id)?;
            check_revision(target, request.revision_id.as_deref(), "GetFunction/GetAlias")?;
            Ok(rest)
        });
        match removed.await {
            Ok(_) => Ok(Reply::default()),
            Err(ControlError::Name(NameError::NotFound { arn })) => {
                Err(ControlError::Missing(format!("No policy found for: {arn}")))
            }
            Err(error) => Err(error),
        }
    }
}
