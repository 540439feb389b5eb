//! `GetFunction` and `GetFunctionConfiguration`.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::name::FunctionName;
use tindra_model::Reply;

use crate::error::ControlError;
use crate::shape::View;
use crate::{Caller, Control, read};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    function_name: String,
    qualifier: Option<String>,
}

impl Request {
    fn name(&self, caller: &Caller) -> Result<FunctionName, ControlError> {
        Ok(FunctionName::read(&self.function_name, self.qualifier.as_deref(), &caller.scope)?)
    }
}

impl Control {
    pub(crate) async fn get_function(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: Request = read(input)?;
        let name = request.name(caller)?;
        let function = self.find(&caller.scope, &name).await?.value;
        let view = View { qualifier: name.qualifier.as_deref(), ..View::default() };
        let token = self.links.token(&self.store, &function.desired.code.sha256, self.clock.unix_ms()).await?;
        let location = format!("{}/_tindra/code/{token}", caller.endpoint);
        let mut output = json!({
            "Configuration": self.configuration(&function, view)?,
            "Code": { "RepositoryType": "S3", "Location": location },
        });
        if !function.tags.is_empty() {
            output["Tags"] = json!(function.tags);
        }
        Ok(Reply::new(output))
    }

    pub(crate) async fn get_function_configuration(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        let request: Request = read(input)?;
        let name = request.name(caller)?;
        let function = self.find(&caller.scope, &name).await?.value;
        let view = View { qualifier: name.qualifier.as_deref(), ..View::default() };
        Ok(Reply::new(self.configuration(&function, view)?))
    }
}
