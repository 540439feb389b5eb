//! Which functions name a capacity provider.

use tindra_core::function::{Function, Scope};
use tindra_model::lambda::functions::CapacityProviderConfig;

use super::{name_of, not_found};
use crate::Control;
use crate::error::ControlError;

/// Whether a version names the provider with an ARN.
pub(super) fn uses(version: &Function, arn: &str) -> bool {
    let managed = version.desired.configuration.managed_instances.as_ref();
    managed.is_some_and(|managed| managed.capacity_provider_arn == arn)
}

impl Control {
    /// Refuses a configuration that names a provider that does not exist. One that is deleted at the same moment is not
    /// seen; nothing but the name would come of it.
    pub(crate) async fn check_capacity_provider(
        &self,
        scope: &Scope,
        config: Option<&CapacityProviderConfig>,
    ) -> Result<(), ControlError> {
        let Some(config) = config else { return Ok(()) };
        let arn = &config.lambda_managed_instances_capacity_provider_config.capacity_provider_arn;
        match name_of(arn, scope) {
            Some(_) => self.provider(scope, arn).await.map(|_| ()),
            None => Err(not_found(arn)),
        }
    }

    /// Refuses to take a provider away from a function that names it.
    pub(super) async fn check_unused(&self, scope: &Scope, arn: &str) -> Result<(), ControlError> {
        for prefix in [Function::key_prefix(scope), Function::scope_versions_prefix(scope)] {
            if let Some(version) = self.all::<Function>(&prefix).await?.iter().find(|version| uses(version, arn)) {
                return Err(ControlError::Conflict(format!(
                    "Capacity provider {arn} is used by {}. Delete the function, or let it name another one, first.",
                    version.arn()
                )));
            }
        }
        Ok(())
    }
}
