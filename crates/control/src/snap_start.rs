//! `SnapStart`: which functions can have it, what does not go together with it, and how it is shown.

use tindra_core::function::{Configuration, Function};
use tindra_core::limits;
use tindra_core::runtime::Runtime;
use tindra_model::lambda::functions::SnapStartResponse;

use crate::error::ControlError;

/// Runtimes before Python 3.12, Java 11 and .NET 8 never have it; what AWS has beyond Python is said to be missing.
const ELSEWHERE: [&str; 2] = ["java", "dotnet"];

/// Refuses a configuration that asks for snapshots and cannot have them (AWS: "Improving startup performance with
/// Lambda SnapStart", supported features and limitations).
pub(crate) fn check(configuration: &Configuration) -> Result<(), ControlError> {
    if !configuration.snapshots_versions {
        return Ok(());
    }
    let runtime = &configuration.runtime;
    if !Runtime::parse(runtime).has_snapshots() {
        let is_elsewhere = ELSEWHERE.iter().any(|family| runtime.starts_with(family));
        let remedy = if is_elsewhere { " This server makes snapshots of python3.12 and later." } else { "" };
        return Err(unsupported(runtime, remedy));
    }
    if configuration.ephemeral_storage_mb > limits::EPHEMERAL_STORAGE_MB_DEFAULT {
        return Err(unsupported("EphemeralStorage of more than 512 MB", ""));
    }
    Ok(())
}

/// Provisioned concurrency and snapshots exclude each other (AWS).
pub(crate) fn check_provisioned(version: &Function) -> Result<(), ControlError> {
    match version.has_snapshot() {
        true => Err(unsupported("Provisioned Concurrency", "")),
        false => Ok(()),
    }
}

/// In the form of AWS's sentence about a runtime.
fn unsupported(what: &str, remedy: &str) -> ControlError {
    ControlError::Invalid(format!("{what} is not supported for SnapStart enabled functions.{remedy}"))
}

/// `SnapStart` of a version: on for one whose environments begin as copies, as soon as it has been published.
pub(crate) fn shown(function: &Function) -> SnapStartResponse {
    let apply_on = if function.desired.configuration.snapshots_versions { "PublishedVersions" } else { "None" };
    SnapStartResponse {
        apply_on: Some(apply_on.to_owned()),
        optimization_status: Some(if function.has_snapshot() { "On" } else { "Off" }.to_owned()),
    }
}

const _: () = assert!(limits::EPHEMERAL_STORAGE_MB_DEFAULT == 512, "the message names the figure");
