//! `UpdateFunctionConfiguration`: a member that is absent stays as it is.

use serde::Deserialize;
use serde_json::Value;
use tindra_core::name::FunctionName;
use tindra_model::Reply;

use crate::error::ControlError;
use crate::settings::Settings;
use crate::shape::View;
use crate::{Caller, Control, read, unsupported};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    function_name: String,
    revision_id: Option<String>,
    #[serde(flatten)]
    settings: Settings,
}

impl Control {
    pub(crate) async fn update_function_configuration(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        unsupported::refuse(&input)?;
        let request: Request = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        let function = self
            .change(&caller.scope, &name, request.revision_id.as_deref(), |function| {
                request.settings.clone().merge(&mut function.desired.configuration)
            })
            .await?;
        Ok(Reply::new(self.configuration(&function, View::default())?))
    }
}
