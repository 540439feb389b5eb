//! `UpdateFunctionConfiguration`: a member that is absent stays as it is.

use serde_json::Value;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::functions::UpdateFunctionConfigurationRequest;

use crate::error::ControlError;
use crate::layers::check_sizes;
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
        let layers = request.layers.take();
        let membership = self.membership(request.vpc_config.take())?;
        self.check_capacity_provider(&caller.scope, request.capacity_provider_config.as_ref()).await?;
        let settings = Settings::from(request);
        // What a layer consists of stays while it is being referred to.
        let _unswept = self.packages.uploads.read().await;
        let layers = match &layers {
            Some(arns) => Some(self.layer_references(caller, arns).await?),
            None => None,
        };
        let function = self
            .change(&caller.scope, &name, revision_id.as_deref(), false, |function| {
                let deployment = &mut function.desired;
                settings.clone().merge(&mut deployment.configuration)?;
                if let Some(membership) = &membership {
                    deployment.configuration.network.clone_from(membership);
                }
                if let Some(layers) = &layers {
                    deployment.configuration.layers.clone_from(layers);
                }
                check_sizes(deployment.code.unzipped_bytes, &deployment.configuration)
            })
            .await?;
        reply(self.configuration(&function, View::default()))
    }
}
