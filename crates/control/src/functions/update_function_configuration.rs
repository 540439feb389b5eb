//! `UpdateFunctionConfiguration`: a member that is absent stays as it is.

use serde_json::Value;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::functions::UpdateFunctionConfigurationRequest;

use crate::error::ControlError;
use crate::settings::Settings;
use crate::shape::View;
use crate::{Caller, Control, read, reply, unsupported};

impl Control {
    pub(crate) async fn update_function_configuration(
        &self,
        caller: &Caller,
        input: Value,
    ) -> Result<Reply, ControlError> {
        unsupported::refuse(&input)?;
        let mut request: UpdateFunctionConfigurationRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        let revision_id = request.revision_id.take();
        let settings = Settings::from(request);
        let function = self
            .change(&caller.scope, &name, revision_id.as_deref(), false, |function| {
                settings.clone().merge(&mut function.desired.configuration)
            })
            .await?;
        reply(self.configuration(&function, View::default()))
    }
}
