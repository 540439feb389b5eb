//! `CapacityProviderConfig`: which functions can have it, what does not go together with it, and how it is shown.
//!
//! Its functions run on this server like all others, several invokes at once in one environment.

use serde_json::json;
use tindra_core::function::{Configuration, Function, LogFormat};
use tindra_core::limits::MANAGED_INSTANCES_MEMORY_MB_MIN;
use tindra_core::managed_instances::{ManagedInstances, has_managed_instances};
use tindra_model::lambda::functions::{CapacityProviderConfig, LambdaManagedInstancesCapacityProviderConfig};

use crate::error::ControlError;

/// Reads the member as it came.
pub(crate) fn read(config: CapacityProviderConfig) -> Result<ManagedInstances, ControlError> {
    let config = config.lambda_managed_instances_capacity_provider_config;
    let ratio = config.execution_environment_memory_gi_b_per_v_cpu;
    let memory_gib_per_vcpu = match ratio {
        None => None,
        Some(2.0) => Some(2),
        Some(4.0) => Some(4),
        Some(8.0) => Some(8),
        Some(other) => {
            return Err(ControlError::Invalid(format!(
                "ExecutionEnvironmentMemoryGiBPerVCpu must be 2, 4 or 8, not {}.",
                json!(other)
            )));
        }
    };
    Ok(ManagedInstances {
        capacity_provider_arn: config.capacity_provider_arn,
        invokes_at_once: config.per_execution_environment_max_concurrency.and_then(|count| u32::try_from(count).ok()),
        memory_gib_per_vcpu,
    })
}

/// Refuses a configuration that asks for it and cannot have it (AWS: "Lambda Managed Instances", its pages on runtimes, on
/// configuring functions and on limitations).
pub(crate) fn check(configuration: &Configuration) -> Result<(), ControlError> {
    let Some(managed) = &configuration.managed_instances else { return Ok(()) };
    if !has_managed_instances(&configuration.runtime) {
        return Err(ControlError::Invalid(format!(
            "Runtime {} cannot be used with a capacity provider. Use java21, python3.13, nodejs22.x, provided.al2023 or later.",
            configuration.runtime
        )));
    }
    let memory_mb = configuration.memory_mb;
    if memory_mb < MANAGED_INSTANCES_MEMORY_MB_MIN {
        return Err(ControlError::Invalid(format!(
            "MemorySize is {memory_mb} MB; functions with a capacity provider need at least {MANAGED_INSTANCES_MEMORY_MB_MIN} MB."
        )));
    }
    let mb_per_vcpu = managed.memory_mb_per_vcpu();
    if !memory_mb.is_multiple_of(mb_per_vcpu) {
        return Err(ControlError::Invalid(format!(
            "MemorySize is {memory_mb} MB; with a capacity provider it must be a multiple of ExecutionEnvironmentMemoryGiBPerVCpu, here of {mb_per_vcpu} MB."
        )));
    }
    if configuration.logging.format != LogFormat::Json {
        return Err(ControlError::invalid(
            "Functions with a capacity provider log in JSON only. Set LogFormat to JSON in LoggingConfig.",
        ));
    }
    if configuration.snapshots_versions {
        return Err(unsupported("SnapStart"));
    }
    Ok(())
}

/// Environments that are kept ready and those that run several invokes exclude each other (AWS).
pub(crate) fn check_provisioned(version: &Function) -> Result<(), ControlError> {
    match version.desired.configuration.managed_instances {
        Some(_) => Err(unsupported("Provisioned Concurrency")),
        None => Ok(()),
    }
}

fn unsupported(what: &str) -> ControlError {
    ControlError::Invalid(format!("{what} is not supported for functions with a capacity provider."))
}

/// `CapacityProviderConfig` as the API shows it.
pub(crate) fn shown(managed: &ManagedInstances) -> CapacityProviderConfig {
    CapacityProviderConfig {
        lambda_managed_instances_capacity_provider_config: LambdaManagedInstancesCapacityProviderConfig {
            capacity_provider_arn: managed.capacity_provider_arn.clone(),
            per_execution_environment_max_concurrency: managed
                .invokes_at_once
                .map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
            execution_environment_memory_gi_b_per_v_cpu: managed.memory_gib_per_vcpu.map(f64::from),
        },
    }
}
