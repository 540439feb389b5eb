//! `TenancyConfig`: which functions isolate their tenants, what does not go together with it, and how it is shown.
//!
//! The refusals are worded as AWS's own deployment tools word them; the service's words have not been seen.

use tindra_core::function::{Configuration, Function};
use tindra_model::lambda::functions::TenancyConfig;

use crate::error::ControlError;

/// The one mode that there is.
const PER_TENANT: &str = "PER_TENANT";

/// Whether a new function is asked to isolate its tenants.
pub(crate) fn read(config: Option<&TenancyConfig>) -> bool {
    config.is_some_and(|config| config.tenant_isolation_mode == PER_TENANT)
}

/// `TenancyConfig` of a function that has one.
pub(crate) fn shown(configuration: &Configuration) -> Option<TenancyConfig> {
    configuration.isolates_tenants.then(|| TenancyConfig { tenant_isolation_mode: PER_TENANT.to_owned() })
}

/// Refuses what does not go together with it: snapshots, whose copies would share what the tenants are to be kept apart in,
/// and environments that run several invokes at once (AWS has it for other functions only).
pub(crate) fn check(configuration: &Configuration) -> Result<(), ControlError> {
    refuse("SnapStart", configuration.isolates_tenants && configuration.snapshots_versions)?;
    refuse("A capacity provider", configuration.isolates_tenants && configuration.managed_instances.is_some())
}

/// Refuses provisioned concurrency: nobody knows for which tenant environments should be kept (AWS).
pub(crate) fn check_provisioned(version: &Function) -> Result<(), ControlError> {
    refuse("Provisioned Concurrency", isolates_tenants(version))
}

/// Refuses function URLs: whoever calls one names no tenant (AWS).
pub(crate) fn check_url(function: &Function) -> Result<(), ControlError> {
    refuse("FunctionUrl", isolates_tenants(function))
}

/// Refuses event source mappings: no record names a tenant (AWS).
pub(crate) fn check_mapping(function: &Function) -> Result<(), ControlError> {
    refuse("Event source mapping", isolates_tenants(function))
}

fn isolates_tenants(function: &Function) -> bool {
    function.desired.configuration.isolates_tenants
}

fn refuse(what: &str, is_refused: bool) -> Result<(), ControlError> {
    match is_refused {
        true => {
            Err(ControlError::Invalid(format!("{what} is not supported for functions with tenant isolation mode.")))
        }
        false => Ok(()),
    }
}
