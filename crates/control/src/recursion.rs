//! `PutFunctionRecursionConfig`, `GetFunctionRecursionConfig`.
//!
//! The invoke path heeds it: an invoke that a function has caused itself too often is stopped, or not.

use serde_json::Value;
use tindra_core::function::RecursiveLoop;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::recursion::{
    GetFunctionRecursionConfigRequest, GetFunctionRecursionConfigResponse, PutFunctionRecursionConfigRequest,
    PutFunctionRecursionConfigResponse,
};
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};

use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    /// It is no change of code or configuration: the revision id stays, and nothing is prepared anew.
    pub(crate) async fn put_recursion(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: PutFunctionRecursionConfigRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        let recursive_loop = match request.recursive_loop.as_str() {
            "Allow" => RecursiveLoop::Allow,
            _ => RecursiveLoop::Terminate,
        };
        loop {
            let mut record = self.find(&caller.scope, &name).await?;
            record.value.recursive_loop = recursive_loop;
            let precondition = Precondition::Revision(record.revision);
            let batch = Batch::default().put_json(record.key, precondition, &record.value)?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => {
                    let recursive_loop = Some(request.recursive_loop);
                    return reply(PutFunctionRecursionConfigResponse { recursive_loop });
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(crate) async fn get_recursion(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: GetFunctionRecursionConfigRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        let recursive_loop = match self.find(&caller.scope, &name).await?.value.recursive_loop {
            RecursiveLoop::Allow => "Allow",
            RecursiveLoop::Terminate => "Terminate",
        };
        reply(GetFunctionRecursionConfigResponse { recursive_loop: Some(recursive_loop.to_owned()) })
    }
}
