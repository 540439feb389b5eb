//! Capacity providers: machines that an account lends to Lambda.
//!
//! They are recorded, so that tools can make them and read them back, and so that functions can name one: then their environments
//! run several invokes at once. All functions run on this server, whatever they name.

mod providers;
mod read_providers;
mod scaling;
mod users;

use serde::{Deserialize, Serialize};
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_model::lambda::capacity::{
    CapacityProvider, CapacityProviderPermissionsConfig, CapacityProviderScalingConfig,
    CapacityProviderTelemetryConfig, CapacityProviderVpcConfig, InstanceRequirements, PropagateTags,
};
use tindra_store::{JsonRecords as _, Versioned};

use crate::Control;
use crate::error::ControlError;
use crate::shape::last_modified;
use crate::tags::{Tagged, Tags};

/// A capacity provider as the store keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Provider {
    name: String,
    scope: Scope,
    vpc: CapacityProviderVpcConfig,
    permissions: CapacityProviderPermissionsConfig,
    requirements: Option<InstanceRequirements>,
    scaling: Option<CapacityProviderScalingConfig>,
    kms_key_arn: Option<String>,
    propagate_tags: Option<PropagateTags>,
    telemetry: Option<CapacityProviderTelemetryConfig>,
    tags: Tags,
    last_modified_ms: UnixMs,
}

impl Provider {
    fn arn(&self) -> String {
        format!("{}{}", arn_prefix(&self.scope), self.name)
    }

    fn key_prefix(scope: &Scope) -> String {
        format!("capacity-provider/{}/{}/", scope.account, scope.region)
    }

    /// The key of the provider with a name.
    pub(crate) fn key(scope: &Scope, name: &str) -> String {
        format!("{}{name}", Self::key_prefix(scope))
    }

    /// As the API shows it, in a state of its life.
    fn shown(&self, state: &str) -> CapacityProvider {
        CapacityProvider {
            capacity_provider_arn: self.arn(),
            state: state.to_owned(),
            vpc_config: self.vpc.clone(),
            permissions_config: self.permissions.clone(),
            instance_requirements: self.requirements.clone(),
            capacity_provider_scaling_config: self.scaling.clone(),
            kms_key_arn: self.kms_key_arn.clone(),
            last_modified: Some(last_modified(self.last_modified_ms)),
            propagate_tags: self.propagate_tags.clone(),
            telemetry_config: self.telemetry.clone(),
        }
    }
}

impl Tagged for Provider {
    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn tags_mut(&mut self) -> Result<&mut Tags, ControlError> {
        Ok(&mut self.tags)
    }
}

fn arn_prefix(scope: &Scope) -> String {
    format!("arn:aws:lambda:{}:{}:capacity-provider:", scope.region, scope.account)
}

/// The name that a request means by a name or an ARN; none for an ARN of another account or region.
fn name_of<'a>(text: &'a str, scope: &Scope) -> Option<&'a str> {
    match text.starts_with("arn:") {
        true => text.strip_prefix(&arn_prefix(scope)),
        false => Some(text),
    }
}

/// The error for when a provider does not exist.
pub(crate) fn not_found(text: &str) -> ControlError {
    ControlError::Missing(format!("Capacity provider not found: {text}"))
}

impl Control {
    async fn provider(&self, scope: &Scope, text: &str) -> Result<Versioned<Provider>, ControlError> {
        let record = match name_of(text, scope) {
            Some(name) => self.store.metadata.get_json(&Provider::key(scope, name)).await?,
            None => None,
        };
        record.ok_or_else(|| not_found(text))
    }
}
