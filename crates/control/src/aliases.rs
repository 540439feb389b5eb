//! Aliases: names that lead to versions.

mod change_alias;
mod create_alias;
mod delete_alias;
mod read_aliases;
mod routing;
mod update_alias;

use tindra_core::alias::Alias;
use tindra_core::function::{Function, Scope, State, Version};
use tindra_core::name::{self, FunctionName};
use tindra_core::provisioned::Provisioned;
use tindra_model::lambda::aliases::AliasConfiguration;
use tindra_store::{JsonRecords as _, Versioned};

use crate::error::ControlError;
use crate::{Control, snap_start};

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
    /// Refuses a version that an alias cannot lead to: none, one that failed to be published, or one that starts
    /// from a snapshot when the alias has provisioned concurrency.
    async fn check_version(
        &self,
        scope: &Scope,
        function: &str,
        alias: &str,
        version: Version,
    ) -> Result<(), ControlError> {
        let key = Function::version_key(scope, function, version);
        let record: Option<Versioned<Function>> = self.store.metadata.get_json(&key).await?;
        let Some(record) = record else {
            let missing = FunctionName { name: function.to_owned(), qualifier: Some(version.to_string()) };
            return Err(missing.not_found(scope).into());
        };
        if version != Version::Latest && record.value.state == State::Failed {
            return Err(ControlError::Failed);
        }
        if self.store.metadata.get(&Provisioned::key(scope, function, alias)).await?.is_some() {
            snap_start::check_provisioned(&record.value)?;
        }
        Ok(())
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
