//! `PutFunctionScalingConfig` and `GetFunctionScalingConfig`: bounds for the environments of functions with a capacity
//! provider. Here there are as many as their invokes need, so none is ever set.

use serde_json::Value;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::capacity::{
    GetFunctionScalingConfigRequest, GetFunctionScalingConfigResponse, PutFunctionScalingConfigRequest,
};

use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn put_function_scaling(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: PutFunctionScalingConfigRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, Some(&request.qualifier), &caller.scope)?;
        let version = self.find(&caller.scope, &name).await?.value;
        if version.desired.configuration.managed_instances.is_some() {
            return Err(ControlError::invalid(
                "FunctionScalingConfig is not supported: a function has as many execution environments as its invokes need. Bound them with reserved concurrency.",
            ));
        }
        // The model does not list this error here, but it is what AWS answers.
        Err(ControlError::Refused {
            code: "AccessDeniedException",
            message: "The function provided by the arn does not contain a capacity provider configuration".to_owned(),
        })
    }

    pub(crate) async fn get_function_scaling(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: GetFunctionScalingConfigRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, Some(&request.qualifier), &caller.scope)?;
        self.find(&caller.scope, &name).await?;
        reply(GetFunctionScalingConfigResponse {
            function_arn: Some(name.arn(&caller.scope)),
            ..GetFunctionScalingConfigResponse::default()
        })
    }
}
