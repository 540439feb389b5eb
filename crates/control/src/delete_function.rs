//! `DeleteFunction`. Invokes that run end in peace; the code package is swept later.

use serde_json::Value;
use tindra_core::name::{FunctionName, LATEST};
use tindra_model::Reply;
use tindra_model::lambda::functions::{DeleteFunctionRequest, DeleteFunctionResponse};
use tindra_store::{Batch, Precondition, StoreError};

use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

/// What AWS answers, although the newest model says 200.
const STATUS: u16 = 204;

impl Control {
    pub(crate) async fn delete_function(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: DeleteFunctionRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, request.qualifier.as_deref(), &caller.scope)?;
        let whole = FunctionName { name: name.name.clone(), qualifier: None };
        loop {
            let record = self.find(&caller.scope, &whole).await?;
            check_qualifier(&name, caller)?;
            let batch = Batch::default().delete(record.key, Precondition::Revision(record.revision));
            match self.store.metadata.commit(batch).await {
                Ok(_) => {
                    let output = DeleteFunctionResponse { status_code: Some(i32::from(STATUS)) };
                    return Ok(Reply { status: Some(STATUS), ..reply(output)? });
                }
                // It has settled or changed meanwhile; it is to go all the same.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Only whole functions can be deleted, as long as there are no versions.
fn check_qualifier(name: &FunctionName, caller: &Caller) -> Result<(), ControlError> {
    match name.qualifier.as_deref() {
        None => Ok(()),
        Some(LATEST) => Err(ControlError::invalid("$LATEST version cannot be deleted without deleting the function.")),
        Some(version) if version.bytes().all(|byte| byte.is_ascii_digit()) => Err(name.not_found(&caller.scope).into()),
        Some(_) => Err(ControlError::invalid("Deletion of aliases is not currently supported.")),
    }
}
