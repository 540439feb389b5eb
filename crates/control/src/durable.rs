//! Durable executions. No function here is durable (`DurableConfig` is refused), so there are none: what asks
//! for one is told that it does not exist, in the form that the operation has for it.

use serde::Deserialize;
use serde_json::Value;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::durable::{ListDurableExecutionsByFunctionRequest, ListDurableExecutionsByFunctionResponse};

use crate::error::ControlError;
use crate::paging::read_marker;
use crate::{Caller, Control, read, reply};

/// What every operation on an execution names.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OnExecution {
    durable_execution_arn: String,
}

/// What every operation on a callback names.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OnCallback {
    callback_id: String,
}

impl Control {
    pub(crate) async fn list_durable_executions(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: ListDurableExecutionsByFunctionRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, request.qualifier.as_deref(), &caller.scope)?;
        self.find(&caller.scope, &name).await?;
        request.marker.as_deref().map(read_marker).transpose()?;
        reply(ListDurableExecutionsByFunctionResponse { durable_executions: Some(Vec::new()), next_marker: None })
    }
}

/// For an operation whose errors have `ResourceNotFoundException`.
pub(crate) fn no_execution(input: Value) -> Result<Reply, ControlError> {
    let OnExecution { durable_execution_arn: arn } = read(input)?;
    Err(ControlError::Missing(format!("Durable execution not found: {arn}")))
}

/// For the two operations of a function's own runtime, whose errors do not have it.
pub(crate) fn no_execution_to_continue(input: Value) -> Result<Reply, ControlError> {
    let OnExecution { durable_execution_arn: arn } = read(input)?;
    Err(ControlError::Invalid(format!("Durable execution not found: {arn}")))
}

/// For an answer to a callback.
pub(crate) fn no_callback(input: Value) -> Result<Reply, ControlError> {
    let OnCallback { callback_id: id } = read(input)?;
    Err(ControlError::Missing(format!("Callback not found: {id}")))
}
