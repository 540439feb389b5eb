//! Versions of managed policies: up to five, one of which acts.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_store::{Batch, JsonBatch, Precondition, Versioned};

use super::output::{self, Detail};
use super::page::PageRequest;
use super::policies::check_managed;
use super::records::{Policy, Version};
use super::{IamError, IamService};

/// Versions of one policy (AWS quota).
const VERSIONS_MAX: usize = 5;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateRequest {
    policy_arn: String,
    policy_document: String,
    #[serde(default)]
    set_as_default: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct VersionRequest {
    policy_arn: String,
    version_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRequest {
    policy_arn: String,
    #[serde(flatten)]
    page: PageRequest,
}

impl IamService {
    pub(super) async fn create_policy_version(&self, account: &str, request: CreateRequest) -> Result<Value, IamError> {
        check_managed(&request.policy_document)?;
        let mut policy = self.changeable_policy(account, &request.policy_arn, "CreatePolicyVersion").await?;
        if policy.value.versions.len() >= VERSIONS_MAX {
            return Err(IamError::limit(
                "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
            ));
        }
        let (number, created_ms) = (policy.value.next_version, self.clock.unix_ms());
        let version = Version { number, document: request.policy_document, created_ms };
        policy.value.next_version += 1;
        policy.value.updated_ms = created_ms;
        policy.value.versions.push(version.clone());
        if request.set_as_default {
            policy.value.default_version = number;
        }
        let shown = output::version(&version, policy.value.default_version, Detail::Listed);
        self.replace_policy(policy).await?;
        Ok(json!({ "PolicyVersion": shown }))
    }

    pub(super) async fn get_policy_version(&self, account: &str, request: VersionRequest) -> Result<Value, IamError> {
        let (policy, _) = self.find_policy(account, &request.policy_arn).await?;
        let version = version_of(&policy, &request)?;
        Ok(json!({ "PolicyVersion": output::version(version, policy.default_version, Detail::All) }))
    }

    /// The newest comes first.
    pub(super) async fn list_policy_versions(&self, account: &str, request: ListRequest) -> Result<Value, IamError> {
        let (policy, _) = self.find_policy(account, &request.policy_arn).await?;
        let shown = policy.versions.iter().rev();
        let shown = shown.map(|version| output::version(version, policy.default_version, Detail::Listed));
        request.page.cut("Versions", shown, |shown| {
            let number = number_of(shown["VersionId"].as_str().unwrap_or_default()).unwrap_or(0);
            format!("{:010}", u32::MAX - number)
        })
    }

    pub(super) async fn delete_policy_version(
        &self,
        account: &str,
        request: VersionRequest,
    ) -> Result<Value, IamError> {
        let mut policy = self.changeable_policy(account, &request.policy_arn, "DeletePolicyVersion").await?;
        let number = version_of(&policy.value, &request)?.number;
        if number == policy.value.default_version {
            return Err(IamError::in_use("Cannot delete the default version of a policy."));
        }
        policy.value.versions.retain(|version| version.number != number);
        self.replace_policy(policy).await
    }

    pub(super) async fn set_default_policy_version(
        &self,
        account: &str,
        request: VersionRequest,
    ) -> Result<Value, IamError> {
        let mut policy = self.changeable_policy(account, &request.policy_arn, "SetDefaultPolicyVersion").await?;
        policy.value.default_version = version_of(&policy.value, &request)?.number;
        policy.value.updated_ms = self.clock.unix_ms();
        self.replace_policy(policy).await
    }

    pub(super) async fn replace_policy(&self, policy: Versioned<Policy>) -> Result<Value, IamError> {
        let precondition = Precondition::Revision(policy.revision);
        self.commit(Batch::default().put_json(policy.key, precondition, &policy.value)?).await
    }
}

fn version_of<'a>(policy: &'a Policy, request: &VersionRequest) -> Result<&'a Version, IamError> {
    let VersionRequest { policy_arn, version_id } = request;
    number_of(version_id).and_then(|number| policy.version(number)).ok_or_else(|| {
        IamError::missing(format!("Policy {policy_arn} version {version_id} does not exist or is not attachable."))
    })
}

/// `v3` is 3.
fn number_of(version_id: &str) -> Option<u32> {
    version_id.strip_prefix('v')?.parse().ok()
}
