//! A code signing configuration as the API shows it, and what the API may say of one.

use tindra_model::lambda::code_signing::{AllowedPublishers, CodeSigningConfig, CodeSigningPolicies};

use super::CodeSigning;
use crate::error::ControlError;
use crate::shape::last_modified;

/// What becomes of code without a signature when nothing was said (AWS).
const WARN: &str = "Warn";

/// All members.
pub(super) fn configuration(config: &CodeSigning) -> CodeSigningConfig {
    CodeSigningConfig {
        code_signing_config_id: config.id.clone(),
        code_signing_config_arn: config.arn(),
        description: config.description.clone(),
        allowed_publishers: AllowedPublishers { signing_profile_version_arns: config.publishers.clone() },
        code_signing_policies: CodeSigningPolicies { untrusted_artifact_on_deployment: Some(WARN.to_owned()) },
        last_modified: last_modified(config.last_modified_ms),
    }
}

/// Refuses a policy that nobody here would carry out.
pub(super) fn check_policies(policies: Option<&CodeSigningPolicies>) -> Result<(), ControlError> {
    let policy = policies.and_then(|policies| policies.untrusted_artifact_on_deployment.as_deref());
    match policy {
        None | Some(WARN) => Ok(()),
        Some(policy) => Err(ControlError::Invalid(format!(
            "CodeSigningPolicies.UntrustedArtifactOnDeployment: this server verifies no signatures and cannot {policy}; use {WARN}."
        ))),
    }
}
