//! `CreateAlias`.

use serde_json::Value;
use tindra_core::alias::Alias;
use tindra_core::function::Version;
use tindra_core::name::FunctionName;
use tindra_model::Reply;
use tindra_model::lambda::aliases::CreateAliasRequest;
use tindra_store::{Batch, JsonBatch as _, Precondition, StoreError};
use uuid::Uuid;

use super::{arn, configuration, routing};
use crate::error::ControlError;
use crate::{Caller, Control, read, reply};

impl Control {
    pub(crate) async fn create_alias(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: CreateAliasRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        let (version, additional) =
            (routing::version(&request.function_version)?, routing::read(request.routing_config.as_ref())?);
        routing::check(version, additional)?;
        loop {
            let function = self.find(&caller.scope, &name).await?;
            self.check_version(&caller.scope, &name.name, &request.name, version).await?;
            if let Some(additional) = additional {
                let version = Version::Published(additional.version);
                self.check_version(&caller.scope, &name.name, &request.name, version).await?;
            }
            let alias = Alias {
                scope: caller.scope.clone(),
                function_name: name.name.clone(),
                name: request.name.clone(),
                version,
                additional,
                description: request.description.clone().unwrap_or_default(),
                revision_id: Uuid::new_v4(),
            };
            let key = Alias::key(&caller.scope, &name.name, &request.name);
            if self.store.metadata.get(&key).await?.is_some() {
                let arn = arn(&caller.scope, &name.name, &request.name);
                return Err(ControlError::Conflict(format!("Alias already exists: {arn}")));
            }
            // Touching the function makes the batch fail when it, or the version with it, goes meanwhile.
            let batch = Batch::default()
                .put_json(function.key, Precondition::Revision(function.revision), &function.value)?
                .put_json(key, Precondition::Absent, &alias)?;
            match self.store.metadata.commit(batch).await {
                Ok(_) => return reply(configuration(&alias)),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
