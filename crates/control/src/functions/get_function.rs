//! `GetFunction` and `GetFunctionConfiguration`.

use serde_json::Value;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::functions::{
    Concurrency, FunctionCodeLocation, GetFunctionConfigurationRequest, GetFunctionRequest, GetFunctionResponse,
};

use crate::error::ControlError;
use crate::shape::{View, small};
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn get_function(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: GetFunctionRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, request.qualifier.as_deref(), &caller.scope)?;
        let function = self.find(&caller.scope, &name).await?.value;
        let view = View { qualifier: name.qualifier.as_deref(), ..View::default() };
        let token = self.links.token(&self.store, &function.desired.code.sha256, self.clock.unix_ms()).await?;
        reply(GetFunctionResponse {
            configuration: Some(self.configuration(&function, view)),
            code: Some(FunctionCodeLocation {
                repository_type: Some("S3".to_owned()),
                location: Some(format!("{}/_tindra/code/{token}", caller.endpoint)),
                ..FunctionCodeLocation::default()
            }),
            tags: Some(function.tags).filter(|tags| !tags.is_empty()),
            concurrency: function
                .reserved_concurrency
                .map(|reserve| Concurrency { reserved_concurrent_executions: Some(small(reserve)) }),
            ..GetFunctionResponse::default()
        })
    }

    pub(crate) async fn get_function_configuration(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: GetFunctionConfigurationRequest = read(input)?;
        let name = FunctionName::read(&request.function_name, request.qualifier.as_deref(), &caller.scope)?;
        let function = self.find(&caller.scope, &name).await?.value;
        reply(self.configuration(&function, View { qualifier: name.qualifier.as_deref(), ..View::default() }))
    }
}
