//! `UpdateAlias`: a member that is absent stays as it is.

use serde_json::Value;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::aliases::UpdateAliasRequest;

use super::{configuration, routing};
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn update_alias(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: UpdateAliasRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        let version = request.function_version.as_deref().map(routing::version).transpose()?;
        let additional = routing::read(request.routing_config.as_ref())?;
        let revision_id = request.revision_id.as_deref().filter(|id| !id.is_empty());
        let alias = self
            .change_alias(caller, &name, &request.name, revision_id, |alias| {
                if let Some(version) = version {
                    alias.version = version;
                }
                if request.routing_config.is_some() {
                    alias.additional = additional;
                }
                if let Some(description) = &request.description {
                    alias.description.clone_from(description);
                }
                Ok(())
            })
            .await?;
        reply(configuration(&alias))
    }
}
