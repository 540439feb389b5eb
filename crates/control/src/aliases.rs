//! Aliases: names that lead to versions.

mod change_alias;
mod create_alias;
mod delete_alias;
mod read_aliases;
mod routing;
mod update_alias;

use tindra_core::alias::Alias;
use tindra_core::function::{Function, Scope, Version};
use tindra_core::name::{self, FunctionName};
use tindra_model::lambda::aliases::AliasConfiguration;
use tindra_store::JsonRecords as _;

use crate::Control;
use crate::error::ControlError;

/// An alias as the API shows it.
fn configuration(alias: &Alias) -> AliasConfiguration {
    AliasConfiguration {
        alias_arn: Some(arn(&alias.scope, &alias.function_name, &alias.name)),
        name: Some(alias.name.clone()),
        function_version: Some(alias.version.to_string()),
        description: Some(alias.description.clone()),
        routing_config: alias.additional.map(routing::configuration),
        revision_id: Some(alias.revision_id.to_string()),
    }
}

fn arn(scope: &Scope, function: &str, alias: &str) -> String {
    name::arn(scope, function, Some(alias))
}

impl Control {
    /// Refuses a version that does not exist.
    async fn check_version(&self, scope: &Scope, function: &str, version: Version) -> Result<(), ControlError> {
        let key = Function::version_key(scope, function, version);
        match self.store.metadata.get(&key).await? {
            Some(_) => Ok(()),
            None => {
                let missing = FunctionName { name: function.to_owned(), qualifier: Some(version.to_string()) };
                Err(missing.not_found(scope).into())
            }
        }
    }

    /// The alias that a function has under a name.
    pub(crate) async fn alias(
        &self,
        scope: &Scope,
        function: &str,
        alias: &str,
    ) -> Result<Option<Alias>, ControlError> {
        let record = self.store.metadata.get_json(&Alias::key(scope, function, alias)).await?;
        Ok(record.map(|record| record.value))
    }
}
