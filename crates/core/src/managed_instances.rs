//! Functions whose environments run several invokes at once: those with a capacity provider (AWS: "Lambda Managed Instances").
//!
//! How many is a property of a version. Pure figures; who may have a capacity provider is the control plane's affair.

use serde::{Deserialize, Serialize};

use crate::cpu;
use crate::function::Configuration;
use crate::limits::{INVOKES_PER_ENVIRONMENT_MAX, MANAGED_INSTANCES_MEMORY_GIB_PER_VCPU_DEFAULT};
use crate::runtime::{Family, Runtime};

/// `CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedInstances {
    /// `CapacityProviderArn`.
    pub capacity_provider_arn: String,
    /// `PerExecutionEnvironmentMaxConcurrency`; none for what the runtime's workers are made for.
    pub invokes_at_once: Option<u32>,
    /// `ExecutionEnvironmentMemoryGiBPerVCpu`: 2, 4 or 8.
    pub memory_gib_per_vcpu: Option<u32>,
}

impl ManagedInstances {
    /// Memory in MiB that comes with one processor.
    #[must_use]
    pub fn memory_mb_per_vcpu(&self) -> u32 {
        self.memory_gib_per_vcpu.unwrap_or(MANAGED_INSTANCES_MEMORY_GIB_PER_VCPU_DEFAULT) * 1_024
    }
}

impl Configuration {
    /// Invokes that one environment runs at once: 1, unless the function has a capacity provider. Then what it asks for, else what
    /// AWS gives each runtime for one processor, times processors.
    #[must_use]
    pub fn invokes_at_once(&self) -> u32 {
        let Some(managed) = &self.managed_instances else { return 1 };
        let vcpus = (self.memory_mb / managed.memory_mb_per_vcpu()).max(1);
        let invokes = managed.invokes_at_once.unwrap_or_else(|| per_vcpu(&self.runtime).saturating_mul(vcpus));
        invokes.clamp(1, INVOKES_PER_ENVIRONMENT_MAX)
    }

    /// The share of processors that its memory buys, in thousandths of one.
    #[must_use]
    pub fn cpu_millis(&self) -> u64 {
        match &self.managed_instances {
            None => cpu::cpu_millis(self.memory_mb),
            Some(managed) => u64::from(self.memory_mb) * 1_000 / u64::from(managed.memory_mb_per_vcpu()),
        }
    }
}

/// AWS: the pages on each runtime for Lambda Managed Instances; the OS-only runtimes' figure is Rust's.
fn per_vcpu(runtime: &str) -> u32 {
    match Runtime::parse(runtime).family() {
        Family::Node => 64,
        Family::Java | Family::Unsupported => 32,
        Family::Python => 16,
        Family::Provided => 8,
    }
}

/// Whether the runtime's own client runs several events at once (AWS: Java 21, Python 3.13, Node.js 22, `provided.al2023` and later;
/// .NET 8, too, which cannot be run here).
#[must_use]
pub fn has_managed_instances(runtime: &str) -> bool {
    let parsed = Runtime::parse(runtime);
    let version = parsed.language_version();
    let is_from = |number: &str, first: u32| number.parse::<u32>().is_ok_and(|number| number >= first);
    match parsed.family() {
        Family::Node => is_from(version, 22),
        Family::Java => is_from(version, 21),
        Family::Python => is_from(version.trim_start_matches("3."), 13),
        Family::Provided => runtime != "provided.al2",
        Family::Unsupported => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_runtimes_whose_clients_know_how_have_them() {
        for runtime in ["nodejs22.x", "nodejs24.x", "python3.13", "python3.14", "java21", "java25", "provided.al2023"] {
            assert!(has_managed_instances(runtime), "{runtime}");
        }
        for runtime in ["nodejs20.x", "python3.12", "python3.9", "java17", "java8.al2", "provided.al2", "ruby3.3"] {
            assert!(!has_managed_instances(runtime), "{runtime}");
        }
    }
}
